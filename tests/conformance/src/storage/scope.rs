//! The keys of one connection, for cases to read easily.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
};
use jiff::Timestamp;

/// The keys of one connection.
#[derive(Clone)]
pub(super) struct Scope {
    pub(super) store: Arc<dyn KeyValueStore>,
    pub(super) connection: ConnectionId,
}

impl Scope {
    pub(super) fn new(store: Arc<dyn KeyValueStore>, connection: &str) -> Self {
        Self {
            store,
            connection: ConnectionId::new(connection),
        }
    }

    /// Another connection of the same store.
    pub(super) fn of(&self, connection: &str) -> Self {
        Self::new(Arc::clone(&self.store), connection)
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>> {
        let found = self.store.get(&self.connection, key).await;
        found.with_context(|| format!("getting {}", shown(key)))
    }

    /// The entry with a key that must be there.
    pub(super) async fn entry(&self, key: &str) -> Result<Entry> {
        let found = self.get(key).await?;
        found.with_context(|| format!("the key {} is missing", shown(key)))
    }

    pub(super) async fn value(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get(key).await?.map(|entry| entry.value))
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let listed = self
            .store
            .list(&self.connection, prefix, after, limit)
            .await;
        let listed = listed.with_context(|| format!("listing {}", shown(prefix)))?;
        ensure!(
            listed.len() <= limit,
            "a page of {limit} has {} entries",
            listed.len()
        );
        Ok(listed)
    }

    pub(super) async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let listed = self.list(prefix, after, limit).await?;
        Ok(listed.into_iter().map(|entry| entry.key).collect())
    }

    /// All its keys, on one page.
    pub(super) async fn all(&self) -> Result<Vec<String>> {
        self.keys("", None, MAX_LIST).await
    }

    pub(super) async fn commit(
        &self,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit> {
        let outcome = self.store.commit(&self.connection, expected, writes).await;
        outcome.context("committing")
    }

    /// Writes, whatever is there.
    pub(super) async fn write(&self, writes: &[Write]) -> Result<()> {
        let outcome = self.commit(&[], writes).await?;
        ensure!(
            outcome == Commit::Committed,
            "a commit without expectations was a conflict"
        );
        Ok(())
    }

    /// Expects a refusal.
    pub(super) async fn expect_invalid(
        &self,
        expected: &[Expectation],
        writes: &[Write],
        what: &str,
    ) -> Result<()> {
        let outcome = self.store.commit(&self.connection, expected, writes).await;
        ensure!(
            matches!(outcome, Err(StorageError::Invalid(_))),
            "{what} was answered with {outcome:?}"
        );
        Ok(())
    }
}

pub(super) fn put(key: &str, value: impl AsRef<[u8]>) -> Write {
    Write {
        key: key.to_owned(),
        value: Some(value.as_ref().to_vec()),
        expires_at: None,
    }
}

pub(super) fn put_until(key: &str, value: impl AsRef<[u8]>, expires_at: Timestamp) -> Write {
    Write {
        expires_at: Some(expires_at),
        ..put(key, value)
    }
}

pub(super) fn delete(key: &str) -> Write {
    Write {
        key: key.to_owned(),
        value: None,
        expires_at: None,
    }
}

pub(super) fn absent(key: &str) -> Expectation {
    Expectation {
        key: key.to_owned(),
        version: None,
    }
}

pub(super) fn has(key: &str, version: &Version) -> Expectation {
    Expectation {
        key: key.to_owned(),
        version: Some(version.clone()),
    }
}

pub(super) fn unchanged(entry: &Entry) -> Expectation {
    has(&entry.key, &entry.version)
}

/// A key that need not be shown as a whole.
fn shown(key: &str) -> String {
    let mut start: String = key.chars().take(40).collect();
    if start.len() < key.len() {
        start.push('…');
    }
    format!("{start:?}")
}
