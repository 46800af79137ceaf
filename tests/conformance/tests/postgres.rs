//! A Postgres database, a fresh one under every name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use integration_conformance::{Kept, ledger_conformance, storage_conformance};
use integration_host::capability::storage::PostgresStore;
use integration_host::database::postgres::PostgresDatabase;
use integration_host::ledger::{LeaseAnswer, Leases as _, PostgresLedger, Retention};
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

/// Two hosts on one database. Time passes by itself only, so leases last for an hour or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn leases_go_to_one_host_at_a_time() {
    if TestDatabase::create().unwrap().is_none() {
        return;
    }
    let databases = Databases::default();
    let open = async || {
        let database = databases.open("leases".to_owned()).await;
        PostgresLedger::new(database, Retention::default())
    };
    let (one, other) = (open().await, open().await);
    const HOUR: Duration = Duration::from_secs(3600);
    let granted = async |ledger: &PostgresLedger, time, is_urgent| match ledger
        .take_lease("upkeep", time, is_urgent)
        .await
        .unwrap()
    {
        LeaseAnswer::Granted(lease) => Ok(lease),
        LeaseAnswer::Refused { wait } => Err(wait),
    };

    let first = granted(&one, HOUR, false).await.unwrap();
    let wait = granted(&other, HOUR, true).await.unwrap_err();
    assert!(wait > HOUR / 2 && wait <= HOUR, "asked again in {wait:?}");
    assert!(one.renew_lease(&first, HOUR).await.unwrap());

    one.end_lease(&first, HOUR).await.unwrap();
    let wait = granted(&other, HOUR, false).await.unwrap_err();
    assert!(wait > HOUR / 2, "what was just done would be done again");
    let second = granted(&other, HOUR, true).await.unwrap();
    assert!(second.fence > first.fence);
    assert!(
        !one.renew_lease(&first, HOUR).await.unwrap(),
        "a host that was away would go on beside the other"
    );
    one.end_lease(&first, Duration::ZERO).await.unwrap();
    granted(&one, HOUR, true)
        .await
        .expect_err("a host took another's lease away");

    other.end_lease(&second, Duration::ZERO).await.unwrap();
    let third = granted(&one, Duration::ZERO, false).await.unwrap();
    let fourth = granted(&other, HOUR, false).await.unwrap();
    assert!(
        fourth.fence > third.fence,
        "a host that was killed would keep its work from being done"
    );
    assert!(!one.renew_lease(&third, HOUR).await.unwrap());
}
