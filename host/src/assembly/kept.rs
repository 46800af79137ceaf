//! Where everything is kept: opening the storage and the ledger that the settings choose.

use std::path::{Path, absolute};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::capability::storage::{KeyValueStore, MemoryStore, RedisStore, SqliteStore};
use crate::clock::Clock;
use crate::config::{LedgerChoice, Settings, StorageChoice};
use crate::database::SqliteDatabase;
use crate::ledger::{Ledger, Retention, SqliteLedger};

/// An open storage and an open ledger.
pub(super) struct Kept {
    pub(super) store: Arc<dyn KeyValueStore>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// The embedded database, if it holds both.
    pub(super) database: Option<SqliteDatabase>,
}

/// Opens what the settings choose. What is in the same embedded database shares it.
///
/// # Errors
/// A sentence that names what cannot be opened and what helps.
pub(super) async fn open(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Kept> {
    let database = match &settings.ledger {
        LedgerChoice::Sqlite(path) => Some(SqliteDatabase::open(path)?),
        LedgerChoice::Memory => None,
        LedgerChoice::Postgres(_) => bail!("the ledger {} is not available", settings.ledger),
    };
    let ledger_database = match &database {
        Some(database) => database.clone(),
        None => SqliteDatabase::open_in_memory()?,
    };
    let ledger = SqliteLedger::new(ledger_database);
    let shared = database.filter(|_| is_shared(settings));
    let in_database = |database| SqliteStore::new(database, Arc::clone(clock));
    let store: Arc<dyn KeyValueStore> = match (&settings.storage, &shared) {
        (StorageChoice::Sqlite(_), Some(database)) => Arc::new(in_database(database.clone())),
        (StorageChoice::Sqlite(path), None) => Arc::new(in_database(SqliteDatabase::open(path)?)),
        (StorageChoice::Memory, _) => Arc::new(MemoryStore::new(Arc::clone(clock))),
        (StorageChoice::Redis(address), _) => {
            let timeout = settings.limits.storage_timeout();
            Arc::new(RedisStore::open(address, timeout, Arc::clone(clock)).await?)
        }
        (StorageChoice::Postgres(_) | StorageChoice::Component(_), _) => {
            bail!("the storage {} is not available", settings.storage)
        }
    };
    Ok(Kept {
        store,
        ledger: Arc::new(ledger.with_retention(Retention::from(&settings.limits))),
        database: shared,
    })
}

/// Whether storage and ledger are in the same file.
fn is_shared(settings: &Settings) -> bool {
    match (&settings.storage, &settings.ledger) {
        (StorageChoice::Sqlite(storage), LedgerChoice::Sqlite(ledger)) => {
            is_same_file(storage, ledger)
        }
        _ => false,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((absolute(one), absolute(other)), (Ok(one), Ok(other)) if one == other)
}
