//! The ledger in a database that speaks the Postgres protocol, which several hosts may share.
//!
//! Whoever changes something of a connection first locks the connection's row, so that changes of one
//! connection happen one after the other on whichever host, and those of different connections at the same
//! time. Deliveries are applied many at a time: what they touch is read at once, merged here, and written
//! at once.

mod activities;
mod activity_scan;
mod batcher;
mod connection;
mod deliveries;
mod feed;
mod leases;
mod members;
mod server;
mod spreading;
mod subjects;
mod summary;
mod transfer;
mod users;
mod values;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use self::batcher::Batcher;
use self::connection::Postgres;
use self::leases::ensure_held;
use crate::backend::{SqlDatabase, Work};
use crate::failure::{Failure, Result};
use crate::{SqlLedger, identity};
use integration_host_contract::Changes;
use integration_host_contract::id::ConnectionId;
use integration_host_database::postgres::{PostgresDatabase, execute, within_time};
use integration_host_ledger::transfer::Transfer;
use integration_host_ledger::{
    Applied, DeliveryRecord, IntegrationVersion, Lease, Ledger, LedgerError, LedgerIdentity,
    Retention,
};

/// A ledger in a Postgres database.
pub type PostgresLedger = SqlLedger<SharedDatabase>;

/// A database that several hosts may share.
#[derive(Clone)]
pub struct SharedDatabase {
    database: PostgresDatabase,
    batcher: Arc<Batcher>,
    /// By which this handle is fenced.
    leases: Vec<Lease>,
    tells_nothing: server::TellsNothing,
}

impl PostgresLedger {
    /// The ledger in this database, which keeps so much of the delivery log.
    pub fn new(database: PostgresDatabase, retention: Retention) -> Self {
        let database = SharedDatabase {
            batcher: Arc::new(Batcher::start(database.clone(), retention.clone())),
            database,
            leases: Vec::new(),
            tells_nothing: server::TellsNothing::default(),
        };
        Self {
            database,
            retention,
        }
    }
}

#[async_trait]
impl SqlDatabase for SharedDatabase {
    async fn read<A, T>(&self, given: A, query: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let client = self.database.client().await.map_err(Failure::from)?;
        let connection = Postgres(&client);
        Ok(within_time(query(&connection, &given)).await?)
    }

    /// Unless one of this handle's leases is somebody else's by now: they are looked at in the same transaction, and
    /// nobody is granted one before it ends.
    async fn change<A, T>(&self, given: A, change: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let given = (self.leases.as_slice(), &given, change);
        let change = self
            .database
            .change(&given, |transaction, (leases, given, change)| {
                Box::pin(async move {
                    ensure_held(transaction, leases).await?;
                    change(&Postgres(transaction), given).await
                })
            });
        let outcome: Result<T> = change.await;
        Ok(outcome?)
    }

    async fn change_unfenced<A, T>(&self, given: A, change: Work<A, T>) -> Result<T, LedgerError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let given = (&given, change);
        let change = (self.database).change(&given, |transaction, (given, change)| {
            Box::pin(async move { change(&Postgres(transaction), given).await })
        });
        let outcome: Result<T> = change.await;
        Ok(outcome?)
    }

    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
        _retention: &Retention,
    ) -> Result<Applied, LedgerError> {
        self.batcher.apply(id, changes, delivery).await
    }

    fn announce_changes(&self) {
        self.database.announce_changes();
    }

    fn watch_changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.database.watch_changes())
    }

    async fn pruned(&self) -> Result<(), LedgerError> {
        let client = self.database.client().await.map_err(Failure::from)?;
        Ok(within_time(leases::forget(&client)).await?)
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError> {
        let database = &self.database.database;
        let client = database.client().await.map_err(Failure::from)?;
        let found = within_time(server::read(&client, &self.database.tells_nothing)).await?;
        drop(client);
        let Some(server) = found.moved_to() else {
            return Ok(found.identity);
        };
        let settle = database.change(&server, |transaction, server| {
            Box::pin(server::settle(transaction, server))
        });
        let identity: Result<_> = settle.await;
        database.announce_changes();
        Ok(identity?)
    }

    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError> {
        let begin =
            (self.database).change_unfenced((), |db, ()| Box::pin(identity::begin_life(db)));
        let begun = begin.await;
        self.database.announce_changes();
        begun
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
        // Writing the same place again still writes, so that a standby or a full disk shows.
        let probe = self.database.database.change(&(), |transaction, ()| {
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
        self.database.database.scrub().await;
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    async fn close(&self) {
        self.database.batcher.finish().await;
        self.database.database.close().await;
    }
}
