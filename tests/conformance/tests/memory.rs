//! The providers that keep everything in memory.

use integration_conformance::{Kept, storage_conformance};
use integration_host_storage::MemoryStore;

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    storage_conformance(Kept::InMemory, async |_, clock| MemoryStore::new(clock)).await;
}
