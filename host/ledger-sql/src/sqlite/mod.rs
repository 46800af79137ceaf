//! The ledger in the embedded database: the default.

mod activities;
mod activity_scan;
mod connections;
mod continuity;
mod dead_letters;
mod deliveries;
mod identity;
mod listing;
mod log;
mod members;
mod names;
mod rows;
mod sessions;
mod spreading;
mod subjects;
mod summary;
mod team;
mod titles;
mod transfer;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, ffi, params};

use integration_host_contract::id::{ConnectionId, DeliveryId, HookId, RemoteUserId};
use integration_host_contract::{Changes, TeamMember};
use integration_host_database::{DatabaseError, OpenError, SqliteDatabase};
use integration_host_ledger::transfer::Transfer;
use integration_host_ledger::{
    ActivityFilter, Applied, Backup, BackupFile, Connection, ConnectionSummary, ConnectionUpdate,
    DeadLetter, Delivery, DeliveryRate, DeliveryRecord, DeliveryStatus, ImportLimits,
    IntegrationVersion, LeaseStore, Ledger, LedgerActivity, LedgerError, LedgerIdentity,
    MAX_EXAMINED, MAX_PAGE, MAX_SUMMARIZED, MappingChange, Member, MemberFilter, MemberPage,
    NewConnection, Page, Retention, Summary, TeamChanges,
};

type Result<T, E = Failure> = std::result::Result<T, E>;

/// A ledger in an SQLite database.
pub struct SqliteLedger {
    database: LedgerDatabase,
    retention: Retention,
}

impl SqliteLedger {
    /// The ledger in this file, which is made if it is not there. No other process may have it open.
    ///
    /// # Errors
    /// It cannot be opened or made, or is of a later version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Self::new(SqliteDatabase::open(path)?))
    }

    /// A ledger in memory, gone with its last handle: for trials.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn in_memory() -> Result<Self, OpenError> {
        Ok(Self::new(SqliteDatabase::open_in_memory()?))
    }

    /// The ledger in this database.
    pub fn new(database: SqliteDatabase) -> Self {
        Self {
            database: LedgerDatabase(database),
            retention: Retention::default(),
        }
    }

    /// Keeps so much of the delivery log.
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }
}

/// The database, whose errors are told as the ledger's.
struct LedgerDatabase(SqliteDatabase);

impl LedgerDatabase {
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        Ok(self.0.read(query).await?)
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        Ok(self.0.write(change).await?)
    }
}

/// Why something could not be done.
#[derive(Debug)]
struct Failure(LedgerError);

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self(error)
    }
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        Self(LedgerError::Unavailable(error.to_string()))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        if is_doubled(&error) {
            let message = format!("it is there already ({error})");
            return Self(LedgerError::Invalid(message));
        }
        DatabaseError::from(error).into()
    }
}

/// Whether something that there may be once was to be added again.
fn is_doubled(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}

