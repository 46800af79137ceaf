//! The storage provider that is a component, its buckets in the embedded database.

use std::sync::Arc;
use std::time::Duration;

use integration_conformance::{Kept, storage_conformance};
use integration_host_contract::limits::Limits;
use integration_host_database::SqliteDatabase;
use integration_host_engine::ComponentStore;
use integration_host_engine::{Engine, StorageComponent};
use integration_host_storage::SqliteStore;

/// A busy machine is no fault of the provider's.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::for_storage(&Limits::default(), None).unwrap();
    let built = std::env::var_os("KEYVALUE_STORAGE_COMPONENT")
        .expect("the component is built and named by `cargo xtask test`");
    let bytes = std::fs::read(built).unwrap();
    let component = StorageComponent::load(&engine, &bytes).await.unwrap();
    storage_conformance(Kept::Durably, async |name, clock| {
        let database = SqliteDatabase::open(folder.path().join(name)).unwrap();
        let buckets = Arc::new(SqliteStore::new(database, clock.clone()));
        ComponentStore::new(component.clone(), buckets, PATIENCE, clock)
    })
    .await;
}
