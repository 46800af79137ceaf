//! The ledger in the embedded database: the default.

mod activities;
mod activity_scan;
mod connection;
mod deliveries;
mod members;
mod names;
mod spreading;
mod subjects;
mod summary;
mod titles;
mod transfer;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;

use self::connection::{Sqlite, finished};
use crate::backend::{
    Backend, Dialect, Read, SQLITE, Scanned, SqlDatabase, Users, Work, connection_number,
};
use crate::failure::{Failure, Result};
use crate::values::Value;
use crate::{SqlLedger, identity};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Changes, User};
use integration_host_database::{OpenError, SqliteDatabase};
use integration_host_ledger::activity_list::Place;
use integration_host_ledger::matching::StoredMember;
use integration_host_ledger::spreading::{GivenActivity, Shared};
use integration_host_ledger::titles::Paths;
use integration_host_ledger::transfer::Transfer;
use integration_host_ledger::{
    ActivityFilter, Applied, Backup, BackupFile, DeadLetter, DeliveryRecord, IntegrationVersion,
    LeaseStore, Ledger, LedgerError, LedgerIdentity, Retention, Summary,
};

/// A ledger in an SQLite database.
pub type SqliteLedger = SqlLedger<Embedded>;

/// The embedded database.
#[derive(Clone)]
pub struct Embedded(SqliteDatabase);

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
            database: Embedded(database),
            retention: Retention::default(),
        }
    }

    /// Keeps so much of the delivery log.
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }
}

#[async_trait]
impl SqlDatabase for Embedded {
    async fn read<A, T>(&self, given: A, query: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let read = self.0.read_alone(move |connection| -> Result<T> {
            finished(query(&Sqlite::new(connection), &given))
        });
        Ok(read.await?)
    }

    async fn change<A, T>(&self, given: A, change: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let write = self.0.write_alone(move |connection| -> Result<T> {
            finished(change(&Sqlite::new(connection), &given))
        });
        Ok(write.await?)
    }

    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
        retention: &Retention,
    ) -> Result<Applied, LedgerError> {
        let (id, changes, retention) = (id.clone(), changes.clone(), retention.clone());
        let write = self.0.write_alone(move |connection| -> Result<Applied> {
            let sqlite = Sqlite::new(connection);
            let connection = finished(connection_number(&sqlite, &id))?;
            let applied = sqlite.with(|database| {
                subjects::apply(database, connection, &changes.subjects)?;
                activities::apply(database, connection, &changes.activities)
            })?;
            if let Some(delivery) = &delivery {
                deliveries::record(&sqlite, connection, delivery, &retention)?;
            }
            Ok(applied)
        });
        Ok(write.await?)
    }
}

#[async_trait]
impl Backend for Sqlite<'_> {
    fn dialect(&self) -> &'static Dialect {
        &SQLITE
    }

    async fn query(&self, sql: &str, values: &[Value<'_>], read: &mut Read<'_>) -> Result<()> {
        self.query_now(sql, values, read)
    }

    async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64> {
        self.execute_now(sql, values)
    }

    async fn note_heartbeat(&self, now: Timestamp) -> Result<()> {
        // Whichever clock one asks.
        let database_now = Timestamp::now();
        self.execute_now(
            "INSERT INTO heartbeat (only, at) VALUES (1, $1) ON CONFLICT (only) DO UPDATE
             SET at = CASE WHEN heartbeat.at <= max($1, $2) + 60000 THEN max(heartbeat.at, $1) ELSE $1 END",
            &[now.into(), database_now.into()],
        )?;
        Ok(())
    }

    async fn number_users(&self, users: &BTreeMap<&str, &User>) -> Result<Users> {
        self.with(|database| members::number_users(database, users))
    }

    async fn put_members(&self, connection: i64, members: &[StoredMember<'_>]) -> Result<()> {
        self.with(|database| members::put(database, connection, members))
    }

    async fn spread(&self, _connection: i64, changed: Vec<Shared>) -> Result<()> {
        self.with(|database| spreading::spread_all(database, &changed))
    }

    async fn is_alone(&self) -> Result<bool> {
        Ok(true)
    }

    async fn hold_feed(&self) -> Result<()> {
        Ok(())
    }

    async fn tell(&self, numbers: &[i64], given: &[GivenActivity]) -> Result<()> {
        self.with(|database| spreading::tell(database, numbers, given))
    }

    async fn read_subjects(&self, paths: &mut Paths, subjects: &[(i64, String)]) -> Result<()> {
        self.with(|database| titles::read(database, paths, subjects))
    }

    async fn scan(
        &self,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        limit: usize,
        most_examined: usize,
    ) -> Result<Scanned> {
        let owner = activity_scan::owner(self, filter).await?;
        self.with(|database| {
            activity_scan::scan(database, owner, filter, cursor, limit, most_examined)
        })
    }

    async fn summarize(
        &self,
        filter: &ActivityFilter,
        times: &[i64],
        now: Timestamp,
        most_examined: usize,
    ) -> Result<Summary> {
        let owner = activity_scan::owner(self, filter).await?;
        self.with(|database| summary::summarize(database, owner, filter, times, now, most_examined))
    }

    async fn replace_dead_letter(&self, kept: &DeadLetter, sealed: &[u8]) -> Result<()> {
        // Deleted first rather than replaced, so that the totals follow.
        let removed = self.execute_now(
            "DELETE FROM delivery_requests WHERE delivery = $1 AND sealed = $2",
            &[kept.place.into(), (&kept.sealed).into()],
        )?;
        if removed > 0 {
            self.execute_now(
                "INSERT INTO delivery_requests (delivery, sealed) VALUES ($1, $2)",
                &[kept.place.into(), sealed.into()],
            )?;
        }
        Ok(())
    }

    async fn count_removed(&self, _removed: &BTreeMap<i64, i64>) -> Result<()> {
        // Triggers count.
        Ok(())
    }
}

/// A database file is one host's, so nobody else can get in its way.
impl LeaseStore for SqliteLedger {}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError> {
        let noted = self
            .database
            .read((), |db, ()| Box::pin(identity::noted(db)));
        noted.await
    }

    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError> {
        let begin = (self.database).change((), |db, ()| Box::pin(identity::begin_life(db)));
        begin.await
    }

    async fn integrations(&self) -> Result<Vec<IntegrationVersion>, LedgerError> {
        let known = (self.database).read((), |db, ()| Box::pin(identity::integrations(db)));
        known.await
    }

    async fn record_integration(&self, running: &IntegrationVersion) -> Result<(), LedgerError> {
        let record = (self.database).change(running.clone(), |db, running| {
            Box::pin(identity::record_integration(db, running))
        });
        record.await
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        let ready = self.database.0.ensure_writable().await;
        Ok(ready.map_err(Failure::from)?)
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

#[async_trait]
impl Backup for SqliteLedger {
    async fn copy(&self) -> Result<Option<BackupFile>, LedgerError> {
        let copy = self.database.0.copy().await.map_err(Failure::from)?;
        Ok(copy.map(|(file, size_bytes)| BackupFile { file, size_bytes }))
    }
}

#[cfg(test)]
mod tests;