/// The number by which the tables know a connection.
fn connection_number(database: &Database, id: &ConnectionId) -> Result<i64> {
    database
        .prepare_cached("SELECT number FROM connections WHERE id = ?1")?
        .query_row(params![id.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| LedgerError::NotFound(format!("there is no connection {id}")).into())
}

/// The next place in the change feed.
fn next_change(database: &Database) -> Result<i64> {
    Ok(database
        .prepare_cached("UPDATE ledger_changes SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))?)
}

/// Moves activities to the end of the change feed, in their order there. `which` selects their
/// numbers, with `?1` and on for `parameters`.
fn move_to_end(database: &Database, which: &str, parameters: impl rusqlite::Params) -> Result<()> {
    let sql = format!(
        "UPDATE activities SET change = (SELECT last FROM ledger_changes) + moved.place
         FROM (
             SELECT number, row_number() OVER (ORDER BY change) AS place
             FROM activities WHERE number IN ({which})
         ) AS moved
         WHERE activities.number = moved.number"
    );
    let moved = database.prepare_cached(&sql)?.execute(parameters)?;
    if moved > 0 {
        database
            .prepare_cached("UPDATE ledger_changes SET last = last + ?1")?
            .execute(params![moved as i64])?;
    }
    Ok(())
}

/// A database file is one host's, so nobody else can get in its way.
impl LeaseStore for SqliteLedger {}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError> {
        self.database.read(identity::read).await
    }

    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError> {
        self.database.write(identity::begin_life).await
    }

    async fn create_connection(&self, new: NewConnection) -> Result<Connection, LedgerError> {
        self.database
            .write(move |database| connections::create(database, &new))
            .await
    }

    async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, LedgerError> {
        let id = id.clone();
        self.database
            .read(move |database| connections::find(database, &id))
            .await
    }

    async fn connection_by_hook(&self, hook: &HookId) -> Result<Option<Connection>, LedgerError> {
        let hook = hook.clone();
        self.database
            .read(move |database| connections::find_by_hook(database, &hook))
            .await
    }

    async fn connections(&self) -> Result<Vec<Connection>, LedgerError> {
        self.database.read(connections::all).await
    }

    async fn scan_connections(
        &self,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionSummary>, LedgerError> {
        let after = after.cloned();
        self.database
            .read(move |database| connections::scan_connections(database, after.as_ref(), limit))
            .await
    }

    async fn integrations(&self) -> Result<Vec<IntegrationVersion>, LedgerError> {
        self.database.read(connections::integrations).await
    }

    async fn record_integration(&self, running: &IntegrationVersion) -> Result<(), LedgerError> {
        let running = running.clone();
        self.database
            .write(move |database| connections::record_integration(database, &running))
            .await
    }

    async fn update_connection(
        &self,
        id: &ConnectionId,
        update: ConnectionUpdate,
        now: Timestamp,
    ) -> Result<Connection, LedgerError> {
        let id = id.clone();
        self.database
            .write(move |database| connections::update(database, &id, &update, now))
            .await
    }

    async fn remove_connection(&self, id: &ConnectionId) -> Result<(), LedgerError> {
        let id = id.clone();
        self.database
            .write(move |database| connections::remove(database, &id))
            .await
    }

    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
        limits: &ImportLimits,
    ) -> Result<TeamChanges, LedgerError> {
        let (id, team, limits) = (id.clone(), team.to_vec(), *limits);
        self.database
            .write(move |database| members::import(database, &id, &team, &limits))
            .await
    }

    async fn members(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, LedgerError> {
        let (id, filter, cursor) = (id.clone(), filter.clone(), cursor.map(str::to_owned));
        self.database
            .read(move |database| team::page(database, &id, &filter, cursor.as_deref(), limit))
            .await
    }

    async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Option<Member>, LedgerError> {
        let (id, remote_user) = (id.clone(), remote_user.clone());
        self.database
            .read(move |database| team::member(database, &id, &remote_user))
            .await
    }

    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, LedgerError> {
        let (id, remote_user, change) = (id.clone(), remote_user.clone(), change.clone());
        self.database
            .write(move |database| members::set_mapping(database, &id, &remote_user, &change))
            .await
    }

    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied, LedgerError> {
        let (id, changes, retention) = (id.clone(), changes.clone(), self.retention.clone());
        self.database
            .write(move |database| {
                let connection = connection_number(database, &id)?;
                subjects::apply(database, connection, &changes.subjects)?;
                let applied = activities::apply(database, connection, &changes.activities)?;
                if let Some(delivery) = &delivery {
                    deliveries::record(database, connection, delivery, &retention)?;
                }
                Ok(applied)
            })
            .await
    }

    async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, LedgerError> {
        let (filter, cursor) = (filter.clone(), cursor.map(str::to_owned));
        self.database
            .read(move |database| {
                listing::page(database, &filter, cursor.as_deref(), limit, MAX_EXAMINED)
            })
            .await
    }

    async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
        now: Timestamp,
    ) -> Result<Summary, LedgerError> {
        let (filter, boundaries) = (filter.clone(), boundaries.to_vec());
        self.database
            .read(move |database| {
                summary::summarize(database, &filter, &boundaries, now, MAX_SUMMARIZED)
            })
            .await
    }

    async fn activity_ids(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let (id, after) = (id.clone(), after.map(str::to_owned));
        self.database
            .read(move |database| listing::ids(database, &id, from, to, after.as_deref(), limit))
            .await
    }

    async fn activities_by_id(
        &self,
        id: &ConnectionId,
        entry_ids: &[String],
    ) -> Result<Vec<LedgerActivity>, LedgerError> {
        let (id, mut entry_ids) = (id.clone(), entry_ids.to_vec());
        entry_ids.truncate(MAX_PAGE);
        self.database
            .read(move |database| listing::by_id(database, &id, &entry_ids))
            .await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError> {
        self.database
            .read(move |database| listing::changes(database, after, limit))
            .await
    }

    async fn spread_changes(&self, most: usize) -> Result<bool, LedgerError> {
        // Nothing is written while there is nothing to do.
        if !self.database.read(spreading::is_pending).await? {
            return Ok(false);
        }
        self.database
            .write(move |database| spreading::step(database, most))
            .await
    }

    async fn last_change(&self) -> Result<u64, LedgerError> {
        self.database.read(listing::last_change).await
    }

    async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, LedgerError> {
        let (connection, cursor) = (connection.cloned(), cursor.map(str::to_owned));
        self.database
            .read(move |database| {
                log::page(
                    database,
                    connection.as_ref(),
                    status,
                    cursor.as_deref(),
                    limit,
                )
            })
            .await
    }

    async fn delivery_rates(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DeliveryRate>, LedgerError> {
        let id = id.clone();
        self.database
            .read(move |database| log::rates(database, &id, from, to))
            .await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        let id = id.clone();
        self.database
            .read(move |database| log::find(database, &id))
            .await
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, LedgerError> {
        self.database
            .read(move |database| dead_letters::page(database, after, limit))
            .await
    }

    async fn replace_dead_letter(
        &self,
        kept: &DeadLetter,
        sealed: Vec<u8>,
    ) -> Result<(), LedgerError> {
        let kept = kept.clone();
        self.database
            .write(move |database| dead_letters::replace(database, &kept, &sealed))
            .await
    }

    async fn failed_deliveries(
        &self,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64), LedgerError> {
        let connection = connection.cloned();
        self.database
            .read(move |database| log::failed(database, connection.as_ref(), before, limit))
            .await
    }

    async fn look_at_age(
        &self,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>, LedgerError> {
        self.database
            .write(move |database| deliveries::look_at_age(database, now, ran))
            .await
    }

    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError> {
        let retention = self.retention.clone();
        self.database
            .write(move |database| deliveries::prune_old(database, now, &retention))
            .await
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        Ok(self
            .database
            .0
            .ensure_writable()
            .await
            .map_err(Failure::from)?)
    }

    async fn scrub(&self) {
        self.database.0.scrub().await;
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    async fn close(&self) {
        self.database.0.close().await;
    }
}

#[cfg(test)]
mod tests;

#[async_trait]
impl Backup for SqliteLedger {
    async fn copy(&self) -> Result<Option<BackupFile>, LedgerError> {
        let copy = self.database.0.copy().await.map_err(Failure::from)?;
        Ok(copy.map(|(file, size_bytes)| BackupFile { file, size_bytes }))
    }
}
