//! Storage in a Redis server.
//!
//! A connection's entries are a sorted set of their names, which all have the same score and are
//! therefore in bytewise order, two hashes with their states and values, and a sorted set of those that
//! expire. One script reads and one commits; nothing is done outside of them.

mod address;
mod connect;
mod script;
mod server;

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue as _, Value};
use async_trait::async_trait;
use jiff::Timestamp;

pub use self::address::{InvalidRedisAddress, RedisAddress};
use self::connect::Connection;
pub use self::connect::UnusableRedis;
use self::script::Script;
use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;

/// How many expired entries one commit removes beyond as many as it writes: so it keeps up with whatever
/// commits add.
const EXPIRED_PER_COMMIT: usize = 32;

/// A byte that no UTF-8 has: it stands after all names that begin the same.
const AFTER_ALL: u8 = 0xff;

/// A storage provider in a Redis server. It has one connection to it.
pub struct RedisStore {
    connection: Connection,
    prefix: String,
    clock: Arc<dyn Clock>,
    read: Script,
    commit: Script,
}

impl RedisStore {
    /// Connects to a server and checks that it can be used. No request to it takes longer than `timeout`,
    /// this one and connecting again included; `clock` tells what has expired.
    ///
    /// Makes ring the process's provider of cryptography for rustls, unless there is one already.
    ///
    /// # Errors
    /// The server cannot be reached, refuses the login, or cannot be relied on.
    pub async fn open(
        address: &RedisAddress,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UnusableRedis> {
        // An error means that the program chose a provider before: then that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Self {
            connection: Connection::new(address.client()?, timeout),
            prefix: address.prefix.clone(),
            clock,
            read: Script::read(),
            commit: Script::commit(),
        };
        server::check(&store.connection, address).await?;
        store.try_out(address).await?;
        Ok(store)
    }

    /// Reads and writes once, so that what this user may not do, or the server cannot, is known at start.
    async fn try_out(&self, address: &RedisAddress) -> Result<(), UnusableRedis> {
        let nobody = ConnectionId::new("start");
        let nothing = Write {
            key: "start".to_owned(),
            value: None,
            expires_at: None,
        };
        let unusable = |failure| server::unusable(address, failure);
        let read = self.read_request(&nobody, b"-".to_vec(), b"+".to_vec(), 1);
        self.connection
            .read(&self.read, &read)
            .await
            .map_err(unusable)?;
        let commit = self.commit_request(&nobody, &[], &[nothing]);
        self.connection
            .write(&self.commit, &commit)
            .await
            .map_err(unusable)?;
        Ok(())
    }

    /// A key of the server that belongs to one connection. The last part is fixed, so no two are alike
    /// whatever a connection's id is.
    fn key(&self, connection: &ConnectionId, part: &str) -> String {
        format!("{}:connection:{connection}:{part}", self.prefix)
    }

    fn read_request(
        &self,
        connection: &ConnectionId,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Cmd {
        let keys = ["names", "states", "values"].map(|part| self.key(connection, part));
        let mut request = self.read.on(&keys);
        request
            .arg(self.clock.now().as_millisecond())
            .arg(from)
            .arg(to)
            .arg(limit);
        request
    }

    fn commit_request(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Cmd {
        let [names, states, values, expiries] =
            ["names", "states", "values", "expiries"].map(|part| self.key(connection, part));
        let last_version = format!("{}:last-version", self.prefix);
        let mut request = self
            .commit
            .on(&[last_version, names, states, values, expiries]);
        request
            .arg(self.clock.now().as_millisecond())
            .arg(EXPIRED_PER_COMMIT.saturating_add(writes.len()))
            .arg(expected.len());
        for Expectation { key, version } in expected {
            let version = version
                .as_ref()
                .map(|Version(version)| format!("={version}"));
            request.arg(key).arg(version.unwrap_or_default());
        }
        for write in writes {
            let expires_at = write.expires_at.map(|at| at.as_millisecond().to_string());
            request
                .arg(if write.value.is_some() {
                    "put"
                } else {
                    "delete"
                })
                .arg(&write.key)
                .arg(write.value.as_deref().unwrap_or_default())
                .arg(expires_at.unwrap_or_default());
        }
        request
    }

    async fn entries(
        &self,
        connection: &ConnectionId,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let request = self.read_request(connection, from, to, limit);
        let answer = self.connection.read(&self.read, &request).await?;
        let mut parts = Vec::<Vec<u8>>::from_redis_value(answer)
            .map_err(|_| unreadable())?
            .into_iter();
        let mut entries = Vec::with_capacity(parts.len() / 3);
        while let (Some(key), Some(state), Some(value)) = (parts.next(), parts.next(), parts.next())
        {
            entries.push(entry(key, &state, value).ok_or_else(unreadable)?);
        }
        Ok(entries)
    }
}

#[async_trait]
impl KeyValueStore for RedisStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let found = self
            .entries(connection, including(key), including(key), 1)
            .await?;
        Ok(found.into_iter().next())
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let from = match after {
            Some(after) if after >= prefix => excluding(after.as_bytes()),
            _ => including(prefix),
        };
        let to = excluding(&[prefix.as_bytes(), &[AFTER_ALL]].concat());
        self.entries(connection, from, to, limit.min(MAX_LIST))
            .await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let request = self.commit_request(connection, expected, writes);
        match self.connection.write(&self.commit, &request).await? {
            Value::Int(1) => Ok(Commit::Committed),
            Value::Int(0) => Ok(Commit::Conflict),
            _ => Err(unreadable()),
        }
    }
}

/// A bound of names, as Redis writes it.
fn including(name: &str) -> Vec<u8> {
    [b"[", name.as_bytes()].concat()
}

fn excluding(name: &[u8]) -> Vec<u8> {
    [b"(", name].concat()
}

/// What is stored as `state`: the version, a blank and when the entry expires, if it does.
fn entry(key: Vec<u8>, state: &[u8], value: Vec<u8>) -> Option<Entry> {
    let (version, expires_at) = str::from_utf8(state).ok()?.split_once(' ')?;
    let expires_at = match expires_at {
        "" => None,
        // What no timestamp can say is beyond all times.
        at => Some(Timestamp::from_millisecond(at.parse().ok()?).unwrap_or(Timestamp::MAX)),
    };
    Some(Entry {
        key: String::from_utf8(key).ok()?,
        value,
        version: Version(version.to_owned()),
        expires_at,
    })
}

fn unreadable() -> StorageError {
    StorageError::Invalid("what the Redis server holds cannot be read".to_owned())
}
