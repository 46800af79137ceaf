//! The secrets a person gave, kept beside what the integration keeps and out of its reach.

use std::sync::Arc;

use super::sealed::SealedStore;
use super::{Commit, INTEGRATION_AREA, KeyValueStore, StorageError, Write};
use integration_host_contract::id::ConnectionId;
use integration_host_seal::secret::{Secret, Secrets};
use integration_host_seal::{SealingKeys, key_id_of};

/// Where secrets are in a connection's keys.
pub const SECRET_AREA: &str = "secret/";

/// Entries read at once: values may be large.
const PAGE: usize = 64;

/// Keeps the secrets of connections.
pub struct SecretStore {
    /// As the provider keeps it: erasing must not fail on a value that does not open.
    raw: Arc<dyn KeyValueStore>,
    sealed: SealedStore,
    keys: Arc<SealingKeys>,
}

impl SecretStore {
    /// Keeps secrets in `store`, sealed with `keys`.
    pub fn new(store: Arc<dyn KeyValueStore>, keys: Arc<SealingKeys>) -> Self {
        Self {
            sealed: SealedStore::new(Arc::clone(&store), Arc::clone(&keys)),
            raw: store,
            keys,
        }
    }

    /// Replaces all secrets of a connection.
    pub async fn put(
        &self,
        connection: &ConnectionId,
        secrets: &Secrets,
    ) -> Result<(), StorageError> {
        let mut writes: Vec<Write> = secrets
            .iter()
            .map(|(name, secret)| Write {
                key: format!("{SECRET_AREA}{name}"),
                value: Some(secret.expose().as_bytes().to_vec()),
                expires_at: None,
            })
            .collect();
        for key in self.names(connection, SECRET_AREA).await? {
            if !writes.iter().any(|write| write.key == key) {
                writes.push(Write {
                    key,
                    value: None,
                    expires_at: None,
                });
            }
        }
        let outcome = self.sealed.commit(connection, &[], &writes).await;
        for write in &mut writes {
            zeroize::Zeroize::zeroize(&mut write.value);
        }
        committed(outcome?)
    }

    /// The secrets of a connection; none if it has none.
    pub async fn get(&self, connection: &ConnectionId) -> Result<Secrets, StorageError> {
        let mut secrets = Secrets::new();
        for key in self.names(connection, SECRET_AREA).await? {
            let Some(entry) = self.sealed.get(connection, &key).await? else {
                continue;
            };
            let value = String::from_utf8(entry.value).map_err(|error| {
                zeroize::Zeroize::zeroize(&mut error.into_bytes());
                StorageError::Invalid(format!("the stored secret `{key}` is not text"))
            })?;
            let name = key.strip_prefix(SECRET_AREA).unwrap_or(&key);
            secrets.insert(name.to_owned(), Secret::new(value));
        }
        Ok(secrets)
    }

    /// Whether storage has any secret of a connection.
    pub async fn has_any(&self, connection: &ConnectionId) -> Result<bool, StorageError> {
        let first = self.raw.list(connection, SECRET_AREA, None, 1).await?;
        Ok(!first.is_empty())
    }

