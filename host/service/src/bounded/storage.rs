//! A storage provider within its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::warn;

use integration_host_contract::deadline::{GRACE, within};
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{Commit, Entry, Expectation, KeyValueStore, StorageError, Write};

/// A storage provider each of whose calls ends.
pub(crate) struct BoundedStore {
    store: Arc<dyn KeyValueStore>,
    time: Duration,
}

impl BoundedStore {
    /// Bounds a provider that is to answer within `time`.
    pub(crate) fn new(store: Arc<dyn KeyValueStore>, time: Duration) -> Self {
        let time = time.saturating_add(GRACE);
        Self { store, time }
    }
}

#[async_trait]
impl KeyValueStore for BoundedStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        within(self.time, self.store.get(connection, key)).await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let list = self.store.list(connection, prefix, after, limit);
        within(self.time, list).await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        let commit = self.store.commit(connection, expected, writes);
        within(self.time, commit).await
    }

    async fn scrub(&self) {
        let scrub = async {
            self.store.scrub().await;
            Ok::<_, StorageError>(())
        };
        if let Err(error) = within(self.time, scrub).await {
            warn!(%error, "former values may still be in the storage's files");
        }
    }
}
