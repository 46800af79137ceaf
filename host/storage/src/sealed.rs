//! Sealed storage: what stands before every provider, so that none sees a value in clear.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Commit, Entry, Expectation, KeyValueStore, MAX_VALUE_BYTES, StorageError, Write};
use integration_host_contract::id::ConnectionId;
use integration_host_seal::{HeldKeys, SealingKeys};

/// A store whose values are sealed before they reach the provider behind it. Each is bound to its
/// connection and key: put anywhere else, it does not open.
pub struct SealedStore {
    store: Arc<dyn KeyValueStore>,
    keys: Arc<SealingKeys>,
}

impl SealedStore {
    /// Seals what goes to `store`.
    pub fn new(store: Arc<dyn KeyValueStore>, keys: Arc<SealingKeys>) -> Self {
        Self { store, keys }
    }
}

fn open(
    keys: &HeldKeys<'_>,
    connection: &ConnectionId,
    entry: Entry,
) -> Result<Entry, StorageError> {
    let mut value = keys
        .open(&context(connection, &entry.key), &entry.value)
        .map_err(|error| {
            tracing::error!(%connection, key = entry.key, %error, "a stored value cannot be read");
            StorageError::Invalid(format!(
                "the stored value `{}` of the connection {connection} cannot be read: {error}",
                entry.key
            ))
        })?;
    Ok(Entry {
        value: std::mem::take(&mut *value),
        ..entry
    })
}

/// What a stored value is bound to.
pub fn context<'a>(connection: &'a ConnectionId, key: &'a str) -> [&'a str; 3] {
    ["storage", connection.as_str(), key]
}

#[async_trait]
impl KeyValueStore for SealedStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        let keys = self.keys.hold();
        let entry = self.store.get(connection, key).await?;
        entry
            .map(|entry| open(&keys, connection, entry))
            .transpose()
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let keys = self.keys.hold();
        let entries = self.store.list(connection, prefix, after, limit).await?;
        entries
            .into_iter()
            .map(|entry| open(&keys, connection, entry))
            .collect()
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        // Held until the commit is through.
        let keys = self.keys.hold();
        let mut sealed = Vec::with_capacity(writes.len());
        for write in writes {
            if write
                .value
                .as_ref()
                .is_some_and(|value| value.len() > MAX_VALUE_BYTES)
            {
                return Err(StorageError::Invalid(format!(
                    "a value is larger than {MAX_VALUE_BYTES} bytes"
                )));
            }
            let seal = |value: &Vec<u8>| keys.seal(&context(connection, &write.key), value);
            sealed.push(Write {
                value: write.value.as_ref().map(seal),
                ..write.clone()
            });
        }
        self.store.commit(connection, expected, &sealed).await
    }

    async fn scrub(&self) {
        self.store.scrub().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use integration_host_contract::clock::SystemClock;
    use integration_host_seal::SealingKey;

    fn write(key: &str, value: Vec<u8>) -> Write {
        Write {
            key: key.to_owned(),
            value: Some(value),
            expires_at: None,
        }
    }

    #[tokio::test]
    async fn the_provider_never_sees_a_value_and_a_moved_one_is_refused() {
        let inner = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
        let store = SealedStore::new(Arc::clone(&inner) as Arc<dyn KeyValueStore>, keys);
        let (ours, theirs) = (ConnectionId::new("ours"), ConnectionId::new("theirs"));
        store
            .commit(&ours, &[], &[write("token", b"in clear".to_vec())])
            .await
            .unwrap();

        let sealed = inner.get(&ours, "token").await.unwrap().unwrap().value;
        assert!(
            !sealed.windows(8).any(|window| window == b"in clear"),
            "a value is stored in clear"
        );

        inner
            .commit(&ours, &[], &[write("other", sealed.clone())])
            .await
            .unwrap();
        inner
            .commit(&theirs, &[], &[write("token", sealed)])
            .await
            .unwrap();
        for (connection, key) in [(&ours, "other"), (&theirs, "token")] {
            let error = store.get(connection, key).await.unwrap_err();
            assert!(
                matches!(error, StorageError::Invalid(_)),
                "a moved value was opened"
            );
        }
        assert!(matches!(
            store.list(&ours, "", None, 10).await,
            Err(StorageError::Invalid(_))
        ));
    }
}