    /// The names of the secrets that storage has of a connection.
    pub async fn held(&self, connection: &ConnectionId) -> Result<Vec<String>, StorageError> {
        let keys = self.names(connection, SECRET_AREA).await?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(SECRET_AREA));
        Ok(names.map(str::to_owned).collect())
    }

    /// The id of a key that a connection's secrets were sealed with and that is not at hand, if there is
    /// such a key.
    pub async fn missing_key(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<String>, StorageError> {
        for key in self.names(connection, SECRET_AREA).await? {
            if let Some(entry) = self.raw.get(connection, &key).await?
                && !self.keys.has_key_of(&entry.value)
            {
                return Ok(key_id_of(&entry.value));
            }
        }
        Ok(None)
    }

    /// Removes everything that storage holds of a connection: its secrets and what the integration kept.
    pub async fn erase_everything(&self, connection: &ConnectionId) -> Result<(), StorageError> {
        loop {
            let keys = self.page(connection, "", None).await?;
            if keys.is_empty() {
                return Ok(());
            }
            let writes: Vec<Write> = keys
                .into_iter()
                .map(|key| Write {
                    key,
                    value: None,
                    expires_at: None,
                })
                .collect();
            committed(self.raw.commit(connection, &[], &writes).await?)?;
        }
    }

    /// Removes what the integration kept of a connection. Its secrets stay.
    pub async fn erase_state(&self, connection: &ConnectionId) -> Result<(), StorageError> {
        let keys = self.names(connection, INTEGRATION_AREA).await?;
        for keys in keys.chunks(PAGE) {
            let writes: Vec<Write> = keys
                .iter()
                .map(|key| Write {
                    key: key.clone(),
                    value: None,
                    expires_at: None,
                })
                .collect();
            committed(self.raw.commit(connection, &[], &writes).await?)?;
        }
        Ok(())
    }

    async fn names(
        &self,
        connection: &ConnectionId,
        prefix: &str,
    ) -> Result<Vec<String>, StorageError> {
        let mut keys: Vec<String> = Vec::new();
        loop {
            let page = self
                .page(connection, prefix, keys.last().map(String::as_str))
                .await?;
            let last = page.len() < PAGE;
            keys.extend(page);
            if last {
                return Ok(keys);
            }
        }
    }

    async fn page(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, StorageError> {
        let entries = self.raw.list(connection, prefix, after, PAGE).await?;
        Ok(entries.into_iter().map(|entry| entry.key).collect())
    }
}

/// A commit that expects nothing cannot conflict; a provider that says so is broken.
fn committed(outcome: Commit) -> Result<(), StorageError> {
    match outcome {
        Commit::Committed => Ok(()),
        Commit::Conflict => Err(StorageError::Unavailable(
            "it reports a conflict where nothing was expected".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use integration_host_contract::clock::SystemClock;
    use integration_host_seal::SealingKey;

    fn secrets(values: &[(&str, &str)]) -> Secrets {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect()
    }

    fn shown(secrets: &Secrets) -> Vec<(&str, &str)> {
        secrets
            .iter()
            .map(|(name, secret)| (name.as_str(), secret.expose()))
            .collect()
    }

    #[tokio::test]
    async fn secrets_are_replaced_as_a_whole_and_erased_with_everything_else() {
        let raw = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let keys = Arc::new(SealingKeys::new(SealingKey::generate()));
        let store = SecretStore::new(Arc::clone(&raw) as Arc<dyn KeyValueStore>, keys);
        let (ours, theirs) = (ConnectionId::new("ours"), ConnectionId::new("theirs"));

        store
            .put(&ours, &secrets(&[("api-token", "one"), ("extra", "two")]))
            .await
            .unwrap();
        store
            .put(&theirs, &secrets(&[("api-token", "theirs")]))
            .await
            .unwrap();
        store
            .put(&ours, &secrets(&[("api-token", "three")]))
            .await
            .unwrap();
        assert_eq!(
            shown(&store.get(&ours).await.unwrap()),
            [("api-token", "three")]
        );

        // More than a page, and values that do not open.
        let writes: Vec<Write> = (0..200)
            .map(|number| Write {
                key: format!("integration/{number}"),
                value: Some(vec![0]),
                expires_at: None,
            })
            .collect();
        raw.commit(&ours, &[], &writes).await.unwrap();
        store.erase_everything(&ours).await.unwrap();
        assert!(
            raw.list(&ours, "", None, 10).await.unwrap().is_empty(),
            "something survived a disconnect"
        );
        assert_eq!(
            shown(&store.get(&theirs).await.unwrap()),
            [("api-token", "theirs")]
        );
    }
}
