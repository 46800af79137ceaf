//! A ledger with a flaw: every call goes through the flaw, which does by itself what is right.

use std::sync::Arc;

use super::keeper::Host;
use super::*;
use integration_host_ledger::{Lease, LeaseAnswer, LeaseStore};
use tokio::sync::watch;

/// A ledger with a flaw.
pub(super) struct Flawed<F> {
    pub(super) ledger: Arc<SqliteLedger>,
    pub(super) flaw: Arc<F>,
    /// Whose handle it is; `None`: no other host shares the ledger.
    pub(super) host: Option<Host>,
}

impl<F> Flawed<F> {
    pub(super) fn alone(ledger: SqliteLedger, flaw: F) -> Self {
        Self {
            ledger: Arc::new(ledger),
            flaw: Arc::new(flaw),
            host: None,
        }
    }
}

/// A flaw that is none.
pub(super) struct Flawless;
impl Flaw for Flawless {}

/// Makes of all calls of a ledger the trait [`Flaw`], the ledger that goes through it, and `flaw!`.
macro_rules! calls {
    ($d:tt $($part:ident {
        $($call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    } $(+ { $($more:tt)* })?)*) => {
        /// What is wrong with a ledger. Each method does by itself what is right.
        #[async_trait]
        pub(super) trait Flaw: Send + Sync + 'static {
            $($(async fn $call(&self, ledger: &SqliteLedger, $($argument: $type),*) -> Result<$answer> {
                ledger.$call($($argument),*).await
            })*)*
        }

        $(#[async_trait]
        impl<F: Flaw> $part for Flawed<F> {
            $(async fn $call(&self, $($argument: $type),*) -> Result<$answer> {
                let _admitted = Host::admit(self.host.as_ref(), stringify!($call)).await?;
                self.flaw.$call(&self.ledger, $($argument),*).await
            })*

            $($($more)*)?
        })*

        /// A flaw: the calls that it makes wrong, without the types of what they are given and answer.
        macro_rules! flaw {
            // All calls have their types.
            (@ $d flaw:ty { $d($d done:tt)* }) => {
                #[async_trait]
                impl Flaw for $d flaw {
                    $d($d done)*
                }
            };
            $($((@ $d flaw:ty { $d($d done:tt)* }
                $call($d this:ident, $d ledger:pat $(, $d $argument:pat)*) $d body:block $d($d rest:tt)*
            ) => {
                flaw! { @ $d flaw { $d($d done)*
                    async fn $call(&$d this, $d ledger: &SqliteLedger, $($d $argument: $type),*) -> Result<$answer> $d body
                } $d($d rest)* }
            };)*)*
            ($d flaw:ty { $d($d calls:tt)* }) => {
                flaw! { @ $d flaw {} $d($d calls)* }
            };
        }
        pub(super) use flaw;
    };
}

#[async_trait]
impl<F: Flaw> LeaseStore for Flawed<F> {
    async fn take_lease(&self, name: &str, time: Duration, is_urgent: bool) -> Result<LeaseAnswer> {
        match &self.host {
            Some(host) => Ok(host.keeper.take(name, time, is_urgent).await),
            None => self.ledger.take_lease(name, time, is_urgent).await,
        }
    }

    async fn renew_lease(&self, lease: &Lease, time: Duration) -> Result<bool> {
        match &self.host {
            Some(host) => Ok(host.keeper.renew(lease, time).await),
            None => self.ledger.renew_lease(lease, time).await,
        }
    }

    async fn end_lease(&self, lease: &Lease, rest: Duration) -> Result<()> {
        match &self.host {
            Some(host) => {
                host.keeper.end(lease, rest).await;
                Ok(())
            }
            None => self.ledger.end_lease(lease, rest).await,
        }
    }

    fn fenced(&self, leases: &[Lease]) -> Option<Arc<dyn Ledger>> {
        let host = self.host.as_ref()?;
        Some(Arc::new(Self {
            ledger: Arc::clone(&self.ledger),
            flaw: Arc::clone(&self.flaw),
            host: Some(host.fenced(leases)),
        }))
    }
}

calls! {
    $
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
            self.host.as_ref().map(Host::watch_changes)
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
        fn transfer(&self) -> Option<&dyn Transfer> {
            Some(self)
        }

        async fn close(&self) {
            self.ledger.close().await;
        }
    }
    Transfer {
        records(kind: RecordKind, after: Option<&str>, limit: usize) -> Page<Record>;
        contents() -> Contents;
        import_batch(records: Vec<Record>, from: u64, arrived: &ImportProgress) -> ();
    }
}
