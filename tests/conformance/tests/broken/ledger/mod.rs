//! Ledgers that each break one promise.

mod activities;
mod calls;
mod connections;
mod deliveries;
mod feed;
mod flawed;
mod identity;
mod keeper;
mod leases;
mod lists;
mod sessions;
mod teams;
mod transfer;

use std::time::Duration;

use async_trait::async_trait;
use integration_conformance::Kept;
use integration_conformance::ledger::ledger_cases;
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, SessionEpoch, SessionId,
};
use integration_host_contract::{Activity, Changes, TeamMember};
use integration_host_database::SqliteDatabase;
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, RecordKind, Transfer};
use integration_host_ledger::{
    Activities, ActivityFilter, Applied, Connection, ConnectionEvent, ConnectionSummary,
    ConnectionUpdate, Connections, Coverage, CoverageChange, CoverageLog, DeadLetter, Delivery,
    DeliveryLog, DeliveryRate, DeliveryRecord, DeliveryStatus, Feed, ImportLimits,
    IntegrationVersion, Ledger, LedgerActivity, LedgerError, LedgerIdentity, MappingChange, Member,
    MemberFilter, MemberPage, NewConnection, Page, Retention, Sessions, Summary, TeamChanges,
    Teams,
};
use integration_host_ledger_sql::SqliteLedger;
use jiff::Timestamp;

use self::flawed::{Flaw, Flawed, flaw};

type Result<T> = std::result::Result<T, LedgerError>;

fn in_memory(retention: Retention) -> SqliteLedger {
    SqliteLedger::new(SqliteDatabase::open_in_memory().unwrap()).with_retention(retention)
}

/// Expects that the suite notices a flaw, at the case that is meant for it. Only that one is run: a ledger is
/// slower than a map.
async fn expect_noticed<F: Flaw>(case: &str, flaw: impl Fn() -> F) {
    expect_failure(case, Kept::InMemory, async |_, retention| {
        Flawed::alone(in_memory(retention), flaw())
    })
    .await;
}

/// Expects that a case fails.
async fn expect_failure<L: Ledger>(
    case: &str,
    kept: Kept,
    open: impl AsyncFn(String, Retention) -> L,
) {
    let report = ledger_cases(&[case], kept, open).await;
    assert_eq!(report.cases, 1, "there is no case {case}");
    assert!(report.has_failed(case), "{case} did not notice");
}

/// A test for each flaw: its name, how it is made, and the case that must notice it.
macro_rules! noticed {
    ($($test:ident: $flaw:expr => $case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            super::expect_noticed(stringify!($case), || $flaw).await;
        }
    )*};
}
use noticed;
