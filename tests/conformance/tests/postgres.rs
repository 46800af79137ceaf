//! A Postgres database, a fresh one under every name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::Mutex;

use integration_conformance::{Kept, ledger_conformance, storage_conformance};
use integration_host::capability::storage::PostgresStore;
use integration_host::database::postgres::PostgresDatabase;
use integration_host::id::{ConnectionId, HookId, ScopeId};
use integration_host::ledger::{ActivityFilter, Ledger, NewConnection, PostgresLedger, Retention};
use jiff::Timestamp;
use test_services::TestDatabase;
use tokio::time::{Duration, sleep};

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

/// A page needs few of them.
#[tokio::test]
async fn the_subjects_of_titles_are_looked_up_however_many_there_are() {
    const MANY: &str = "INSERT INTO integration_host.subjects (connection, id, named_revision, name, parent)
         SELECT number, 'project/' || which, '1', 'Project', 'client/' || which % 20
         FROM integration_host.connections, generate_series(1, 50000) AS which;
         INSERT INTO integration_host.activities
             (connection, entry_id, content_revision, remote_user, subject, description, start, stop, tags, change)
         SELECT number, which, '1', 'u', 'project/' || which, '', which, which + 1, '[]', which
         FROM integration_host.connections, generate_series(1, 1000) AS which;
         ANALYZE";
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let address = database.url().parse().unwrap();
    let opened = PostgresDatabase::open(&address).await.unwrap();
    let ledger = PostgresLedger::new(opened, Retention::default());
    let connection = NewConnection {
        id: ConnectionId::generate(),
        hook: HookId::generate(),
        name: None,
        integration: "toggl".to_owned(),
        scope_id: ScopeId::new("1"),
        created_at: Timestamp::UNIX_EPOCH,
    };
    ledger.create_connection(connection).await.unwrap();
    database.execute(MANY).unwrap();
    let all = ActivityFilter {
        include_unmapped: true,
        ..ActivityFilter::default()
    };
    let page = ledger.activities(&all, None, 100).await.unwrap();
    assert!(page.items.iter().all(|found| found.subjects.len() == 2));
    assert_eq!(ledger.changes(0, 100).await.unwrap().len(), 100);
    ledger.close().await;
    // They are told once the ledger's connections have ended.
    let told = |what: &str| {
        let query = format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 'subjects'");
        database.number(&query).unwrap()
    };
    while told("idx_scan") == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        told("seq_tup_read"),
        0,
        "subjects were read one after the other"
    );
}
