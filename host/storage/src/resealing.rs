//! Sealing stored values again with the current key, beside everything else that goes on.

use std::collections::BTreeSet;

use super::sealed::context;
use super::{Commit, Entry, Expectation, KeyValueStore, StorageError, Write};
use integration_host_contract::id::ConnectionId;
use integration_host_seal::{HeldKeys, SealError, SealingKeys};

/// Entries read and committed at once: values may be large.
const PAGE: usize = 32;

/// What sealing again found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values that were looked at.
    pub seen: u64,
    /// Values that were sealed with an older key.
    pub outdated: u64,
    /// Values that open with no key at hand: they were changed, moved, or their key is gone.
    pub unreadable: u64,
    /// Those of them that were sealed with an older key, which is therefore still needed.
    pub unreadable_outdated: u64,
    /// The ids of keys that are needed and not at hand.
    pub missing_keys: BTreeSet<String>,
}

impl Resealed {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.outdated += other.outdated;
        self.unreadable += other.unreadable;
        self.unreadable_outdated += other.unreadable_outdated;
        self.missing_keys.extend(other.missing_keys);
    }

    /// Looks at one sealed value. The value in clear sealed again, if `reseal` and it is outdated.
    pub fn look_at(
        &mut self,
        keys: &HeldKeys<'_>,
        context: &[&str],
        sealed: &[u8],
        reseal: bool,
    ) -> Option<Vec<u8>> {
        self.seen += 1;
        match keys.open(context, sealed) {
            Ok(plain) if keys.is_outdated(sealed) => {
                self.outdated += 1;
                reseal.then(|| keys.seal(context, &plain))
            }
            Ok(_) => None,
            Err(error) => {
                self.unreadable += 1;
                match error {
                    SealError::UnknownKey { id } => {
                        self.missing_keys.insert(id);
                    }
                    SealError::Tampered if keys.is_outdated(sealed) => {
                        self.unreadable_outdated += 1;
                    }
                    _ => {}
                }
                None
            }
        }
    }
}

/// Goes through everything `store`, a provider without seals, keeps of a connection. With `reseal`,
/// what an older key sealed is sealed with the current one, unless somebody writes it at that moment: who
/// does, uses the current key. `progress` is told how many values were looked at, time and again.
///
/// # Errors
/// The provider does not answer.
pub async fn reseal(
    store: &dyn KeyValueStore,
    keys: &SealingKeys,
    connection: &ConnectionId,
    reseal: bool,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Resealed, StorageError> {
    let mut total = Resealed::default();
    let mut after: Option<String> = None;
    loop {
        let held = keys.hold();
        let page = store.list(connection, "", after.as_deref(), PAGE).await?;
        let last = page.len() < PAGE;
        after = page.last().map(|entry| entry.key.clone());
        let seen = page.len() as u64;
        let mut changes = Vec::new();
        for entry in page {
            let context = context(connection, &entry.key);
            if let Some(sealed) = total.look_at(&held, &context, &entry.value, reseal) {
                changes.push(change(entry, sealed));
            }
        }
        commit(store, connection, changes).await?;
        progress(seen);
        if last {
            return Ok(total);
        }
    }
}

/// An entry with another value and nothing else changed.
fn change(entry: Entry, value: Vec<u8>) -> (Expectation, Write) {
    let write = Write {
        key: entry.key.clone(),
        value: Some(value),
        expires_at: entry.expires_at,
    };
    let expectation = Expectation {
        key: entry.key,
        version: Some(entry.version),
    };
    (expectation, write)
}

async fn commit(
    store: &dyn KeyValueStore,
    connection: &ConnectionId,
    changes: Vec<(Expectation, Write)>,
) -> Result<(), StorageError> {
    if changes.is_empty() {
        return Ok(());
    }
    let (expected, writes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    if store.commit(connection, &expected, &writes).await? == Commit::Committed {
        return Ok(());
    }
    // One of them was written meanwhile; the others need not wait for that.
    for (expectation, write) in expected.into_iter().zip(writes) {
        store.commit(connection, &[expectation], &[write]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::{MemoryStore, SealedStore};
    use integration_host_contract::clock::SystemClock;
    use integration_host_seal::{KeyRing, KeySource, SealingKey};

    fn write(key: &str, expires_at: Option<Timestamp>) -> Write {
        Write {
            key: key.to_owned(),
            value: Some(key.as_bytes().to_vec()),
            expires_at,
        }
    }

    #[tokio::test]
    async fn everything_is_sealed_again_and_nothing_else_changes() {
        let raw = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let (old, new) = (SealingKey::generate(), SealingKey::generate());
        let connection = ConnectionId::new("c");
        let store = |ring: KeyRing| {
            let keys = Arc::new(SealingKeys::from_ring(ring, KeySource::Given));
            (
                SealedStore::new(
                    Arc::clone(&raw) as Arc<dyn KeyValueStore>,
                    Arc::clone(&keys),
                ),
                keys,
            )
        };
        let (before, _) = store(KeyRing::new(old.clone()));
        let expires_at = Some(Timestamp::from_second(4_000_000_000).unwrap());
        let writes: Vec<_> = (0..100)
            .map(|number| write(&format!("key/{number}"), expires_at.filter(|_| number == 7)))
            .collect();
        before.commit(&connection, &[], &writes).await.unwrap();
        raw.commit(&connection, &[], &[write("damaged", None)])
            .await
            .unwrap();

        let (_, keys) = store(KeyRing::new(new.clone()).with_older(old));
        let mut seen = 0;
        let outcome = reseal(&*raw, &keys, &connection, true, |more| seen += more)
            .await
            .unwrap();
        assert_eq!((outcome.seen, seen), (101, 101));
        assert_eq!((outcome.outdated, outcome.unreadable), (100, 1));
        let again = reseal(&*raw, &keys, &connection, true, |_| {})
            .await
            .unwrap();
        assert_eq!((again.outdated, again.unreadable), (0, 1));

        let (after, _) = store(KeyRing::new(new));
        for Write {
            key,
            value,
            expires_at,
        } in &writes
        {
            let entry = after.get(&connection, key).await.unwrap().unwrap();
            assert_eq!(Some(&entry.value), value.as_ref());
            assert_eq!(
                &entry.expires_at, expires_at,
                "{key} expires at another time"
            );
        }
    }

    #[tokio::test]
    async fn a_value_written_meanwhile_stays_and_does_not_hold_up_the_others() {
        let raw = MemoryStore::new(Arc::new(SystemClock));
        let connection = ConnectionId::new("c");
        let writes = [write("a", None), write("b", None)];
        raw.commit(&connection, &[], &writes).await.unwrap();
        let mut changes = Vec::new();
        for entry in raw.list(&connection, "", None, 10).await.unwrap() {
            changes.push(change(entry, b"resealed".to_vec()));
        }
        let newer = Write {
            value: Some(b"newer".to_vec()),
            ..write("a", None)
        };
        raw.commit(&connection, &[], &[newer]).await.unwrap();
        commit(&raw, &connection, changes).await.unwrap();
        let value = async |key| raw.get(&connection, key).await.unwrap().unwrap().value;
        assert_eq!(value("a").await, b"newer", "a concurrent write was lost");
        assert_eq!(value("b").await, b"resealed");
    }
}
