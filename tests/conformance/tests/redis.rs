//! A Redis server, a part of it of its own under every name.

use std::time::Duration;

use integration_conformance::{Kept, storage_conformance};
use integration_host_storage::RedisStore;
use test_services::part_of_redis;

/// A busy machine is no fault of the provider's.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    let Some(part) = part_of_redis().unwrap() else {
        return;
    };
    storage_conformance(Kept::Durably, async |name, clock| {
        let address = format!("{part}-{name}").parse().unwrap();
        RedisStore::open(&address, PATIENCE, clock).await.unwrap()
    })
    .await;
}
