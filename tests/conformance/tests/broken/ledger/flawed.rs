//! A ledger with a flaw: every call goes through the flaw, which does by itself what is right.

use std::sync::Arc;
use std::time::Duration;

use super::keeper::Host;
use super::*;
use integration_host_contract::TeamMember;
use integration_host_contract::id::{DeliveryId, SessionEpoch, SessionId};
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, RecordKind, Transfer};
use integration_host_ledger::{
    ImportLimits, IntegrationVersion, Lease, LeaseAnswer, LeaseStore, LedgerIdentity, Sessions,
    TeamChanges,
};
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

macro_rules! calls {
    (
        Ledger { $($call:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }
        Continuity { $($other:ident($($other_argument:ident: $other_type:ty),*) -> $other_answer:ty;)* }
        Sessions { $($session:ident($($session_argument:ident: $session_type:ty),*) -> $session_answer:ty;)* }
        Transfer { $($moving:ident($($moving_argument:ident: $moving_type:ty),*) -> $moving_answer:ty;)* }
    ) => {
        /// What is wrong with a ledger. Each method does by itself what is right.
        #[async_trait]
        pub(super) trait Flaw: Send + Sync + 'static {
            $(async fn $call(&self, ledger: &SqliteLedger, $($argument: $type),*) -> Result<$answer> {
                ledger.$call($($argument),*).await
            })*
            $(async fn $other(&self, ledger: &SqliteLedger, $($other_argument: $other_type),*) -> Result<$other_answer> {
                ledger.$other($($other_argument),*).await
            })*
            $(async fn $session(&self, ledger: &SqliteLedger, $($session_argument: $session_type),*) -> Result<$session_answer> {
                ledger.$session($($session_argument),*).await
            })*
            $(async fn $moving(&self, ledger: &SqliteLedger, $($moving_argument: $moving_type),*) -> Result<$moving_answer> {
                ledger.$moving($($moving_argument),*).await
            })*
        }

        #[async_trait]
        impl<F: Flaw> Ledger for Flawed<F> {
            $(async fn $call(&self, $($argument: $type),*) -> Result<$answer> {
                let _admitted = Host::admit(self.host.as_ref(), stringify!($call)).await?;
                self.flaw.$call(&self.ledger, $($argument),*).await
            })*

            fn transfer(&self) -> Option<&dyn Transfer> {
                Some(self)
            }

            fn watch_growth(&self) -> Option<watch::Receiver<u64>> {
                self.host.as_ref().map(Host::watch_growth)
            }

            async fn close(&self) {
                self.ledger.close().await;
            }
        }

        #[async_trait]
        impl<F: Flaw> Continuity for Flawed<F> {
            $(async fn $other(&self, $($other_argument: $other_type),*) -> Result<$other_answer> {
                let _admitted = Host::admit(self.host.as_ref(), stringify!($other)).await?;
                self.flaw.$other(&self.ledger, $($other_argument),*).await
            })*
        }

        #[async_trait]
        impl<F: Flaw> Sessions for Flawed<F> {
            $(async fn $session(&self, $($session_argument: $session_type),*) -> Result<$session_answer> {
                self.flaw.$session(&self.ledger, $($session_argument),*).await
            })*
        }

        #[async_trait]
        impl<F: Flaw> Transfer for Flawed<F> {
            $(async fn $moving(&self, $($moving_argument: $moving_type),*) -> Result<$moving_answer> {
                self.flaw.$moving(&self.ledger, $($moving_argument),*).await
            })*
        }
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
    Ledger {
        identity() -> LedgerIdentity;
        begin_life() -> LedgerIdentity;
        create_connection(new: NewConnection) -> Connection;
        connection(id: &ConnectionId) -> Option<Connection>;
        connection_by_hook(hook: &HookId) -> Option<Connection>;
        connections() -> Vec<Connection>;
        scan_connections(after: Option<&ConnectionId>, limit: usize) -> Vec<ConnectionSummary>;
        integrations() -> Vec<IntegrationVersion>;
        record_integration(running: &IntegrationVersion) -> ();
        update_connection(id: &ConnectionId, update: ConnectionUpdate, now: Timestamp) -> Connection;
        remove_connection(id: &ConnectionId) -> ();
        import_members(id: &ConnectionId, team: &[TeamMember], limits: &ImportLimits) -> TeamChanges;
        members(id: &ConnectionId, filter: &MemberFilter, cursor: Option<&str>, limit: usize) -> MemberPage;
        member(id: &ConnectionId, remote_user: &RemoteUserId) -> Option<Member>;
        set_mapping(id: &ConnectionId, remote_user: &RemoteUserId, change: &MappingChange) -> Member;
        apply(id: &ConnectionId, changes: &Changes, delivery: Option<DeliveryRecord>) -> Applied;
        activities(filter: &ActivityFilter, cursor: Option<&str>, limit: usize) -> Page<LedgerActivity>;
        summary(filter: &ActivityFilter, boundaries: &[Timestamp], now: Timestamp) -> Summary;
        activity_ids(id: &ConnectionId, from: Timestamp, to: Timestamp, after: Option<&str>, limit: usize) -> Vec<String>;
        activities_by_id(id: &ConnectionId, entry_ids: &[String]) -> Vec<LedgerActivity>;
        changes(after: u64, limit: usize) -> Vec<LedgerActivity>;
        spread_changes(most: usize) -> bool;
        last_change() -> u64;
        deliveries(connection: Option<&ConnectionId>, status: Option<DeliveryStatus>, cursor: Option<&str>, limit: usize) -> Page<Delivery>;
        delivery_rates(id: &ConnectionId, from: Timestamp, to: Timestamp) -> Vec<DeliveryRate>;
        delivery(id: &DeliveryId) -> Option<Delivery>;
        dead_letters(after: u64, limit: usize) -> Vec<DeadLetter>;
        replace_dead_letter(kept: &DeadLetter, sealed: Vec<u8>) -> ();
        failed_deliveries(connection: Option<&ConnectionId>, before: Timestamp, limit: usize) -> (Vec<Delivery>, u64);
        look_at_age(now: Timestamp, ran: Duration) -> Option<Timestamp>;
        prune_deliveries(now: Timestamp) -> bool;
        ready() -> ();
    }
    Continuity {
        heartbeat(now: Timestamp) -> Option<Timestamp>;
        last_heartbeat() -> Option<Timestamp>;
        change_coverage(id: &ConnectionId, change: CoverageChange) -> Coverage;
        running_ids(id: &ConnectionId, before: Timestamp, limit: usize) -> Vec<String>;
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
    Transfer {
        records(kind: RecordKind, after: Option<&str>, limit: usize) -> Page<Record>;
        contents() -> Contents;
        import_batch(records: Vec<Record>, from: u64, arrived: &ImportProgress) -> ();
    }
}
