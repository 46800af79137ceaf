//! How often a source may have deliveries refused before they are no longer looked at, where only the integration can
//! tell whether they are genuine.
//!
//! Looking at a delivery means running the integration then, which a forger could make the host do all day. Once
//! a delivery of a source was refused, the source has a bucket of tokens for that hook: each delivery takes
//! one, and brings it back if it turns out to be genuine. A source that was never refused has no bucket,
//! so that genuine deliveries are not limited, however many arrive at once.

use std::time::Duration;

use tokio::time::Instant;

use super::client::Source;
use integration_host_contract::id::HookId;
use integration_host_contract::recent::Recent;

/// How many buckets are kept; the one not used for longest goes first.
const MOST_BUCKETS: usize = 10_000;

/// Limits refused deliveries, by hook and source.
pub(super) struct SignatureThrottle {
    per_second: f64,
    buckets: Recent<(HookId, Source), Bucket>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// A delivery that was let through and is looked at.
#[must_use = "it must be settled when the answer is known"]
pub(super) struct AdmittedDelivery {
    key: (HookId, Source),
    took_token: bool,
}

impl SignatureThrottle {
    /// A source may have so many refused per second, and as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            buckets: Recent::new(MOST_BUCKETS),
        }
    }

    /// Whether a delivery is looked at; `None`: too many before it were refused.
    pub(super) fn attempt(
        &self,
        hook: HookId,
        source: Source,
        now: Instant,
    ) -> Option<AdmittedDelivery> {
        let key = (hook, source);
        let taken = self.buckets.change(&key, |bucket| {
            let passed = now.saturating_duration_since(bucket.filled);
            bucket.fill(passed, self.per_second);
            bucket.filled = now;
            bucket.take(self.per_second)
        });
        let took_token = taken.unwrap_or(Some(false))?;
        Some(AdmittedDelivery { key, took_token })
    }

    /// Says what became of a delivery. One that is never settled, because it did not arrive whole, counts as
    /// refused if others were.
    pub(super) fn settle(&self, attempt: AdmittedDelivery, was_refused: bool, now: Instant) {
        match (was_refused, attempt.took_token) {
            (true, false) => {
                let first = || Bucket {
                    tokens: self.per_second,
                    filled: now,
                };
                (self.buckets).change_or_insert(attempt.key, first, |bucket| {
                    bucket.tokens = (bucket.tokens - 1.0).max(0.0);
                });
            }
            (false, true) => {
                self.buckets.change(&attempt.key, |bucket| {
                    bucket.tokens = (bucket.tokens + 1.0).min(self.per_second);
                });
            }
            (true, true) | (false, false) => {}
        }
    }
}

impl Bucket {
    fn fill(&mut self, passed: Duration, per_second: f64) {
        self.tokens = (self.tokens + passed.as_secs_f64() * per_second).min(per_second);
    }

    /// Whether a delivery takes a token: not if all are there again, as the source is then like any other. `None`: it would
    /// need one, and there is none.
    fn take(&mut self, per_second: f64) -> Option<bool> {
        if self.tokens >= per_second {
            return Some(false);
        }
        if self.tokens < 1.0 {
            return None;
        }
        self.tokens -= 1.0;
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    fn hook(name: &str) -> HookId {
        HookId::new(name)
    }

    /// How many of so many forged deliveries are looked at.
    fn forge(
        signature_throttle: &SignatureThrottle,
        source: Source,
        number: usize,
        now: Instant,
    ) -> usize {
        let looked_at =
            (0..number).filter_map(|_| signature_throttle.attempt(hook("a"), source, now));
        looked_at
            .map(|attempt| signature_throttle.settle(attempt, true, now))
            .count()
    }

    #[test]
    fn a_flood_is_cut_down_to_the_rate() {
        let signature_throttle = SignatureThrottle::new(100);
        let mut now = Instant::now();
        assert_eq!(forge(&signature_throttle, source(1), 5000, now), 100);
        for _ in 0..10 {
            now += Duration::from_millis(500);
            assert_eq!(forge(&signature_throttle, source(1), 5000, now), 50);
        }
    }

    #[test]
    fn a_flood_costs_other_sources_and_other_hooks_nothing() {
        let signature_throttle = SignatureThrottle::new(100);
        let now = Instant::now();
        forge(&signature_throttle, source(1), 5000, now);
        for _ in 0..1000 {
            let genuine = signature_throttle
                .attempt(hook("a"), source(2), now)
                .unwrap();
            signature_throttle.settle(genuine, false, now);
            let other = signature_throttle
                .attempt(hook("b"), source(1), now)
                .unwrap();
            signature_throttle.settle(other, false, now);
        }
    }

    #[test]
    fn genuine_deliveries_are_not_limited_even_when_all_are_under_way_at_once() {
        let signature_throttle = SignatureThrottle::new(10);
        let now = Instant::now();
        let under_way: Vec<_> = (0..1000)
            .map(|_| {
                signature_throttle
                    .attempt(hook("a"), source(1), now)
                    .unwrap()
            })
            .collect();
        for attempt in under_way {
            signature_throttle.settle(attempt, false, now);
        }
    }

    #[test]
    fn where_a_forger_shares_the_address_genuine_deliveries_get_their_tokens_back() {
        let signature_throttle = SignatureThrottle::new(10);
        let now = Instant::now();
        assert_eq!(forge(&signature_throttle, source(1), 5, now), 5);
        for _ in 0..1000 {
            let genuine = signature_throttle
                .attempt(hook("a"), source(1), now)
                .unwrap();
            signature_throttle.settle(genuine, false, now);
        }
    }

    #[test]
    fn what_never_arrives_counts_as_refused() {
        let signature_throttle = SignatureThrottle::new(10);
        let now = Instant::now();
        assert_eq!(forge(&signature_throttle, source(1), 1, now), 1);
        let dropped = (0..100).filter(|_| {
            signature_throttle
                .attempt(hook("a"), source(1), now)
                .is_some()
        });
        assert_eq!(dropped.count(), 9);
    }

    #[test]
    fn whatever_hooks_are_made_up_memory_is_bounded() {
        let signature_throttle = SignatureThrottle::new(10);
        let now = Instant::now();
        for number in 0..30_000 {
            let made_up = hook(&format!("{number:032x}"));
            let attempt = signature_throttle.attempt(made_up, source(1), now).unwrap();
            signature_throttle.settle(attempt, true, now);
        }
        assert_eq!(signature_throttle.buckets.len(), MOST_BUCKETS);
    }
}
