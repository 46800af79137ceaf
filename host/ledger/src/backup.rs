//! Copies of a ledger while it is in use.

use std::fs::File;

use async_trait::async_trait;

use super::LedgerError;

/// A copy of a database at one moment. Its file has no name any more and is gone with this.
#[derive(Debug)]
pub struct BackupFile {
    /// The file, to be read from its beginning.
    pub file: File,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// Copies everything a host keeps, where all of it is in one embedded database.
#[async_trait]
pub trait Backup: Send + Sync + 'static {
    /// Copies the database as it is at one moment, without holding up who uses it. `None`: it is in memory, where
    /// there is nothing worth a copy. Dropping the future ends the copying.
    async fn copy(&self) -> Result<Option<BackupFile>, LedgerError>;
}
