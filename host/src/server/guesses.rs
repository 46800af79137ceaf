//! Locking out whoever guesses the admin token.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::client::Source;

/// How many sources are remembered; the one not seen for longest is forgotten first.
const MOST_SOURCES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);
/// The longest lock-out, and how long after its end a source is still remembered.
const LONGEST: Duration = Duration::from_secs(3600);

/// Wrong admin tokens, by where they came from.
pub(super) struct Guesses {
    allowed: u32,
    first_lock_out: Duration,
    records: Mutex<LruCache<Source, Record>>,
}

struct Record {
    wrong: u32,
    locked_until: Instant,
}

impl Guesses {
    /// After `allowed` wrong tokens a source is locked out, for `first_lock_out` and then for longer.
    pub(super) fn new(allowed: u32, first_lock_out: Duration) -> Self {
        Self {
            allowed,
            first_lock_out,
            records: Mutex::new(LruCache::new(MOST_SOURCES)),
        }
    }

    /// How much longer this source is locked out, if it is. The right token does not help meanwhile:
    /// it would tell a guesser which one is right.
    pub(super) fn lock_out(&self, source: Source, now: Instant) -> Option<Duration> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.peek(&source)?;
        let left = record.locked_until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Counts a wrong token.
    pub(super) fn count(&self, source: Source, now: Instant) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.get_or_insert_mut(source, || Record {
            wrong: 0,
            locked_until: now,
        });
        if now.saturating_duration_since(record.locked_until) > LONGEST {
            record.wrong = 0;
        }
        record.wrong = record.wrong.saturating_add(1);
        if let Some(further) = record.wrong.checked_sub(self.allowed) {
            let factor = 2_u32.saturating_pow(further);
            let time = self.first_lock_out.saturating_mul(factor).min(LONGEST);
            record.locked_until = now + time;
            tracing::warn!(
                %source,
                wrong_tokens = record.wrong,
                seconds = time.as_secs(),
                "locked out of the API after wrong admin tokens"
            );
        } else {
            record.locked_until = now;
        }
    }

    /// Forgets what was wrong before the right token came.
    pub(super) fn forgive(&self, source: Source) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.pop(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn each_guess_costs_twice_the_time_of_the_one_before() {
        let guesses = Guesses::new(3, Duration::from_secs(30));
        let mut now = Instant::now();
        for _ in 0..2 {
            guesses.count(source(1), now);
            assert_eq!(guesses.lock_out(source(1), now), None);
        }
        for seconds in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            guesses.count(source(1), now);
            let lock_out = Duration::from_secs(seconds);
            assert_eq!(guesses.lock_out(source(1), now), Some(lock_out));
            now += lock_out;
            assert_eq!(guesses.lock_out(source(1), now), None);
        }
    }

    #[test]
    fn others_are_not_locked_out_and_nobody_for_ever() {
        let guesses = Guesses::new(2, Duration::from_secs(30));
        let mut now = Instant::now();
        guesses.count(source(1), now);
        guesses.count(source(1), now);
        assert!(guesses.lock_out(source(1), now).is_some());
        assert!(guesses.lock_out(source(2), now).is_none());
        now += Duration::from_secs(30) + LONGEST + Duration::from_secs(1);
        guesses.count(source(1), now);
        assert!(guesses.lock_out(source(1), now).is_none(), "it began anew");
        guesses.forgive(source(1));
        guesses.count(source(1), now);
        assert!(
            guesses.lock_out(source(1), now).is_none(),
            "the right one came"
        );
    }

    #[test]
    fn however_many_guess_memory_is_bounded() {
        let guesses = Guesses::new(1, Duration::from_secs(30));
        let now = Instant::now();
        for number in 0..30_000_u32 {
            guesses.count(Source::of(std::net::Ipv4Addr::from(number).into()), now);
        }
        assert_eq!(guesses.records.lock().unwrap().len(), MOST_SOURCES.get());
    }
}
