//! The ledger in a database that speaks the Postgres protocol, which several hosts may share.
//!
//! Whoever changes something of a connection first locks the connection's row, so that changes of one
//! connection happen one after the other on whichever host, and those of different connections at the same
//! time. Deliveries are applied many at a time: what they touch is read at once, merged here, and written
//! at once.

mod activities;
mod activity_scan;
mod batcher;
mod connections;
mod coverage;
mod dead_letters;
mod deliveries;
mod feed;
mod identity;
mod leases;
mod listing;
mod log;
mod members;
mod sessions;
mod spreading;
mod subjects;
mod summary;
mod team;
mod transfer;
mod users;
mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Client, GenericClient, Transaction};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_postgres::Row;

use self::batcher::Batcher;
use integration_host_contract::id::{ConnectionId, DeliveryId, HookId, RemoteUserId};
use integration_host_contract::{Changes, TeamMember};
use integration_host_database::postgres::{
    ChangeError, PostgresDatabase, PostgresError, execute, row, within_time,
};
use integration_host_ledger::transfer::Transfer;
use integration_host_ledger::{
    ActivityFilter, Applied, Connection, ConnectionSummary, ConnectionUpdate, DeadLetter, Delivery,
    DeliveryRate, DeliveryRecord, DeliveryStatus, ImportLimits, IntegrationVersion, Lease, Ledger,
    LedgerActivity, LedgerError, LedgerIdentity, MAX_EXAMINED, MAX_PAGE, MAX_SUMMARIZED,
    MappingChange, Member, MemberFilter, MemberPage, NewConnection, Page, Retention, Summary,
    TeamChanges,
};

type Result<T, E = Failure> = std::result::Result<T, E>;

/// A ledger in a Postgres database.
#[derive(Clone)]
pub struct PostgresLedger {
    database: PostgresDatabase,
    batcher: Arc<Batcher>,
    retention: Retention,
    /// What this handle changes things by the right of.
    leases: Vec<Lease>,
    tells_nothing: identity::TellsNothing,
}

impl PostgresLedger {
    /// The ledger in this database, which keeps so much of the delivery log.
    pub fn new(database: PostgresDatabase, retention: Retention) -> Self {
        Self {
            batcher: Arc::new(Batcher::start(database.clone(), retention.clone())),
            database,
            retention,
            leases: Vec::new(),
            tells_nothing: identity::TellsNothing::default(),
        }
    }

    async fn client(&self) -> Result<Client> {
        Ok(self.database.client().await?)
    }
}

/// Why something could not be done.
#[derive(Debug)]
enum Failure {
    /// The ledger's own reason.
    Ledger(LedgerError),
    /// The database's.
    Database(PostgresError),
}

impl Failure {
    fn no_connection(id: &ConnectionId) -> Self {
        LedgerError::NotFound(format!("there is no connection {id}")).into()
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<PostgresError> for Failure {
    fn from(error: PostgresError) -> Self {
        Self::Database(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl ChangeError for Failure {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_conflict())
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ledger(error) => error,
            // What no column holds was not given out by the ledger, such as an id with U+0000.
            Failure::Database(PostgresError::Refused(message)) => Self::Invalid(message),
            Failure::Database(error) => Self::Unavailable(error.to_string()),
        }
    }
}

/// The number by which the tables know a connection.
async fn connection_number(client: &impl GenericClient, id: &ConnectionId) -> Result<i64> {
    let found = row(
        client,
        "SELECT number FROM connections WHERE id = $1",
        &[&id.as_str()],
    )
    .await?;
    values::get(&found.ok_or_else(|| Failure::no_connection(id))?, 0)
}

/// The same, and nobody else changes anything of the connection until the transaction ends.
async fn lock_connection(transaction: &Transaction<'_>, id: &ConnectionId) -> Result<i64> {
    let found = row(
        transaction,
        "SELECT number FROM connections WHERE id = $1 FOR NO KEY UPDATE",
        &[&id.as_str()],
    )
    .await?;
    values::get(&found.ok_or_else(|| Failure::no_connection(id))?, 0)
}

/// A page of rows whose first column is a number to go on from; one more than `limit` tells that there are
/// more.
fn page<T>(rows: &[Row], limit: usize, read: fn(&Row) -> Result<T>) -> Result<Page<T>> {
    let on_page = rows.iter().take(limit);
    let next = match on_page.clone().next_back() {
        Some(last) if rows.len() > limit => Some(values::get::<i64>(last, 0)?.to_string()),
        _ => None,
    };
    Ok(Page {
        items: on_page.map(read).collect::<Result<_>>()?,
        next,
    })
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError> {
        let client = self.client().await?;
        let found = within_time(identity::read(&client, &self.tells_nothing)).await?;
        drop(client);
        let Some(server) = found.moved_to() else {
            return Ok(found.identity);
        };
        let settle = self.database.change(&server, |transaction, server| {
            Box::pin(identity::settle(transaction, server))
        });
        let identity: Result<_> = settle.await;
        self.database.announce_growth();
        Ok(identity?)
    }

    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError> {
        let begin = self.database.change(&(), |transaction, ()| {
            Box::pin(identity::begin_life(transaction))
        });
        let identity: Result<_> = begin.await;
        self.database.announce_growth();
        Ok(identity?)
    }

    async fn create_connection(&self, new: NewConnection) -> Result<Connection, LedgerError> {
        let create = self.change(&new, |transaction, new| {
            Box::pin(connections::create(transaction, new))
        });
        Ok(create.await?)
    }

    async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(connections::find(&client, id)).await?)
    }

