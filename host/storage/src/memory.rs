//! Storage in memory, gone with the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;

/// A storage provider that keeps everything in memory.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_version: u64,
    connections: HashMap<ConnectionId, BTreeMap<String, Stored>>,
}

#[derive(Clone)]
struct Stored {
    value: Vec<u8>,
    version: u64,
    expires_at: Option<Timestamp>,
}

impl MemoryStore {
    /// An empty store; `clock` tells what has expired.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Stored {
    fn is_present(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    fn entry(&self, key: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: self.value.clone(),
            version: Version(self.version.to_string()),
            expires_at: self.expires_at,
        }
    }
}

#[async_trait]
impl KeyValueStore for MemoryStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let now = self.clock.now();
        let state = self.lock();
        let stored = state
            .connections
            .get(connection)
            .and_then(|keys| keys.get(key));
        Ok(stored
            .filter(|stored| stored.is_present(now))
            .map(|stored| stored.entry(key)))
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let now = self.clock.now();
        let state = self.lock();
        let Some(keys) = state.connections.get(connection) else {
            return Ok(Vec::new());
        };
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        Ok(keys
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(_, stored)| stored.is_present(now))
            .take(limit.min(MAX_LIST))
            .map(|(key, stored)| stored.entry(key))
            .collect())
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let now = self.clock.now();
        let mut state = self.lock();
        let State {
            last_version,
            connections,
        } = &mut *state;
        let keys = connections.entry(connection.clone()).or_default();

        let holds = expected.iter().all(|Expectation { key, version }| {
            let present = keys.get(key).filter(|stored| stored.is_present(now));
            present.map(|stored| stored.version.to_string()).as_ref()
                == version.as_ref().map(|version| &version.0)
        });
        if !holds {
            return Ok(Commit::Conflict);
        }
        *last_version += 1;
        for write in writes {
            match &write.value {
                Some(value) => {
                    let stored = Stored {
                        value: value.clone(),
                        version: *last_version,
                        expires_at: write.expires_at,
                    };
                    keys.insert(write.key.clone(), stored);
                }
                None => {
                    keys.remove(&write.key);
                }
            }
        }
        keys.retain(|_, stored| stored.is_present(now));
        if keys.is_empty() {
            connections.remove(connection);
        }
        Ok(Commit::Committed)
    }
}
