//! Databases that hosts keep things in: one SQLite file that storage and ledger share, or a server that speaks the
//! Postgres protocol, which several hosts may share. What is in their tables is the business of the crates above.
#![deny(missing_docs)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod indexes;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use self::indexes::Index;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{
    BackupError, DatabaseContents, DatabaseError, OpenError, SqliteDatabase, WriteStatistics,
    inspect_backup, is_in_use, is_missing, key_ids_in, left_log,
};
