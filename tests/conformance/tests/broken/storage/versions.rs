//! Versions that come back, or that change by themselves.

use std::collections::HashMap;
use std::sync::Mutex;

use integration_host_storage::Version;

use super::*;

noticed! {
    a_version_is_a_hash_of_the_value: |_| Versions(HashOfTheValue) => the_same_value_again_is_a_new_version,
    a_version_begins_anew_after_a_deletion: |_| Versions(CountsPerKey::default()) => a_version_does_not_come_back_after_a_deletion,
    a_version_begins_anew_after_an_expiry: |_| Versions(CountsWhatIsThere) => a_version_does_not_come_back_after_an_expiry,
    a_version_is_one_for_the_store: |_| Versions(OneForAll::default()) => a_version_stays_until_its_key_is_written,
    an_unknown_version_is_an_error: |_| ParsesVersions => an_unknown_version_is_a_conflict,
    the_version_stays_the_same: |_| Versions(NoVersions) => every_write_makes_a_new_version,
}

/// What a flaw takes for the version of an entry.
pub(super) trait Misversioned: Send + Sync + 'static {
    fn version(&self, entry: &Entry) -> String;

    fn committed(&self, _writes: &[Write]) {}
}

/// Tells other versions than the store has, and takes them back.
pub(super) struct Versions<M>(pub(super) M);

#[async_trait]
impl<M: Misversioned> Flaw for Versions<M> {
    async fn get(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>> {
        let found = store.get(connection, key).await?;
        Ok(found.map(|entry| Entry {
            version: Version(self.0.version(&entry)),
            ..entry
        }))
    }

    async fn list(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let mut entries = store.list(connection, prefix, after, limit).await?;
        for entry in &mut entries {
            entry.version = Version(self.0.version(entry));
        }
        Ok(entries)
    }

    async fn commit(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit> {
        let mut real = Vec::new();
        for expected in expected {
            let found = store.get(connection, &expected.key).await?;
            let told = found.as_ref().map(|entry| Version(self.0.version(entry)));
            if told != expected.version {
                return Ok(Commit::Conflict);
            }
            let version = found.map(|entry| entry.version);
            real.push(Expectation {
                key: expected.key.clone(),
                version,
            });
        }
        let outcome = store.commit(connection, &real, writes).await?;
        if outcome == Commit::Committed {
            self.0.committed(writes);
        }
        Ok(outcome)
    }
}

struct HashOfTheValue;
impl Misversioned for HashOfTheValue {
    fn version(&self, entry: &Entry) -> String {
        let hash = entry
            .value
            .iter()
            .fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(*byte));
        hash.to_string()
    }
}

struct NoVersions;
impl Misversioned for NoVersions {
    fn version(&self, _: &Entry) -> String {
        "1".to_owned()
    }
}

/// Counts the writes of each key, and forgets those of a key that is deleted.
#[derive(Default)]
pub(super) struct CountsPerKey(Mutex<HashMap<String, u64>>);
impl Misversioned for CountsPerKey {
    fn version(&self, entry: &Entry) -> String {
        let counts = self.0.lock().unwrap();
        counts
            .get(&entry.key)
            .copied()
            .unwrap_or_default()
            .to_string()
    }

    fn committed(&self, writes: &[Write]) {
        let mut counts = self.0.lock().unwrap();
        for write in writes {
            match write.value {
                Some(_) => *counts.entry(write.key.clone()).or_default() += 1,
                None => drop(counts.remove(&write.key)),
            }
        }
    }
}

/// An expired entry leaves nothing behind, so the next one looks the same.
struct CountsWhatIsThere;
impl Misversioned for CountsWhatIsThere {
    fn version(&self, entry: &Entry) -> String {
        format!("{}-{}", entry.key, entry.expires_at.is_some())
    }
}

/// One number for everything: whatever is written, all seem to have changed.
#[derive(Default)]
struct OneForAll(Mutex<u64>);
impl Misversioned for OneForAll {
    fn version(&self, _: &Entry) -> String {
        self.0.lock().unwrap().to_string()
    }

    fn committed(&self, writes: &[Write]) {
        *self.0.lock().unwrap() += u64::from(!writes.is_empty());
    }
}

struct ParsesVersions;
flaw! { ParsesVersions {
    commit(self, store, connection, expected, writes) {
        for version in expected
            .iter()
            .filter_map(|expected| expected.version.as_ref())
        {
            let parsed: std::result::Result<u64, _> = version.0.parse();
            parsed.map_err(|_| StorageError::Invalid("this is no version".to_owned()))?;
        }
        store.commit(connection, expected, writes).await
    }
}}
