//! Storage: durable keys and values of one connection.
//!
//! [`KeyValueStore`] is what a provider implements. An integration never meets it directly: its
//! calls work on a unit of work, whose values are sealed before a provider sees them.

pub mod conformance;
mod host;
mod memory;
mod quota;
mod resealing;
mod sealed;
mod secrets;
mod sqlite;
mod unit_of_work;

use std::collections::HashSet;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

pub use self::memory::MemoryStore;
pub(crate) use self::quota::StorageQuota;
pub use self::resealing::{Resealed, reseal};
pub use self::sealed::SealedStore;
pub use self::secrets::SecretStore;
pub use self::sqlite::SqliteStore;
pub use self::unit_of_work::{INTEGRATION_AREA, UnitOfWork};
use crate::id::ConnectionId;

/// The longest key an integration may use, in bytes. A provider must accept a little more, for the
/// area a key is in: up to [`MAX_STORED_KEY_BYTES`].
pub const MAX_KEY_BYTES: usize = 512;
/// The longest key a provider is given, in bytes.
pub const MAX_STORED_KEY_BYTES: usize = MAX_KEY_BYTES + 64;
/// The largest value, in bytes. A provider must accept a little more, for the seal: up to
/// [`MAX_STORED_BYTES`].
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// The largest value a provider is given, in bytes.
pub const MAX_STORED_BYTES: usize = MAX_VALUE_BYTES + 1024;
/// The most entries one [`KeyValueStore::list`] returns.
pub const MAX_LIST: usize = 1000;

/// Identifies one state of a key.
///
/// It changes on every write, is never used again for the same key (not even after a deletion), and
/// says nothing about the value: a key that goes from A to B and back to A has a new version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// A key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// The state it is in.
    pub version: Version,
    /// When it ceases to exist; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// What must hold for a commit to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The key.
    pub key: String,
    /// The version it must have; `None`: it must be absent.
    pub version: Option<Version>,
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: String,
    /// The new value; `None` deletes the key, which may be absent already.
    pub value: Option<Vec<u8>>,
    /// When the key ceases to exist; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// What became of a commit. Losing a race is an expected outcome, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// Every write was applied, at once and durably.
    Committed,
    /// An expectation did not hold and nothing was written.
    Conflict,
}

/// Why a provider could not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A key or value is out of bounds, or a value cannot be read. Trying again does not help.
    #[error("{0}")]
    Invalid(String),
    /// The provider could not answer; whether a commit happened is unknown. Trying again may help.
    #[error("the storage provider is unavailable: {0}")]
    Unavailable(String),
}

/// A storage provider.
///
/// Keys are UTF-8 of 1 to [`MAX_STORED_KEY_BYTES`] bytes, ordered bytewise; each connection has keys of its
/// own. An expired key is absent everywhere from the moment it expires, whenever it is removed.
#[async_trait]
pub trait KeyValueStore: Send + Sync + 'static {
    /// The entry with this key, or `None` if it is absent.
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError>;

    /// Entries whose key starts with `prefix`, in order, beginning after the key `after`. At most
    /// `limit` (itself at most [`MAX_LIST`]); fewer mean that there are no more.
    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError>;

    /// Applies all writes if every expectation holds, otherwise none. Atomic: no reader sees a part
    /// of it, and of two commits that expect what the other writes at most one happens. Durable when
    /// it returns [`Commit::Committed`]. A key is written at most once per commit.
    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError>;
}

/// Checks a key's bounds, for providers.
pub fn check_key(key: &str) -> Result<(), StorageError> {
    if key.is_empty() {
        return Err(StorageError::Invalid("a key is empty".to_owned()));
    }
    if key.len() > MAX_STORED_KEY_BYTES {
        return Err(StorageError::Invalid(format!(
            "a key is longer than {MAX_STORED_KEY_BYTES} bytes"
        )));
    }
    Ok(())
}

/// Checks the bounds of everything in a commit and that it writes no key twice, for providers.
pub fn check_commit(expected: &[Expectation], writes: &[Write]) -> Result<(), StorageError> {
    for expectation in expected {
        check_key(&expectation.key)?;
    }
    let mut keys = HashSet::with_capacity(writes.len());
    for write in writes {
        check_key(&write.key)?;
        if !keys.insert(write.key.as_str()) {
            return Err(StorageError::Invalid(format!(
                "the key `{}` is written twice",
                write.key
            )));
        }
        if write
            .value
            .as_ref()
            .is_some_and(|value| value.len() > MAX_STORED_BYTES)
        {
            return Err(StorageError::Invalid(format!(
                "a value is larger than {MAX_STORED_BYTES} bytes"
            )));
        }
    }
    Ok(())
}
