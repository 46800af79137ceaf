//! Ledgers in SQL databases: [`SqliteLedger`] and [`PostgresLedger`].
#![deny(missing_docs)]

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresLedger;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteLedger;
