//! The storage one call sees: a unit of work.
//!
//! Reads go to the store and remember the versions they saw, writes wait. When the call succeeds,
//! everything is committed at once, provided that what was read is still as it was.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_KEY_BYTES, MAX_LIST, MAX_VALUE_BYTES,
    StorageError, Version, Write,
};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;

/// Where the integration's keys are in a connection's keys.
pub const INTEGRATION_AREA: &str = "integration/";

/// The most keys a call may write.
pub const MAX_WRITES: usize = 10_000;
/// The most bytes, keys and values together, a call may write.
pub const MAX_WRITTEN_BYTES: usize = 16 << 20;
/// The most keys a call may read.
pub const MAX_READS: usize = 100_000;
/// How often a call may use storage.
pub const MAX_OPERATIONS: u32 = 100_000;
/// The most bytes a call may read, counting what it reads again.
pub const MAX_READ_BYTES: usize = 256 << 20;
/// The most bytes one list may return.
pub const MAX_LISTED_BYTES: usize = 16 << 20;

/// Entries fetched at once: values may be large.
const PAGE: usize = 64;

/// Storage for one call of an integration.
pub struct UnitOfWork {
    store: Arc<dyn KeyValueStore>,
    clock: Arc<dyn Clock>,
    connection: ConnectionId,
    area: &'static str,
    /// What was read, by full key; `None`: it was absent.
    reads: HashMap<String, Option<Version>>,
    /// What is to be written, by full key.
    writes: BTreeMap<String, Buffered>,
    written_bytes: usize,
    buffered: u64,
    /// The store changed between two reads of the same key: the call has seen two states.
    torn: bool,
    /// Is told the values that the call reads and writes.
    listener: Option<Listener>,
    operations_left: u32,
    read_bytes_left: usize,
    is_refused: bool,
}

/// Is told values.
pub type Listener = Arc<dyn Fn(&[u8]) + Send + Sync>;

struct Buffered {
    write: Write,
    version: Version,
}

impl Buffered {
    fn entry(&self, key: &str) -> Option<Entry> {
        let value = self.write.value.clone()?;
        Some(Entry {
            key: key.to_owned(),
            value,
            version: self.version.clone(),
            expires_at: self.write.expires_at,
        })
    }
}

impl UnitOfWork {
    /// A unit of work on the keys of one connection that begin with `area`, which the call never
    /// sees and cannot leave. `store` is the sealed one; `clock` tells what has expired meanwhile.
    pub fn new(
        store: Arc<dyn KeyValueStore>,
        clock: Arc<dyn Clock>,
        connection: ConnectionId,
        area: &'static str,
    ) -> Self {
        Self {
            store,
            clock,
            connection,
            area,
            reads: HashMap::new(),
            writes: BTreeMap::new(),
            written_bytes: 0,
            buffered: 0,
            torn: false,
            listener: None,
            operations_left: MAX_OPERATIONS,
            read_bytes_left: MAX_READ_BYTES,
            is_refused: false,
        }
    }

    /// Tells which values the call reads and writes, so that it gives none of them away.
    pub fn telling(self, listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }

    fn tell(&self, value: &[u8]) {
        if let Some(listener) = &self.listener {
            listener(value);
        }
    }

    /// The entry with this key, as this call has left it.
    pub async fn get(&mut self, key: &str) -> Result<Option<Entry>, StorageError> {
        self.count_operation()?;
        check_key(key)?;
        if let Some(buffered) = self.writes.get(&self.full(key)) {
            return Ok(self
                .present(buffered)
                .and_then(|buffered| buffered.entry(key)));
        }
        self.fetch(key).await
    }

