//! A complete storage provider: the example of docs/writing-a-storage-provider.md, which has this file in pieces.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use integration_conformance::{Kept, storage_conformance};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Keeps everything in memory, and every commit in a file, from which it is read at the next start.
struct JournalStore {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

struct State {
    entries: BTreeMap<(ConnectionId, String), Entry>,
    last_version: u64,
    journal: File,
    /// Bytes of the journal that hold whole commits.
    length: u64,
}

/// A commit as it stands in the journal: one line.
#[derive(Serialize, Deserialize)]
struct Line {
    version: u64,
    connection: ConnectionId,
    changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
struct Change {
    key: String,
    /// In hexadecimal digits; `None`: deleted.
    value: Option<String>,
    expires_at_ms: Option<i64>,
}

impl Line {
    fn new(connection: &ConnectionId, version: u64, writes: &[Write]) -> Self {
        let changes = writes.iter().map(|write| Change {
            key: write.key.clone(),
            value: write.value.as_ref().map(hex::encode),
            expires_at_ms: write.expires_at.map(Timestamp::as_millisecond),
        });
        Self {
            version,
            connection: connection.clone(),
            changes: changes.collect(),
        }
    }

    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl JournalStore {
    /// The store in this file, which is made if it is not there. `clock` tells what has expired.
    fn open(path: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let journal = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut state = State {
            entries: BTreeMap::new(),
            last_version: 0,
            journal,
            length: 0,
        };
        let content = std::fs::read(path)?;
        // A line without an end was being written when the process died: nobody was told that it happened.
        let whole = content.split_inclusive(|byte| *byte == b'\n');
        for line in whole.filter(|line| line.ends_with(b"\n")) {
            state.apply(serde_json::from_slice(line)?)?;
            state.length += line.len() as u64;
        }
        Ok(Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        })
    }
}

impl State {
    fn apply(&mut self, line: Line) -> io::Result<()> {
        self.last_version = line.version;
        for change in line.changes {
            let place = (line.connection.clone(), change.key.clone());
            let Some(value) = change.value else {
                self.entries.remove(&place);
                continue;
            };
            let entry = Entry {
                key: change.key,
                value: hex::decode(value).map_err(io::Error::other)?,
                version: Version(line.version.to_string()),
                expires_at: change.expires_at_ms.map(time),
            };
            self.entries.insert(place, entry);
        }
        Ok(())
    }
}

/// A time of the journal. What no timestamp can say is beyond all times.
fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

impl State {
    fn get(&self, connection: &ConnectionId, key: &str, now: Timestamp) -> Option<&Entry> {
        let found = self.entries.get(&(connection.clone(), key.to_owned()));
        found.filter(|entry| is_present(entry, now))
    }

    fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Entry> {
        let first = after.unwrap_or_default().max(prefix);
        self.entries
            .range((connection.clone(), first.to_owned())..)
            .take_while(|((owner, key), _)| owner == connection && key.starts_with(prefix))
            .filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after))
            .map(|(_, entry)| entry)
            .filter(|entry| is_present(entry, now))
            .take(limit.min(MAX_LIST))
            .cloned()
            .collect()
    }
}

fn is_present(entry: &Entry, now: Timestamp) -> bool {
    entry.expires_at.is_none_or(|expires_at| now < expires_at)
}

impl State {
    fn commit(
        &mut self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
        now: Timestamp,
    ) -> io::Result<Commit> {
        let holds = |expectation: &Expectation| {
            let found = self.get(connection, &expectation.key, now);
            found.map(|entry| &entry.version) == expectation.version.as_ref()
        };
        if !expected.iter().all(holds) {
            return Ok(Commit::Conflict);
        }
        if writes.is_empty() {
            return Ok(Commit::Committed);
        }
        let line = Line::new(connection, self.last_version + 1, writes);
        let bytes = line.to_bytes()?;
        // What an earlier commit left that failed half-way is cut off first.
        self.journal.set_len(self.length)?;
        self.journal.write_all(&bytes)?;
        self.journal.sync_data()?;
        self.length += bytes.len() as u64;
        self.apply(line)?;
        self.entries.retain(|_, entry| is_present(entry, now));
        Ok(Commit::Committed)
    }
}

impl JournalStore {
    /// Does something with the state on a thread that may wait. Once begun it goes on to its end, also when
    /// nobody waits for it any more.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let state = Arc::clone(&self.state);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.map_err(unavailable)
    }
}

fn unavailable(cause: impl std::fmt::Display) -> StorageError {
    StorageError::Unavailable(format!("the journal: {cause}"))
}

#[async_trait]
impl KeyValueStore for JournalStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let (connection, key, now) = (connection.clone(), key.to_owned(), self.clock.now());
        self.with(move |state| state.get(&connection, &key, now).cloned())
            .await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let (connection, prefix) = (connection.clone(), prefix.to_owned());
        let (after, now) = (after.map(str::to_owned), self.clock.now());
        self.with(move |state| state.list(&connection, &prefix, after.as_deref(), limit, now))
            .await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let (connection, now) = (connection.clone(), self.clock.now());
        let (expected, writes) = (expected.to_vec(), writes.to_vec());
        self.with(move |state| state.commit(&connection, &expected, &writes, now))
            .await?
            .map_err(unavailable)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let folder = tempfile::tempdir().unwrap();
    storage_conformance(Kept::Durably, async |name, clock| {
        JournalStore::open(&folder.path().join(name), clock).unwrap()
    })
    .await;
}
