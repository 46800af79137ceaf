//! What stands before every provider behaves like one.

use std::sync::Arc;

use integration_conformance::Kept;
use integration_conformance::storage::storage_report;
use integration_host_seal::{SealingKey, SealingKeys};
use integration_host_storage::{MemoryStore, SealedStore};

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    let report = storage_report(Kept::InMemory, async |_, clock| {
        let keys = SealingKeys::new(SealingKey::generate());
        SealedStore::new(Arc::new(MemoryStore::new(clock)), Arc::new(keys))
    })
    .await;
    // It leaves room for the seal, so its largest value is a little smaller than a provider's.
    let failed: Vec<_> = report.failures.iter().map(|failure| failure.case).collect();
    assert_eq!(failed, ["the_largest_value_fits"], "{report}");
}
