//! Storage in a table of the platform's: the rows are in memory here, and would be in its database.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};

/// The table, which all its handles share. A row is found by its connection and its key.
#[derive(Clone)]
pub struct TableStore {
    clock: Arc<dyn Clock>,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<(ConnectionId, String), Entry>,
    /// A number for each commit, so that no version comes back.
    commits: u64,
}

impl TableStore {
    /// An empty table. The clock tells what has expired.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            table: Arc::default(),
        }
    }

    /// The keys there are, each with the size of its value in bytes. Values are sealed before they arrive.
    pub fn sizes(&self) -> Vec<(String, usize)> {
        let table = self.table();
        let rows = table.rows.iter();
        rows.map(|((_, key), entry)| (key.clone(), entry.value.len()))
            .collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_there(&self, entry: &Entry) -> bool {
        let now = self.clock.now();
        entry.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

#[async_trait]
impl KeyValueStore for TableStore {
    async fn get(&self, of: &ConnectionId, key: &str) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let place = (of.clone(), key.to_owned());
        let found = self.table().rows.get(&place).cloned();
        Ok(found.filter(|entry| self.is_there(entry)))
    }

    async fn list(
        &self,
        of: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded((of.clone(), after.to_owned())),
            _ => Bound::Included((of.clone(), prefix.to_owned())),
        };
        let table = self.table();
        let rows = table.rows.range((from, Bound::Unbounded));
        Ok(rows
            .take_while(|((connection, key), _)| connection == of && key.starts_with(prefix))
            .map(|(_, entry)| entry)
            .filter(|entry| self.is_there(entry))
            .take(limit.min(MAX_LIST))
            .cloned()
            .collect())
    }

    async fn commit(
        &self,
        of: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        // A database does this in one transaction.
        let mut table = self.table();
        table.rows.retain(|_, entry| self.is_there(entry));
        let holds = expected.iter().all(|expectation| {
            let entry = table.rows.get(&(of.clone(), expectation.key.clone()));
            entry.map(|entry| &entry.version) == expectation.version.as_ref()
        });
        if !holds {
            return Ok(Commit::Conflict);
        }
        table.commits += 1;
        let version = Version(table.commits.to_string());
        for write in writes {
            let place = (of.clone(), write.key.clone());
            match &write.value {
                Some(value) => {
                    let entry = Entry {
                        key: write.key.clone(),
                        value: value.clone(),
                        version: version.clone(),
                        expires_at: write.expires_at,
                    };
                    table.rows.insert(place, entry);
                }
                None => {
                    table.rows.remove(&place);
                }
            }
        }
        Ok(Commit::Committed)
    }
}
