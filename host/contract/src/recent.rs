//! What is remembered of many things for a time, in bounded memory.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// A map shared by threads that remembers the entries used last, and forgets the one not used for longest when it is full.
///
/// Closures are called while it is locked: they must not use it.
pub struct Recent<K, V>(Mutex<LruCache<K, V>>);

impl<K: Hash + Eq, V> Recent<K, V> {
    /// An empty map of at most so many entries; 0 counts as 1.
    pub fn new(most: usize) -> Self {
        // It takes memory as it grows: few ever become full.
        let mut entries = LruCache::unbounded();
        entries.resize(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN));
        Self(Mutex::new(entries))
    }

    /// The value of a key, which counts as used.
    pub fn get(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.0.lock().get(key).cloned()
    }

    /// Reads the value of a key, which does not count as used.
    pub fn peek<R>(&self, key: &K, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.0.lock().peek(key).map(read)
    }

    /// Remembers a value in the place of any before.
    pub fn put(&self, key: K, value: V) {
        self.0.lock().put(key, value);
    }

    /// Changes the value of a key, if there is one.
    pub fn change<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.0.lock().get_mut(key).map(change)
    }

    /// Changes the value of a key, which is `first` if there is none.
    pub fn change_or_insert<R>(
        &self,
        key: K,
        first: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> R {
        change(self.0.lock().get_or_insert_mut(key, first))
    }

    /// Forgets a key, and returns what was remembered.
    pub fn remove(&self, key: &K) -> Option<V> {
        self.0.lock().pop(key)
    }

    /// Forgets all for which this does not hold.
    pub fn retain(&self, keep: impl Fn(&K, &V) -> bool)
    where
        K: Clone,
    {
        let mut entries = self.0.lock();
        let unwanted = entries.iter().filter(|(key, value)| !keep(key, value));
        let unwanted: Vec<K> = unwanted.map(|(key, _)| key.clone()).collect();
        for key in unwanted {
            entries.pop(&key);
        }
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq> Recent<K, Instant> {
    /// Whether something is to be done for a key that is done once in an interval; then it counts as done now.
    pub fn is_due(&self, key: K, interval: Duration, now: Instant) -> bool {
        let mut done = self.0.lock();
        let is_due =
            (done.peek(&key)).is_none_or(|at| now.saturating_duration_since(*at) >= interval);
        if is_due {
            done.put(key, now);
        }
        is_due
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_not_used_for_longest_is_forgotten() {
        let recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(&"a"), Some(1));
        assert_eq!(
            recent.peek(&"b", |value| *value),
            Some(2),
            "looked at, not used"
        );
        assert_eq!(recent.change_or_insert("c", || 3, |value| *value), 3);
        assert_eq!((recent.len(), recent.get(&"b")), (2, None));
        recent.retain(|_, value| *value > 1);
        assert_eq!((recent.get(&"a"), recent.remove(&"c")), (None, Some(3)));
        assert!(recent.is_empty());
    }

    #[test]
    fn what_is_done_once_in_an_interval_is_done_again_after_it() {
        const INTERVAL: Duration = Duration::from_secs(600);
        let (done, now) = (Recent::new(10), Instant::now());
        assert!(done.is_due("a", INTERVAL, now));
        assert!(!done.is_due("a", INTERVAL, now + INTERVAL / 2));
        assert!(done.is_due("b", INTERVAL, now + INTERVAL / 2));
        assert!(done.is_due("a", INTERVAL, now + INTERVAL));
    }
}
