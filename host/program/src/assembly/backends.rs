//! Opening the storage and the ledger that the settings choose.

use std::path::{Path, absolute};
use std::sync::Arc;

use anyhow::Result;

use super::storage_component;
use crate::config::{LedgerChoice, Settings, StorageChoice};
use integration_host_contract::clock::Clock;
use integration_host_database::SqliteDatabase;
#[cfg(feature = "postgres")]
use integration_host_database::postgres::PostgresDatabase;
use integration_host_ledger::{Backup, Ledger, Retention};
#[cfg(feature = "postgres")]
use integration_host_ledger_sql::PostgresLedger;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::SealingKeys;
#[cfg(feature = "postgres")]
use integration_host_storage::PostgresStore;
#[cfg(feature = "redis")]
use integration_host_storage::RedisStore;
use integration_host_storage::{KeyValueStore, MemoryStore, SqliteStore};

/// An open storage and an open ledger.
pub(crate) struct Backends {
    pub(crate) store: Arc<dyn KeyValueStore>,
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Copies both, if they are in one embedded database.
    pub(super) backup: Option<Arc<dyn Backup>>,
}

/// What the ledger is in, so that the storage can share it.
pub(super) enum LedgerDatabase {
    Sqlite(SqliteDatabase),
    Memory,
    #[cfg(feature = "postgres")]
    Postgres(PostgresDatabase),
}

/// Opens what the settings choose. What is in the same database shares it. Without keys, nothing can be sealed
/// or opened.
///
/// # Errors
/// A sentence that names what cannot be opened and what helps.
pub(super) async fn open(
    settings: &Settings,
    keys: Option<&SealingKeys>,
    clock: &Arc<dyn Clock>,
) -> Result<Backends> {
    let (database, ledger) = open_ledger(settings, keys).await?;
    let mut embedded = None;
    let in_sqlite = |database| SqliteStore::new(database, Arc::clone(clock));
    let store: Arc<dyn KeyValueStore> = match (&settings.storage, database) {
        (StorageChoice::Sqlite(path), LedgerDatabase::Sqlite(database))
            if is_ledger(settings, path) =>
        {
            embedded = Some(database.clone());
            Arc::new(in_sqlite(database))
        }
        (StorageChoice::Sqlite(path), _) => Arc::new(in_sqlite(SqliteDatabase::open(path)?)),
        (StorageChoice::Memory, _) => Arc::new(MemoryStore::new(Arc::clone(clock))),
        #[cfg(feature = "postgres")]
        (StorageChoice::Postgres(address), LedgerDatabase::Postgres(database))
            if settings.ledger == LedgerChoice::Postgres(address.clone()) =>
        {
            Arc::new(PostgresStore::new(database, Arc::clone(clock)))
        }
        #[cfg(feature = "postgres")]
        (StorageChoice::Postgres(address), _) => {
            let database = PostgresDatabase::open(address).await?;
            share_keys(&database, keys, settings).await?;
            Arc::new(PostgresStore::new(database, Arc::clone(clock)))
        }
        #[cfg(feature = "redis")]
        (StorageChoice::Redis(address), _) => {
            let timeout = settings.limits.storage_timeout;
            Arc::new(RedisStore::open(address, timeout, Arc::clone(clock)).await?)
        }
        (StorageChoice::Component(path), database) => {
            // What it is lent is kept where the ledger is.
            let buckets: Arc<dyn KeyValueStore> = match database {
                LedgerDatabase::Sqlite(database) => {
                    embedded = Some(database.clone());
                    Arc::new(in_sqlite(database))
                }
                LedgerDatabase::Memory => Arc::new(MemoryStore::new(Arc::clone(clock))),
                #[cfg(feature = "postgres")]
                LedgerDatabase::Postgres(database) => {
                    Arc::new(PostgresStore::new(database, Arc::clone(clock)))
                }
            };
            Arc::new(storage_component::open(path, settings, buckets, clock).await?)
        }
    };
    Ok(Backends {
        store,
        ledger,
        backup: embedded.map(|database| Arc::new(SqliteLedger::new(database)) as Arc<dyn Backup>),
    })
}

/// Opens the ledger alone.
pub(super) async fn open_ledger(
    settings: &Settings,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "no other host shares the ledger")
    )]
    keys: Option<&SealingKeys>,
) -> Result<(LedgerDatabase, Arc<dyn Ledger>)> {
    let retention = Retention::from(&settings.limits);
    let in_sqlite = |database| SqliteLedger::new(database).with_retention(retention.clone());
    let (database, ledger): (_, Arc<dyn Ledger>) = match &settings.ledger {
        LedgerChoice::Sqlite(path) => {
            let database = SqliteDatabase::open(path)?;
            let ledger = Arc::new(in_sqlite(database.clone()));
            (LedgerDatabase::Sqlite(database), ledger)
        }
        LedgerChoice::Memory => {
            let ledger = Arc::new(in_sqlite(SqliteDatabase::open_in_memory()?));
            (LedgerDatabase::Memory, ledger)
        }
        #[cfg(feature = "postgres")]
        LedgerChoice::Postgres(address) => {
            let database = PostgresDatabase::open(address).await?;
            share_keys(&database, keys, settings).await?;
            let ledger = PostgresLedger::new(database.clone(), retention.clone());
            (LedgerDatabase::Postgres(database), Arc::new(ledger))
        }
    };
    Ok((database, ledger))
}

/// Whether the ledger is in this file.
pub(super) fn is_ledger(settings: &Settings, storage: &Path) -> bool {
    match &settings.ledger {
        LedgerChoice::Sqlite(ledger) => is_same_file(storage, ledger),
        _ => false,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((absolute(one), absolute(other)), (Ok(one), Ok(other)) if one == other)
}

/// Hosts that share a database must be able to open what each of them seals.
#[cfg(feature = "postgres")]
async fn share_keys(
    database: &PostgresDatabase,
    keys: Option<&SealingKeys>,
    settings: &Settings,
) -> Result<()> {
    let Some(keys) = keys else {
        return Ok(());
    };
    let ring = keys.ring();
    let of_others = database.share_keys(&ring.id(), &ring.older_ids()).await?;
    if of_others.is_empty() {
        return Ok(());
    }
    anyhow::bail!(
        "other hosts of the database {} seal with the key {}, which this host does not have: give it the same sealing key, with --sealing-key-file or INTEGRATION_HOST_SEALING_KEY",
        settings.storage,
        of_others.join(" or ")
    )
}
