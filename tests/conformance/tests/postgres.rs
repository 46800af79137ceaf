//! A Postgres database, a fresh one under every name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::Mutex;

use integration_conformance::{Kept, ledger_conformance, storage_conformance};
use integration_host::capability::storage::PostgresStore;
use integration_host::database::postgres::PostgresDatabase;
use integration_host::ledger::PostgresLedger;
use test_services::TestDatabase;

/// Databases by their names in the suite.
#[derive(Default)]
struct Databases(Mutex<HashMap<String, TestDatabase>>);

impl Databases {
    async fn open(&self, name: String) -> PostgresDatabase {
        let address = {
            let mut databases = self.0.lock().unwrap();
            let database = databases
                .entry(name)
                .or_insert_with(|| TestDatabase::create().unwrap().unwrap());
            // Many are open at once.
            format!("{}?connections=4", database.url())
        };
        PostgresDatabase::open(&address.parse().unwrap())
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    if TestDatabase::create().unwrap().is_none() {
        return;
    }
    let databases = Databases::default();
    storage_conformance(Kept::Durably, async |name, clock| {
        PostgresStore::new(databases.open(name).await, clock)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger() {
    if TestDatabase::create().unwrap().is_none() {
        return;
    }
    let databases = Databases::default();
    ledger_conformance(Kept::Durably, async |name, retention| {
        PostgresLedger::new(databases.open(name).await, retention)
    })
    .await;
}
