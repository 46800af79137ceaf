//! Entries that expire at the wrong time, or for some calls only.

use integration_host_contract::clock::ManualClock;
use jiff::Timestamp;

use super::*;

noticed! {
    nothing_expires: |_| ForgetsExpiry => an_expired_key_is_not_read,
    expired_keys_are_listed: ReadsOnly::new => an_expired_key_is_not_listed,
    expired_keys_count_for_expectations: ListsAndReads::new => an_expired_key_is_absent_for_expectations,
    expired_entries_end_a_page: FiltersPages::new => expired_entries_do_not_shorten_a_page,
    an_old_expiry_stays: |_| KeepsTheOldExpiry => a_write_replaces_everything_a_key_had,
    an_expiry_is_cut_to_seconds: |_| WholeSeconds => keys_expire_to_the_millisecond,
    an_expiry_is_told_in_seconds: |_| WholeSeconds => an_expiry_is_told_as_it_was_given,
    an_expiry_in_the_past_is_none: IgnoresThePast => any_time_may_be_an_expiry,
}

/// Writes with other expiries.
async fn commit_with(
    store: &MemoryStore,
    connection: &ConnectionId,
    expected: &[Expectation],
    writes: &[Write],
    expiry: impl Fn(Timestamp) -> Option<Timestamp> + Send,
) -> Result<Commit> {
    let changed: Vec<_> = writes
        .iter()
        .map(|write| Write {
            expires_at: write.expires_at.and_then(&expiry),
            ..write.clone()
        })
        .collect();
    store.commit(connection, expected, &changed).await
}

struct ForgetsExpiry;
flaw! { ForgetsExpiry {
    commit(self, store, connection, expected, writes) {
        commit_with(store, connection, expected, writes, |_| None).await
    }
}}

struct WholeSeconds;
flaw! { WholeSeconds {
    commit(self, store, connection, expected, writes) {
        let cut = |at: Timestamp| Timestamp::from_second(at.as_second()).ok();
        commit_with(store, connection, expected, writes, cut).await
    }
}}

struct IgnoresThePast(Arc<dyn Clock>);
flaw! { IgnoresThePast {
    commit(self, store, connection, expected, writes) {
        let now = self.0.now();
        commit_with(store, connection, expected, writes, |at| {
            (at > now).then_some(at)
        })
        .await
    }
}}

struct KeepsTheOldExpiry;
flaw! { KeepsTheOldExpiry {
    commit(self, store, connection, expected, writes) {
        let mut changed = writes.to_vec();
        for write in &mut changed {
            if let Ok(Some(entry)) = store.get(connection, &write.key).await {
                write.expires_at = write.expires_at.or(entry.expires_at);
            }
        }
        store.commit(connection, expected, &changed).await
    }
}}

/// A store for which time stands still, and the clock that it should go by.
struct Still {
    store: MemoryStore,
    clock: Arc<dyn Clock>,
}

impl Still {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let long_ago = Arc::new(ManualClock::new(Timestamp::MIN));
        Self {
            store: MemoryStore::new(long_ago),
            clock,
        }
    }

    fn is_present(&self, entry: &Entry) -> bool {
        entry.expires_at.is_none_or(|at| self.clock.now() < at)
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let mut entries = self.store.list(connection, prefix, after, limit).await?;
        entries.retain(|entry| self.is_present(entry));
        Ok(entries)
    }

    async fn get(&self, connection: &ConnectionId, key: &str) -> Result<Option<Entry>> {
        let found = self.store.get(connection, key).await?;
        Ok(found.filter(|entry| self.is_present(entry)))
    }
}

macro_rules! still {
    ($($name:ident)*) => {$(
        struct $name(Still);
        impl $name {
            fn new(clock: Arc<dyn Clock>) -> Self {
                Self(Still::new(clock))
            }
        }
    )*};
}
still!(ReadsOnly ListsAndReads FiltersPages);

flaw! { ReadsOnly {
    get(self, _, connection, key) {
        self.0.get(connection, key).await
    }

    list(self, _, connection, prefix, after, limit) {
        self.0.store.list(connection, prefix, after, limit).await
    }

    commit(self, _, connection, expected, writes) {
        self.0.store.commit(connection, expected, writes).await
    }
}}

flaw! { ListsAndReads {
    get(self, _, connection, key) {
        self.0.get(connection, key).await
    }

    list(self, _, connection, prefix, after, limit) {
        let mut entries = self.0.list(connection, prefix, after, usize::MAX).await?;
        entries.truncate(limit);
        Ok(entries)
    }

    commit(self, _, connection, expected, writes) {
        self.0.store.commit(connection, expected, writes).await
    }
}}

// Removes what is expired when it commits, but only after a page was filled with it.
flaw! { FiltersPages {
    get(self, _, connection, key) {
        self.0.get(connection, key).await
    }

    list(self, _, connection, prefix, after, limit) {
        self.0.list(connection, prefix, after, limit).await
    }

    commit(self, _, connection, expected, writes) {
        let all = self.0.store.list(connection, "", None, usize::MAX).await?;
        let expired = all.iter().filter(|entry| !self.0.is_present(entry));
        let gone: Vec<_> = expired
            .map(|entry| Write {
                key: entry.key.clone(),
                value: None,
                expires_at: None,
            })
            .collect();
        self.0.store.commit(connection, &[], &gone).await?;
        self.0.store.commit(connection, expected, writes).await
    }
}}
