//! Key-value: buckets of one connection, lent to a storage provider that is a component.
//!
//! They are kept by any other storage provider, so what is set is as durable as there.

mod host;

use std::sync::Arc;

use wasmtime::component::ResourceTable;

use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, StorageError, Version, Write,
};

/// The one bucket there is.
const BUCKET: &str = "default";

/// Where the bucket's keys are in a connection's keys.
const AREA: &str = "bucket/default/";

/// Keys listed at once. Their values are read as well, and may be large.
const PAGE: usize = 64;

/// How often adding to a number is tried again because others changed it.
const MAX_INCREMENTS: usize = 100;

/// The buckets that one call sees.
pub(crate) struct LentBuckets {
    store: Arc<dyn KeyValueStore>,
    connection: ConnectionId,
    table: ResourceTable,
}

/// An open bucket. There is one only, so nothing need be known of it.
pub struct Bucket(());

/// A key as it was at one moment.
pub struct Seen {
    /// As the store knows it.
    key: String,
    entry: Option<Entry>,
}

impl LentBuckets {
    /// The buckets of a connection, which this store keeps.
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, connection: ConnectionId) -> Self {
        Self {
            store,
            connection,
            table: ResourceTable::new(),
        }
    }

    async fn entry(&mut self, key: &str) -> Result<Option<Entry>, StorageError> {
        self.store.get(&self.connection, &full(key)).await
    }

    /// Sets or deletes a key, whatever it was.
    async fn write(&mut self, key: &str, value: Option<Vec<u8>>) -> Result<(), StorageError> {
        let writes = [write(full(key), value)];
        // Nothing is expected, so there is no conflict.
        self.store.commit(&self.connection, &[], &writes).await?;
        Ok(())
    }

    /// Keys after `cursor`, and whether there may be more.
    async fn keys(&mut self, cursor: Option<&str>) -> Result<(Vec<String>, bool), StorageError> {
        let after = cursor.map(full);
        let page = self
            .store
            .list(&self.connection, AREA, after.as_deref(), PAGE)
            .await?;
        let is_full = page.len() == PAGE;
        let keys = page
            .into_iter()
            .filter_map(|entry| entry.key.strip_prefix(AREA).map(str::to_owned));
        Ok((keys.collect(), is_full))
    }

    /// A key as it is now.
    async fn look(&mut self, key: String) -> Result<Seen, StorageError> {
        let entry = self.store.get(&self.connection, &key).await?;
        Ok(Seen { key, entry })
    }

    /// Sets a value if the key is still as it was seen, and says whether it did.
    async fn swap(&mut self, seen: &Seen, value: Vec<u8>) -> Result<bool, StorageError> {
        let version = seen.entry.as_ref().map(|entry| entry.version.clone());
        self.replace(seen.key.clone(), version, value).await
    }

    async fn replace(
        &mut self,
        key: String,
        version: Option<Version>,
        value: Vec<u8>,
    ) -> Result<bool, StorageError> {
        let expected = [Expectation {
            key: key.clone(),
            version,
        }];
        let writes = [write(key, Some(value))];
        let commit = self
            .store
            .commit(&self.connection, &expected, &writes)
            .await?;
        Ok(commit == Commit::Committed)
    }

    /// Adds to a number, which is kept as decimal digits.
    async fn increment(&mut self, key: &str, delta: i64) -> Result<i64, StorageError> {
        for _ in 0..MAX_INCREMENTS {
            let seen = self.look(full(key)).await?;
            let number = match &seen.entry {
                None => Some(0),
                Some(entry) => str::from_utf8(&entry.value)
                    .ok()
                    .and_then(|text| text.parse::<i64>().ok()),
            };
            let sum = number
                .and_then(|number| number.checked_add(delta))
                .ok_or_else(|| {
                    StorageError::Invalid(
                        "the value is not a number that can be added to".to_owned(),
                    )
                })?;
            if self.swap(&seen, sum.to_string().into_bytes()).await? {
                return Ok(sum);
            }
        }
        Err(StorageError::Unavailable(
            "too many change the same number at once".to_owned(),
        ))
    }
}

fn full(key: &str) -> String {
    format!("{AREA}{key}")
}

fn write(key: String, value: Option<Vec<u8>>) -> Write {
    Write {
        key,
        value,
        expires_at: None,
    }
}
