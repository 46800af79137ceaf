//! The embedded database, in a file and in memory.

use integration_conformance::{Kept, ledger_conformance, storage_conformance};
use integration_host_database::SqliteDatabase;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_storage::SqliteStore;

#[tokio::test(flavor = "multi_thread")]
async fn storage_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    storage_conformance(Kept::Durably, async |name, clock| {
        SqliteStore::new(
            SqliteDatabase::open(folder.path().join(name)).unwrap(),
            clock,
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_in_memory() {
    storage_conformance(Kept::InMemory, async |_, clock| {
        SqliteStore::new(SqliteDatabase::open_in_memory().unwrap(), clock)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    ledger_conformance(Kept::Durably, async |name, retention| {
        let database = SqliteDatabase::open(folder.path().join(name)).unwrap();
        SqliteLedger::new(database).with_retention(retention)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_in_memory() {
    ledger_conformance(Kept::InMemory, async |_, retention| {
        SqliteLedger::new(SqliteDatabase::open_in_memory().unwrap()).with_retention(retention)
    })
    .await;
}
