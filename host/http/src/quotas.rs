//! Quotas of the remote service that are used up, as far as integrations told so.
//!
//! A call that fails leaves nothing behind in storage, so what it learnt of a quota is kept here:
//! in memory, by secret, until the quota resets. Calls that share a secret share the knowledge.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::pacing::PacingKey;

/// How many quotas are remembered. One that finds no room costs one refused request more.
const MAX_REMEMBERED: usize = 10_000;

/// The longest name of a quota, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// Used-up quotas, by secret and name.
pub(super) struct Quotas {
    /// The longest time for which a quota counts as used up, whatever the remote service says: its own period.
    longest: Duration,
    reset_at: Mutex<HashMap<(PacingKey, String), Instant>>,
}

impl Quotas {
    /// Quotas that count as used up for this long at most.
    pub fn new(longest: Duration) -> Self {
        Self {
            longest,
            reset_at: Mutex::default(),
        }
    }

    /// Remembers that a quota is used up. Of two readings the one that ends later holds.
    pub fn mark_used_up(&self, secret: PacingKey, quota: &str, resets_in: Duration) {
        if quota.len() > MAX_NAME_BYTES {
            return;
        }
        let now = Instant::now();
        let reset_at = now + resets_in.min(self.longest);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<(PacingKey, String), Instant>> {
        self.reset_at.lock()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::pacing::Pacer;
    use integration_host_contract::Pacing;

    const HOUR: Duration = Duration::from_secs(3600);

    fn secrets(tokens: &[&str]) -> Vec<PacingKey> {
        let pacer = Pacer::new(Pacing {
            burst: 1,
            requests_per_minute: 1,
            longest_quota_seconds: 0,
        });
        tokens.iter().map(|token| pacer.key([*token])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_stops_its_own_requests_until_it_resets() {
        let quotas = Quotas::new(HOUR);
        let keys = secrets(&["one", "other"]);
        quotas.mark_used_up(keys[0], "user", HOUR);
        quotas.mark_used_up(keys[0], "user", Duration::from_secs(60));
        assert_eq!(quotas.resets_in(keys[0], "user"), Some(HOUR));
        assert_eq!(quotas.resets_in(keys[0], "workspace/43"), None);
        assert_eq!(quotas.resets_in(keys[1], "user"), None);
        tokio::time::sleep(HOUR).await;
        assert_eq!(
            quotas.resets_in(keys[0], "user"),
            None,
            "a quota that has reset must not keep a connection waiting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_integration_can_stop_requests_for_long_or_fill_the_memory() {
        let quotas = Quotas::new(HOUR);
        let key = secrets(&["one"])[0];
        quotas.mark_used_up(key, "user", Duration::MAX);
        assert_eq!(quotas.resets_in(key, "user"), Some(HOUR));
        quotas.mark_used_up(key, &"x".repeat(MAX_NAME_BYTES + 1), HOUR);
        for number in 0..2 * MAX_REMEMBERED {
            quotas.mark_used_up(key, &number.to_string(), Duration::from_secs(1));
        }
        assert_eq!(quotas.lock().len(), MAX_REMEMBERED);
        tokio::time::sleep(Duration::from_secs(2)).await;
        quotas.mark_used_up(key, "late", HOUR);
        assert_eq!(
            quotas.lock().len(),
            2,
            "what has reset makes room for what is used up"
        );
    }
}