    /// Entries whose key starts with `prefix`, in order, beginning after the key `after`, as this
    /// call has left them. At most `limit` (itself at most [`MAX_LIST`]); fewer mean that there are
    /// no more.
    pub async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.count_operation()?;
        if prefix.len() > MAX_KEY_BYTES || after.is_some_and(|after| after.len() > MAX_KEY_BYTES) {
            return Err(StorageError::Invalid(format!(
                "a key is longer than {MAX_KEY_BYTES} bytes"
            )));
        }
        let limit = limit.min(MAX_LIST);
        let full_prefix = self.full(prefix);
        let mut cursor = after.map(|after| self.full(after));
        let mut listed = Vec::new();
        let mut listed_bytes = 0;
        while listed.len() < limit {
            let page = self
                .store
                .list(&self.connection, &full_prefix, cursor.as_deref(), PAGE)
                .await?;
            let end = if page.len() < PAGE {
                None
            } else {
                page.last().map(|entry| entry.key.clone())
            };
            for entry in self.merge(&full_prefix, cursor.as_deref(), end.as_deref(), page) {
                if listed.len() == limit {
                    break;
                }
                let (entry, from_store) = entry;
                if from_store {
                    self.remember(&entry.key, Some(&entry.version))?;
                }
                listed_bytes += entry.key.len() + entry.value.len();
                self.count_read(&entry)?;
                if listed_bytes > MAX_LISTED_BYTES {
                    return Err(StorageError::Invalid(format!(
                        "a list holds more than {MAX_LISTED_BYTES} bytes: ask for fewer entries at once"
                    )));
                }
                let key = entry
                    .key
                    .strip_prefix(self.area)
                    .unwrap_or_default()
                    .to_owned();
                listed.push(Entry { key, ..entry });
            }
            if end.is_none() {
                break;
            }
            cursor = end;
        }
        Ok(listed)
    }

    /// Adds writes to the unit if every expectation holds in what the call sees, otherwise none.
    pub async fn commit(
        &mut self,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        self.count_operation()?;
        self.check_bounds(expected, writes)?;
        for expectation in expected {
            if self.version(&expectation.key).await? != expectation.version {
                return Ok(Commit::Conflict);
            }
        }
        for write in writes {
            self.tell(write.value.as_deref().unwrap_or_default());
            let key = self.full(&write.key);
            self.buffered += 1;
            let version = Version(format!("uncommitted-{}", self.buffered));
            self.written_bytes += size(&key, write);
            let buffered = Buffered {
                write: Write {
                    key: key.clone(),
                    ..write.clone()
                },
                version,
            };
            if let Some(replaced) = self.writes.insert(key.clone(), buffered) {
                self.written_bytes -= size(&key, &replaced.write);
            }
        }
        Ok(Commit::Committed)
    }

    /// What is to be written, by full key: the size of the value, or `None` where the key is deleted.
    pub(super) fn written(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        self.writes.iter().map(|(key, buffered)| {
            let value = buffered.write.value.as_ref();
            (key.as_str(), value.map(Vec::len))
        })
    }

    /// Whether nothing was refused before: who floods this host must not flood its log.
    pub fn is_first_refusal(&mut self) -> bool {
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// The connection whose keys these are.
    pub(super) fn connection(&self) -> &ConnectionId {
        &self.connection
    }

    /// The area its keys are in.
    pub(super) fn area(&self) -> &'static str {
        self.area
    }

    /// The store behind it.
    pub(super) fn store(&self) -> &dyn KeyValueStore {
        self.store.as_ref()
    }

    /// Commits everything at once. `Conflict`: something that was read has changed, nothing was
    /// written, and the call must be run again. A unit that wrote nothing commits nothing.
    pub async fn finish(self) -> Result<Commit, StorageError> {
        if self.torn {
            return Ok(Commit::Conflict);
        }
        if self.writes.is_empty() {
            return Ok(Commit::Committed);
        }
        let expected: Vec<Expectation> = self
            .reads
            .into_iter()
            .map(|(key, version)| Expectation { key, version })
            .collect();
        let writes: Vec<Write> = self
            .writes
            .into_values()
            .map(|buffered| buffered.write)
            .collect();
        self.store
            .commit(&self.connection, &expected, &writes)
            .await
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.area)
    }

    /// A buffered write, unless it has expired already.
    fn present<'a>(&self, buffered: &'a Buffered) -> Option<&'a Buffered> {
        let expired = buffered
            .write
            .expires_at
            .is_some_and(|expires_at| expires_at <= self.clock.now());
        (!expired).then_some(buffered)
    }

    async fn fetch(&mut self, key: &str) -> Result<Option<Entry>, StorageError> {
        let full = self.full(key);
        let entry = self.store.get(&self.connection, &full).await?;
        if let Some(entry) = &entry {
            self.count_read(entry)?;
        }
        self.remember(&full, entry.as_ref().map(|entry| &entry.version))?;
        Ok(entry.map(|entry| Entry {
            key: key.to_owned(),
            ..entry
        }))
    }

    /// The version of a key in what the call sees.
    async fn version(&mut self, key: &str) -> Result<Option<Version>, StorageError> {
        let full = self.full(key);
        if let Some(buffered) = self.writes.get(&full) {
            let present = self
                .present(buffered)
                .filter(|buffered| buffered.write.value.is_some());
            return Ok(present.map(|buffered| buffered.version.clone()));
        }
        if let Some(version) = self.reads.get(&full) {
            return Ok(version.clone());
        }
        Ok(self.fetch(key).await?.map(|entry| entry.version))
    }

    /// Remembers the version a key had when it was first read.
    fn remember(&mut self, full: &str, version: Option<&Version>) -> Result<(), StorageError> {
        if let Some(first) = self.reads.get(full) {
            self.torn |= first.as_ref() != version;
            return Ok(());
        }
        if self.reads.len() >= MAX_READS {
            return Err(StorageError::Invalid(format!(
                "a call reads more than {MAX_READS} keys"
            )));
        }
        self.reads.insert(full.to_owned(), version.cloned());
        Ok(())
    }

    fn count_operation(&mut self) -> Result<(), StorageError> {
        self.operations_left = self.operations_left.checked_sub(1).ok_or_else(|| {
            StorageError::Invalid(format!(
                "a call uses storage more than {MAX_OPERATIONS} times"
            ))
        })?;
        Ok(())
    }

    fn count_read(&mut self, entry: &Entry) -> Result<(), StorageError> {
        self.tell(&entry.value);
        let bytes = entry.key.len() + entry.value.len();
        self.read_bytes_left = self.read_bytes_left.checked_sub(bytes).ok_or_else(|| {
            StorageError::Invalid(format!("a call reads more than {MAX_READ_BYTES} bytes"))
        })?;
        Ok(())
    }

    /// A page of the store and what the call has written in its range, in order, each with whether
    /// it comes from the store.
    fn merge(
        &self,
        prefix: &str,
        after: Option<&str>,
        end: Option<&str>,
        page: Vec<Entry>,
    ) -> Vec<(Entry, bool)> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let to = end.map_or(Bound::Unbounded, Bound::Included);
        let mut written = self
            .writes
            .range::<str, _>((from, to))
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, buffered)| self.present(buffered)?.entry(key))
            .peekable();
        let mut merged = Vec::with_capacity(page.len());
        for entry in page {
            if self.writes.contains_key(&entry.key) {
                continue;
            }
            while let Some(earlier) = written.next_if(|written| written.key < entry.key) {
                merged.push((earlier, false));
            }
            merged.push((entry, true));
        }
        merged.extend(written.map(|entry| (entry, false)));
        merged
    }

    fn check_bounds(&self, expected: &[Expectation], writes: &[Write]) -> Result<(), StorageError> {
        for expectation in expected {
            check_key(&expectation.key)?;
        }
        let mut keys = std::collections::HashSet::with_capacity(writes.len());
        let mut bytes = self.written_bytes;
        for write in writes {
            check_key(&write.key)?;
            if write
                .value
                .as_ref()
                .is_some_and(|value| value.len() > MAX_VALUE_BYTES)
            {
                return Err(StorageError::Invalid(format!(
                    "a value is larger than {MAX_VALUE_BYTES} bytes"
                )));
            }
            if !keys.insert(write.key.as_str()) {
                return Err(StorageError::Invalid(format!(
                    "the key `{}` is written twice",
                    write.key
                )));
            }
            let key = self.full(&write.key);
            bytes += size(&key, write);
            if let Some(replaced) = self.writes.get(&key) {
                bytes -= size(&key, &replaced.write);
            }
        }
        let added = keys
            .iter()
            .filter(|key| !self.writes.contains_key(&self.full(key)))
            .count();
        if self.writes.len() + added > MAX_WRITES {
            return Err(StorageError::Invalid(format!(
                "a call writes more than {MAX_WRITES} keys"
            )));
        }
        if bytes > MAX_WRITTEN_BYTES {
            return Err(StorageError::Invalid(format!(
                "a call writes more than {MAX_WRITTEN_BYTES} bytes"
            )));
        }
        Ok(())
    }
}

/// Checks a key as an integration gives it.
fn check_key(key: &str) -> Result<(), StorageError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(StorageError::Invalid(format!(
            "a key is longer than {MAX_KEY_BYTES} bytes"
        )));
    }
    super::check_key(key)
}

fn size(key: &str, write: &Write) -> usize {
    key.len() + write.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests;