    async fn connection_by_hook(&self, hook: &HookId) -> Result<Option<Connection>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(connections::find_by_hook(&client, hook)).await?)
    }

    async fn connections(&self) -> Result<Vec<Connection>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(connections::all(&client)).await?)
    }

    async fn scan_connections(
        &self,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionSummary>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(connections::scan_connections(&client, after, limit)).await?)
    }

    async fn integrations(&self) -> Result<Vec<IntegrationVersion>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(connections::integrations(&client)).await?)
    }

    async fn record_integration(&self, running: &IntegrationVersion) -> Result<(), LedgerError> {
        let record = self.change(running, |transaction, running| {
            Box::pin(connections::record_integration(transaction, running))
        });
        Ok(record.await?)
    }

    async fn update_connection(
        &self,
        id: &ConnectionId,
        update: ConnectionUpdate,
        now: Timestamp,
    ) -> Result<Connection, LedgerError> {
        let given = (id, update, now);
        let update = self.change(&given, |transaction, (id, update, now)| {
            Box::pin(connections::update(transaction, id, update, *now))
        });
        Ok(update.await?)
    }

    async fn remove_connection(&self, id: &ConnectionId) -> Result<(), LedgerError> {
        let remove = self.change(id, |transaction, id| {
            Box::pin(connections::remove(transaction, id))
        });
        Ok(remove.await?)
    }

    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
        limits: &ImportLimits,
    ) -> Result<TeamChanges, LedgerError> {
        let given = (id, team, limits);
        let import = self.change(&given, |transaction, (id, team, limits)| {
            Box::pin(members::import(transaction, id, team, limits))
        });
        let changes = import.await?;
        self.database.announce_growth();
        Ok(changes)
    }

    async fn members(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(team::page(&client, id, filter, cursor, limit)).await?)
    }

    async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Option<Member>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(team::member(&client, id, remote_user)).await?)
    }

    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, LedgerError> {
        let given = (id, remote_user, change);
        let set = self.change(&given, |transaction, (id, remote_user, change)| {
            Box::pin(members::set_mapping(transaction, id, remote_user, change))
        });
        let member = set.await?;
        self.database.announce_growth();
        Ok(member)
    }

    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied, LedgerError> {
        self.batcher.apply(id, changes, delivery).await
    }

    async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(listing::page(&client, filter, cursor, limit, MAX_EXAMINED)).await?)
    }

    async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
        now: Timestamp,
    ) -> Result<Summary, LedgerError> {
        let client = self.client().await?;
        let summary = summary::summarize(&client, filter, boundaries, now, MAX_SUMMARIZED);
        Ok(within_time(summary).await?)
    }

    async fn activity_ids(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(listing::ids(&client, id, from, to, after, limit)).await?)
    }

    async fn activities_by_id(
        &self,
        id: &ConnectionId,
        entry_ids: &[String],
    ) -> Result<Vec<LedgerActivity>, LedgerError> {
        let entry_ids = entry_ids.get(..MAX_PAGE).unwrap_or(entry_ids);
        let client = self.client().await?;
        Ok(within_time(listing::by_id(&client, id, entry_ids)).await?)
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(listing::changes(&client, after, limit)).await?)
    }

    async fn spread_changes(&self, most: usize) -> Result<bool, LedgerError> {
        let client = self.client().await?;
        let is_pending = within_time(spreading::is_pending(&client)).await?;
        drop(client);
        if !is_pending {
            return Ok(false);
        }
        let step = self.database.change(&most, |transaction, most| {
            Box::pin(spreading::step(transaction, *most))
        });
        let more = step.await?;
        self.database.announce_growth();
        Ok(more)
    }

    async fn last_change(&self) -> Result<u64, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(feed::last(&client)).await?)
    }

    fn watch_growth(&self) -> Option<watch::Receiver<u64>> {
        Some(self.database.watch_growth())
    }

    async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(log::page(&client, connection, status, cursor, limit)).await?)
    }

    async fn delivery_rates(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DeliveryRate>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(log::rates(&client, id, from, to)).await?)
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(log::find(&client, id)).await?)
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(dead_letters::page(&client, after, limit)).await?)
    }

    async fn replace_dead_letter(
        &self,
        kept: &DeadLetter,
        sealed: Vec<u8>,
    ) -> Result<(), LedgerError> {
        let client = self.client().await?;
        Ok(within_time(dead_letters::replace(&client, kept, &sealed)).await?)
    }

    async fn failed_deliveries(
        &self,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64), LedgerError> {
        let client = self.client().await?;
        Ok(within_time(log::failed(&client, connection, before, limit)).await?)
    }

    async fn look_at_age(
        &self,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let given = (now, ran);
        let look = self.database.change(&given, |transaction, (now, ran)| {
            Box::pin(deliveries::look_at_age(transaction, *now, *ran))
        });
        Ok(look.await?)
    }

    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError> {
        let given = (now, &self.retention);
        let prune = self
            .database
            .change(&given, |transaction, (now, retention)| {
                Box::pin(deliveries::prune_old(transaction, *now, retention))
            });
        let more = prune.await?;
        if !more {
            let client = self.client().await?;
            within_time(leases::forget(&client)).await?;
        }
        Ok(more)
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        // Writing the same place again still writes, so that a standby or a full disk shows.
        let probe = self.database.change(&(), |transaction, ()| {
            Box::pin(async {
                execute(
                    transaction,
                    "INSERT INTO probes (at) VALUES (now())
                     ON CONFLICT (single) DO UPDATE SET at = excluded.at",
                    &[],
                )
                .await
            })
        });
        probe.await.map_err(Failure::from)?;
        Ok(())
    }

    async fn scrub(&self) {
        self.database.scrub().await;
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    async fn close(&self) {
        self.batcher.finish().await;
        self.database.close().await;
    }
}
