//! How much one connection may store, so that no integration fills the disk that all share.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{KeyValueStore, StorageError, UnitOfWork};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::recent::Recent;

/// How long a connection that was found full stays so without being counted again. Counting reads all of
/// it, which must not be had for the asking.
const FULL_FOR: Duration = Duration::from_secs(30);

/// Connections of which the amount is remembered. What is forgotten is counted again.
const MOST_KNOWN: usize = 10_000;

/// Entries counted at once: values may be large.
const PAGE: usize = 64;

/// The quota of every connection.
pub struct StorageQuota {
    most: Amount,
    known: Recent<ConnectionId, CachedSize>,
}

/// Keys, and bytes in keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    keys: usize,
    bytes: usize,
}

impl Amount {
    fn add(&mut self, key: &str, value_bytes: usize) {
        self.keys += 1;
        self.bytes += key.len() + value_bytes;
    }

    fn with(self, other: Self) -> Self {
        Self {
            keys: self.keys + other.keys,
            bytes: self.bytes + other.bytes,
        }
    }

    fn is_within(self, most: Self) -> bool {
        self.keys <= most.keys && self.bytes <= most.bytes
    }
}

/// What is known of a connection without counting.
#[derive(Clone, Copy)]
enum CachedSize {
    /// It stores this much or less: what is overwritten and deleted is not subtracted until it is
    /// counted again.
    AtMost(Amount),
    /// It is full until then.
    Full(Instant),
}

impl StorageQuota {
    /// At most so many keys, and bytes of keys and values.
    pub fn new(max_keys: usize, max_bytes: usize) -> Self {
        Self {
            most: Amount {
                keys: max_keys,
                bytes: max_bytes,
            },
            known: Recent::new(MOST_KNOWN),
        }
    }

    /// Whether what a call wrote may be committed.
    pub async fn admits(&self, unit: &UnitOfWork) -> Result<bool, StorageError> {
        let mut added = Amount::default();
        for (key, value_bytes) in unit.written() {
            if let Some(value_bytes) = value_bytes {
                added.add(key, value_bytes);
            }
        }
        if added.keys == 0 {
            return Ok(true);
        }
        let connection = unit.connection();
        match self.known.get(connection) {
            Some(CachedSize::Full(until)) if Instant::now() < until => return Ok(false),
            Some(CachedSize::AtMost(amount)) if amount.with(added).is_within(self.most) => {
                self.known
                    .put(connection.clone(), CachedSize::AtMost(amount.with(added)));
                return Ok(true);
            }
            _ => {}
        }
        let total = count_others(unit).await?.with(added);
        let is_within = total.is_within(self.most);
        let known = if is_within {
            CachedSize::AtMost(total)
        } else {
            CachedSize::Full(Instant::now() + FULL_FOR)
        };
        self.known.put(connection.clone(), known);
        Ok(is_within)
    }
}

/// What is stored under keys that the call has not written.
async fn count_others(unit: &UnitOfWork) -> Result<Amount, StorageError> {
    let written: BTreeMap<_, _> = unit.written().collect();
    let store: &dyn KeyValueStore = unit.store();
    let mut amount = Amount::default();
    let mut after: Option<String> = None;
    loop {
        let page = store
            .list(unit.connection(), unit.area(), after.as_deref(), PAGE)
            .await?;
        for entry in &page {
            if !written.contains_key(entry.key.as_str()) {
                amount.add(&entry.key, entry.value.len());
            }
        }
        if page.len() < PAGE {
            return Ok(amount);
        }
        after = page.into_iter().last().map(|entry| entry.key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use crate::{INTEGRATION_AREA, MemoryStore, Write};
    use integration_host_contract::clock::SystemClock;

    async fn put(
        quota: &StorageQuota,
        store: &Arc<MemoryStore>,
        keys: &[(&str, Option<usize>)],
    ) -> bool {
        let clock = Arc::new(SystemClock);
        let store = Arc::clone(store) as Arc<dyn KeyValueStore>;
        let connection = ConnectionId::new("c");
        let mut unit = UnitOfWork::new(store, clock, connection, INTEGRATION_AREA);
        let writes: Vec<_> = keys
            .iter()
            .map(|(key, bytes)| Write {
                key: (*key).to_owned(),
                value: bytes.map(|bytes| vec![0; bytes]),
                expires_at: None,
            })
            .collect();
        unit.commit(&[], &writes).await.unwrap();
        let admitted = quota.admits(&unit).await.unwrap();
        if admitted {
            unit.finish().await.unwrap();
        }
        admitted
    }

    #[tokio::test]
    async fn a_connection_stores_so_much_and_no_more() {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let quota = StorageQuota::new(3, 1_000);
        assert!(put(&quota, &store, &[("a", Some(400)), ("b", Some(400))]).await);
        for _ in 0..10 {
            let overwritten = put(&quota, &store, &[("a", Some(400))]).await;
            assert!(overwritten, "what is overwritten counts twice");
        }
        assert!(
            !put(&quota, &store, &[("c", Some(400))]).await,
            "too many bytes"
        );
        assert!(
            put(&quota, &store, &[("a", None)]).await,
            "nothing can be deleted"
        );

        let later = StorageQuota::new(3, 1_000);
        assert!(put(&later, &store, &[("c", Some(1)), ("d", Some(1))]).await);
        assert!(
            !put(&later, &store, &[("e", Some(1))]).await,
            "too many keys"
        );
    }

    #[test]
    fn however_many_connections_there_are_memory_is_bounded() {
        let quota = StorageQuota::new(3, 1_000);
        for number in 0..=MOST_KNOWN {
            let connection = ConnectionId::new(number.to_string());
            quota
                .known
                .put(connection, CachedSize::AtMost(Amount::default()));
        }
        assert_eq!(quota.known.len(), MOST_KNOWN);
        assert!(quota.known.get(&ConnectionId::new("0")).is_none());
        assert!(quota.known.get(&ConnectionId::new("1")).is_some());
    }
}
