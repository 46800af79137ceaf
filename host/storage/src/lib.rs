//! Storage: durable keys and values of one connection.
//!
//! [`KeyValueStore`] is what a provider implements. An integration never meets it directly: its
//! calls work on a unit of work, whose values are sealed before a provider sees them.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//!
//! use integration_host_contract::clock::SystemClock;
//! use integration_host_contract::id::ConnectionId;
//! use integration_host_storage::{KeyValueStore, MemoryStore, Write};
//!
//! let store = MemoryStore::new(Arc::new(SystemClock));
//! let connection = ConnectionId::new("c1");
//! let (key, value) = ("greeting".to_owned(), Some(b"hello".to_vec()));
//! let write = Write { key, value, expires_at: None };
//! store.commit(&connection, &[], &[write]).await.unwrap();
//! let entry = store.get(&connection, "greeting").await.unwrap();
//! assert_eq!(entry.unwrap().value, b"hello");
//! # });
//! ```
#![deny(missing_docs)]

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod resealing;
mod sealed;
mod secrets;
#[cfg(feature = "sqlite")]
mod sqlite;
pub mod unit_of_work;

use std::collections::HashSet;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use thiserror::Error;

pub use self::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
pub use self::quota::StorageQuota;
#[cfg(feature = "redis")]
pub use self::redis::{InvalidRedisAddress, RedisAddress, RedisStore, UnusableRedis};
pub use self::resealing::{Resealed, reseal};
pub use self::sealed::SealedStore;
pub use self::sealed::context as seal_context;
pub use self::secrets::SecretStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::unit_of_work::{INTEGRATION_AREA, Listener, UnitOfWork};
use integration_host_contract::ErrorCode;
use integration_host_contract::deadline::Unanswered;
use integration_host_contract::id::ConnectionId;

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

/// Identifies one state of a key. What is in it is the provider's choice; nobody else looks into it.
///
/// A number counted up for every commit of the whole store is one. A hash of the value is none, and neither
/// is a number that is counted for each key and begins anew when the key is deleted: what a key was and is
/// again would look as if nothing had happened. What must hold is said at [`KeyValueStore`].
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
    /// When it ceases to exist, in whole milliseconds; `None`: never.
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
    /// A key or value is out of bounds, or a value cannot be read. Nothing was written, and trying again does
    /// not help: the host gives up what it was doing and says so.
    #[error("{0}")]
    Invalid(String),
    /// The provider could not answer; whether a commit happened is unknown. Trying again may help: the host
    /// reads again before it writes again, so that a commit that did happen is noticed by its versions. The text
    /// is for the log, names what could not be reached, and holds no secret.
    #[error("the storage provider is unavailable: {0}")]
    Unavailable(String),
}

impl StorageError {
    /// What a caller can act on. A value that is out of bounds is a defect: what a person gave was checked before.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::Internal,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

impl Unanswered for StorageError {
    fn unanswered(why: String) -> Self {
        Self::Unavailable(why)
    }
}

/// A storage provider: keys, values and versions, changed all at once or not at all.
///
/// This is the whole contract. Nothing else is relied on, and the conformance suite (`tests/conformance`)
/// demands nothing else: it has a case for every sentence in the lists below, and names the sentence that a provider
/// breaks. [`MemoryStore`] is the shortest provider to look at.
///
/// # Keys, values, connections
///
/// - Keys are UTF-8 of 1 to [`MAX_STORED_KEY_BYTES`] bytes, told apart and ordered byte by byte; no character has a
///   meaning.
/// - Values are any bytes, up to [`MAX_STORED_BYTES`] of them; a value without bytes is not an absent one.
/// - A key or value that is out of bounds is refused as [`StorageError::Invalid`], wherever it is named, and nothing is
///   written.
/// - Each connection has keys of its own: no call for one sees, changes or hinders what another has.
/// - A connection that nothing was ever written for has no keys; it need not be announced.
///
/// # Versions
///
/// - Every write gives its key a new version, also when the value stays the same.
/// - A version is never used again for the same key: not after a deletion, not after the key expired, not after the
///   provider was started anew.
/// - Nothing but a write of the key changes its version, and `get` and `list` tell the same one.
///
/// # Commits
///
/// - A commit happens if every expectation holds, and is a [`Commit::Conflict`] otherwise, which writes nothing.
/// - An expectation of `None` holds while the key is absent; one of a version while the key has exactly that version,
///   and a version that the store never gave out is just not that one.
/// - An expectation counts for a key that is not written too: of two commits that each expect what the other writes, one
///   happens.
/// - Of any number of commits at once that expect the same version of a key and write it, exactly one happens.
/// - A write takes the place of whatever the key had, its expiry included; a deletion of an absent key is as good as any.
/// - A commit may have expectations and no writes, writes and no expectations, or neither.
/// - A commit that writes a key twice is refused as [`StorageError::Invalid`].
/// - Nobody sees a part of a commit: what one `list` returns has all of it or nothing of it.
/// - What was committed is seen by every call that begins afterwards, whichever of several handles it is made with.
/// - What was committed is still there when the process ended right after it without any goodbye, and what was not is
///   not, unless the provider keeps nothing beyond the process and says so.
///
/// # Expiry
///
/// - A key with an expiry is there before that time and absent from then on, by the clock the provider was made with: for
///   `get`, for `list` and for expectations, all at the same moment, whenever it is really removed.
/// - An expiry is kept to the millisecond and told as it was given; what is finer may be cut.
/// - An expiry may be in the past, which leaves the key absent, and as far in the future as a [`Timestamp`] goes.
///
/// What is expired need not be removed at once, but must not be kept for ever: a provider removes some of it
/// whenever it commits, or at times of its own.
///
/// # Lists
///
/// - A list has the keys that begin with the prefix and come after `after`, in order, without gaps.
/// - Neither the prefix nor `after` need be a key: the empty prefix is every key's, and `after` may be before or beyond
///   all keys with the prefix.
/// - A page has as many entries as there are, up to `limit` and [`MAX_LIST`]: a shorter one is the last, and expired
///   entries do not shorten it.
/// - Whoever goes on after the last key of each page meets every key that was there all the time exactly once, whatever
///   is written and deleted meanwhile.
///
/// # Calls
///
/// - Calls may be made from any number of tasks at once, on one handle and on several.
/// - A call that is dropped before it ended happened as a whole or not at all, and hinders no later one.
///
/// A host drops calls when a deadline passes, and treats them like [`StorageError::Unavailable`]. How long a call
/// may take is the host's business: a provider need not time out by itself, but should let go of what it holds when it
/// is dropped. `get` and `list` may be tried again at will. A `commit` whose outcome is unknown is never sent again as
/// it was: the host reads, decides and commits anew.
///
/// The bounds can be checked with [`check_key`] and [`check_commit`].
#[async_trait]
#[auto_impl(Arc)]
pub trait KeyValueStore: Send + Sync + 'static {
    /// The entry with this key, or `None` if it is absent or expired.
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError>;

    /// The first entries, in the order of their keys, that begin with `prefix` and come after the key `after`
    /// (`None`: from the first on). At most `limit`, and at most [`MAX_LIST`].
    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError>;

    /// Applies all writes if every expectation holds, otherwise none.
    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError>;

    /// Called after secrets were erased or sealed anew: what is left of former values in the provider's files is to go as
    /// soon as it can, in the background where that takes long. A provider that keeps nothing of them has nothing to do.
    async fn scrub(&self) {}
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
