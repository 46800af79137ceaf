//! A ledger within its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use integration_host_contract::deadline::{GRACE, within};
use integration_host_contract::id::{
    ConnectionId, DeliveryId, HookId, RemoteUserId, SessionEpoch, SessionId,
};
use integration_host_contract::{Changes, TeamMember};
use integration_host_ledger::transfer::Transfer;
use integration_host_ledger::{
    Activities, ActivityFilter, Applied, Connection, ConnectionEvent, ConnectionSummary,
    ConnectionUpdate, Connections, Coverage, CoverageChange, CoverageLog, DeadLetter, Delivery,
    DeliveryLog, DeliveryRate, DeliveryRecord, DeliveryStatus, Feed, ImportLimits,
    IntegrationVersion, Lease, LeaseAnswer, LeaseStore, Ledger, LedgerActivity, LedgerError,
    LedgerIdentity, MappingChange, Member, MemberFilter, MemberPage, NewConnection, Page, Sessions,
    Summary, TeamChanges, Teams,
};

/// Closing may have a lot to write, and nothing comes after it.
const CLOSING: u32 = 4;

/// A ledger each of whose calls ends.
pub(crate) struct BoundedLedger {
    ledger: Arc<dyn Ledger>,
    time: Duration,
}

impl BoundedLedger {
    /// Bounds a ledger that is to answer within `time`.
    pub(crate) fn new(ledger: Arc<dyn Ledger>, time: Duration) -> Self {
        let time = time.saturating_add(GRACE);
        Self { ledger, time }
    }
}

/// Each call as it is, within the time.
macro_rules! bounded {
    ($($part:ident {
        $($call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    } $(+ { $($more:tt)* })?)*) => {$(
        #[async_trait]
        impl $part for BoundedLedger {
            $(async fn $call(&self, $($argument: $type),*) -> Result<$answer, LedgerError> {
                within(self.time, self.ledger.$call($($argument),*)).await
            })*

            $($($more)*)?
        }
    )*};
}

bounded! {
    Connections {
        create_connection(new: NewConnection) -> Connection;
        connection(id: &ConnectionId) -> Option<Connection>;
        connection_by_hook(hook: &HookId) -> Option<Connection>;
        connections() -> Vec<Connection>;
        scan_connections(after: Option<&ConnectionId>, limit: usize) -> Vec<ConnectionSummary>;
        update_connection(id: &ConnectionId, update: ConnectionUpdate, now: Timestamp) -> Connection;
        remove_connection(id: &ConnectionId) -> ();
    }
    Teams {
        import_members(id: &ConnectionId, team: &[TeamMember], limits: &ImportLimits) -> TeamChanges;
        members(id: &ConnectionId, filter: &MemberFilter, cursor: Option<&str>, limit: usize) -> MemberPage;
        member(id: &ConnectionId, remote_user: &RemoteUserId) -> Option<Member>;
        set_mapping(id: &ConnectionId, remote_user: &RemoteUserId, change: &MappingChange) -> Member;
    }
    Activities {
        apply(id: &ConnectionId, changes: &Changes, delivery: Option<DeliveryRecord>) -> Applied;
        activities(filter: &ActivityFilter, cursor: Option<&str>, limit: usize) -> Page<LedgerActivity>;
        activities_by_id(id: &ConnectionId, entry_ids: &[String]) -> Vec<LedgerActivity>;
        activity_ids(id: &ConnectionId, from: Timestamp, to: Timestamp, after: Option<&str>, limit: usize) -> Vec<String>;
        running_ids(id: &ConnectionId, before: Timestamp, limit: usize) -> Vec<String>;
        summary(filter: &ActivityFilter, boundaries: &[Timestamp], now: Timestamp) -> Summary;
    }
    Feed {
        changes(after: u64, limit: usize) -> Vec<LedgerActivity>;
        last_change() -> u64;
        spread_changes(most: usize) -> bool;
    } + {
        fn watch_changes(&self) -> Option<watch::Receiver<u64>> {
            self.ledger.watch_changes()
        }
    }
    DeliveryLog {
        deliveries(connection: Option<&ConnectionId>, status: Option<DeliveryStatus>, cursor: Option<&str>, limit: usize) -> Page<Delivery>;
        delivery(id: &DeliveryId) -> Option<Delivery>;
        delivery_rates(id: &ConnectionId, from: Timestamp, to: Timestamp) -> Vec<DeliveryRate>;
        failed_deliveries(connection: Option<&ConnectionId>, before: Timestamp, limit: usize) -> (Vec<Delivery>, u64);
        dead_letters(after: u64, limit: usize) -> Vec<DeadLetter>;
        replace_dead_letter(kept: &DeadLetter, sealed: Vec<u8>) -> ();
        look_at_age(now: Timestamp, ran: Duration) -> Option<Timestamp>;
        prune_deliveries(now: Timestamp) -> bool;
    }
    CoverageLog {
        heartbeat(now: Timestamp) -> Option<Timestamp>;
        last_heartbeat() -> Option<Timestamp>;
        change_coverage(id: &ConnectionId, change: CoverageChange) -> Coverage;
        delivery_times(id: &ConnectionId, limit: usize) -> Vec<Timestamp>;
        note(id: &ConnectionId, name: &str) -> Option<String>;
        change_note(id: &ConnectionId, name: &str, before: Option<&str>, after: Option<&str>) -> bool;
        record_event(id: &ConnectionId, event: ConnectionEvent) -> ();
        events(id: &ConnectionId, cursor: Option<&str>, limit: usize) -> Page<ConnectionEvent>;
    }
    Sessions {
        session_epoch() -> SessionEpoch;
        has_session_ended(epoch: &SessionEpoch, id: &SessionId) -> bool;
        end_session(id: &SessionId) -> ();
        end_all_sessions() -> ();
    }
    Ledger {
        identity() -> LedgerIdentity;
        begin_life() -> LedgerIdentity;
        integrations() -> Vec<IntegrationVersion>;
        record_integration(running: &IntegrationVersion) -> ();
        ready() -> ();
    } + {
        async fn scrub(&self) {
            if timeout(self.time, self.ledger.scrub()).await.is_err() {
                warn!("former values may still be in the ledger's files");
            }
        }

        fn transfer(&self) -> Option<&dyn Transfer> {
            self.ledger.transfer()
        }

        async fn close(&self) {
            if timeout(self.time * CLOSING, self.ledger.close()).await.is_err() {
                warn!("the ledger was not closed in time");
            }
        }
    }
    LeaseStore {
        take_lease(name: &str, time: Duration, is_urgent: bool) -> LeaseAnswer;
        renew_lease(lease: &Lease, time: Duration) -> bool;
        end_lease(lease: &Lease, rest: Duration) -> ();
    } + {
        fn fenced(&self, leases: &[Lease]) -> Option<Arc<dyn Ledger>> {
            let ledger = self.ledger.fenced(leases)?;
            Some(Arc::new(Self { ledger, time: self.time }))
        }
    }
}
