//! Ledgers in SQL databases: [`SqliteLedger`] and [`PostgresLedger`].
//!
//! What a ledger decides is decided in `integration-host-ledger`. The statements that both databases run are here, each
//! beside the part of the ledger that it serves; what each does in its own way, because it was measured to be faster or
//! safer, is in a folder of its own.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # tokio::runtime::Builder::new_multi_thread().build().unwrap().block_on(async {
//! use integration_host_ledger::{Connections as _, Ledger as _};
//! use integration_host_ledger_sql::SqliteLedger;
//!
//! let ledger = SqliteLedger::in_memory().unwrap();
//! assert!(ledger.connections().await.unwrap().is_empty());
//! ledger.close().await;
//! # });
//! ```
#![deny(missing_docs)]

mod activities;
mod backend;
mod connections;
mod coverage;
mod delivery_log;
mod failure;
mod feed;
mod identity;
#[cfg(feature = "postgres")]
mod postgres;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;
mod teams;
mod transfer;
mod values;

use integration_host_ledger::Retention;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresLedger;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteLedger;

/// A ledger in an SQL database.
#[derive(Clone)]
pub struct SqlLedger<D> {
    database: D,
    retention: Retention,
}
