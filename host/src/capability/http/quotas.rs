//! Quotas of the remote service that are used up, as far as integrations told so.
//!
//! A call that fails leaves nothing behind in storage, so what it learnt of a quota is kept here:
//! in memory, by secret, until the quota resets. Calls that share a secret share the knowledge.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pacing::PacingKey;

/// How many quotas are remembered. One that finds no room costs one refused request more.
const MAX_REMEMBERED: usize = 10_000;

/// The longest name of a quota, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// The longest time for which an integration can stop requests.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Used-up quotas, by secret and name.
#[derive(Default)]
pub(super) struct Quotas {
    reset_at: Mutex<HashMap<(PacingKey, String), Instant>>,
}

impl Quotas {
    /// Remembers that a quota is used up. Of two readings the one that ends later holds.
    pub fn mark_used_up(&self, secret: PacingKey, quota: &str, resets_in: Duration) {
        if quota.len() > MAX_NAME_BYTES {
            return;
        }
        let now = Instant::now();
        let reset_at = now + resets_in.min(MAX_PAUSE);
        let mut quotas = self.lock();
        if quotas.len() >= MAX_REMEMBERED {
            quotas.retain(|_, reset_at| *reset_at > now);
        }
        let key = (secret, quota.to_owned());
        if quotas.len() < MAX_REMEMBERED || quotas.contains_key(&key) {
            let remembered = quotas.entry(key).or_insert(reset_at);
            *remembered = reset_at.max(*remembered);
        }
    }

    /// How long a quota stays used up; `None`: it is not known to be.
    pub fn resets_in(&self, secret: PacingKey, quota: &str) -> Option<Duration> {
        let key = (secret, quota.to_owned());
        let left = self
            .lock()
            .get(&key)?
            .saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// What the lock protects is consistent at every moment, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, HashMap<(PacingKey, String), Instant>> {
        self.reset_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::capability::http::pacing::Pacer;
    use crate::contract::Pacing;

    fn secrets(tokens: &[&str]) -> Vec<PacingKey> {
        let pacer = Pacer::new(Pacing {
            burst: 1,
            requests_per_minute: 1,
        });
        tokens.iter().map(|token| pacer.key([*token])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_stops_its_own_requests_until_it_resets() {
        let quotas = Quotas::default();
        let keys = secrets(&["one", "other"]);
        let hour = Duration::from_secs(3600);
        quotas.mark_used_up(keys[0], "user", hour);
        quotas.mark_used_up(keys[0], "user", Duration::from_secs(60));
        assert_eq!(quotas.resets_in(keys[0], "user"), Some(hour));
        assert_eq!(quotas.resets_in(keys[0], "workspace/43"), None);
        assert_eq!(quotas.resets_in(keys[1], "user"), None);
        tokio::time::sleep(hour).await;
        assert_eq!(
            quotas.resets_in(keys[0], "user"),
            None,
            "a quota that has reset must not keep a connection waiting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_integration_can_stop_requests_for_long_or_fill_the_memory() {
        let quotas = Quotas::default();
        let key = secrets(&["one"])[0];
        quotas.mark_used_up(key, "user", Duration::MAX);
        assert_eq!(quotas.resets_in(key, "user"), Some(MAX_PAUSE));
        quotas.mark_used_up(key, &"x".repeat(MAX_NAME_BYTES + 1), MAX_PAUSE);
        for number in 0..2 * MAX_REMEMBERED {
            quotas.mark_used_up(key, &number.to_string(), Duration::from_secs(1));
        }
        assert_eq!(quotas.lock().len(), MAX_REMEMBERED);
        tokio::time::sleep(Duration::from_secs(2)).await;
        quotas.mark_used_up(key, "late", MAX_PAUSE);
        assert_eq!(
            quotas.lock().len(),
            2,
            "what has reset makes room for what is used up"
        );
    }
}
