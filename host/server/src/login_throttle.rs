//! Locking out whoever guesses the admin token, or what stands for it.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::client::Source;
use integration_host_contract::backoff::Backoff;
use integration_host_contract::recent::Recent;

/// How many sources are remembered; the one not seen for longest is forgotten first.
const MOST_SOURCES: usize = 10_000;
/// The longest lock-out, and how long after its end a source is still remembered.
const LONGEST: Duration = Duration::from_secs(3600);

/// How many of a source's guesses are remembered, to know one that comes again.
const MOST_REMEMBERED: usize = 16;

/// Refusals that are logged in a minute. Whoever has many addresses could fill the log with them.
const MOST_LINES: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// Locks out sources of wrong guesses.
pub(super) struct LoginThrottle {
    allowed: u32,
    first_lock_out: Duration,
    records: Recent<Source, Record>,
    hasher: RandomState,
    lines: Mutex<Lines>,
}

struct Record {
    wrong: u32,
    locked_until: Instant,
    /// Digests of what was guessed last, where that counts only once.
    guessed: VecDeque<u64>,
}

/// The lines of this minute.
struct Lines {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl LoginThrottle {
    /// After `allowed` wrong guesses a source is locked out, for `first_lock_out` and then for longer.
    pub(super) fn new(allowed: u32, first_lock_out: Duration) -> Self {
        Self {
            allowed,
            first_lock_out,
            records: Recent::new(MOST_SOURCES),
            hasher: RandomState::new(),
            lines: Mutex::new(Lines {
                since: Instant::now(),
                written: 0,
                left_out: 0,
            }),
        }
    }

    /// How much longer this source is locked out, if it is. What is right does not help meanwhile:
    /// it would tell a guesser which one is right.
    pub(super) fn lock_out(&self, source: Source, now: Instant) -> Option<Duration> {
        let left = (self.records).peek(&source, |record| {
            record.locked_until.saturating_duration_since(now)
        })?;
        (!left.is_zero()).then_some(left)
    }

    /// Counts a wrong guess. `what` it was is for the log.
    pub(super) fn count(&self, source: Source, what: &'static str, now: Instant) {
        self.add(source, what, None, now);
    }

    /// Counts a wrong guess, unless this source has made the same lately.
    pub(super) fn count_once(&self, source: Source, what: &'static str, guess: &str, now: Instant) {
        self.add(source, what, Some(self.hasher.hash_one((what, guess))), now);
    }

    fn add(&self, source: Source, what: &'static str, guess: Option<u64>, now: Instant) {
        let first = || Record {
            wrong: 0,
            locked_until: now,
            guessed: VecDeque::new(),
        };
        let counted = self.records.change_or_insert(source, first, |record| {
            if let Some(guess) = guess {
                if record.guessed.contains(&guess) {
                    return None;
                }
                record.guessed.truncate(MOST_REMEMBERED - 1);
                record.guessed.push_front(guess);
            }
            if now.saturating_duration_since(record.locked_until) > LONGEST {
                record.wrong = 0;
            }
            record.wrong = record.wrong.saturating_add(1);
            let lock_out = record.wrong.checked_sub(self.allowed).map(|further| {
                let lock_outs = Backoff::new(self.first_lock_out, LONGEST);
                lock_outs.delay(further.saturating_add(1))
            });
            record.locked_until = now + lock_out.unwrap_or_default();
            Some((record.wrong, lock_out))
        });
        if let Some((wrong, lock_out)) = counted {
            self.log(source, what, wrong, lock_out, now);
        }
    }

    fn log(
        &self,
        source: Source,
        what: &'static str,
        wrong: u32,
        lock_out: Option<Duration>,
        now: Instant,
    ) {
        let mut lines = self.lines.lock();
        if now.saturating_duration_since(lines.since) >= MINUTE {
            if lines.left_out > 0 {
                tracing::warn!(
                    signature_throttle = lines.left_out,
                    "further sign-ins were refused, of which each would have been a line"
                );
            }
            (lines.since, lines.written, lines.left_out) = (now, 0, 0);
        }
        if lines.written >= MOST_LINES {
            lines.left_out += 1;
            return;
        }
        lines.written += 1;
        drop(lines);
        match lock_out {
            None => tracing::warn!(%source, what, wrong, "a sign-in was refused"),
            Some(time) => tracing::warn!(
                %source,
                what,
                wrong,
                seconds = time.as_secs(),
                "a sign-in was refused, and its source is locked out"
            ),
        }
    }

    /// Forgets what was wrong before the right token came.
    pub(super) fn forgive(&self, source: Source) {
        self.records.remove(&source);
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
        let login_throttle = LoginThrottle::new(3, Duration::from_secs(30));
        let mut now = Instant::now();
        for _ in 0..2 {
            login_throttle.count(source(1), "admin token", now);
            assert_eq!(login_throttle.lock_out(source(1), now), None);
        }
        for seconds in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
            login_throttle.count(source(1), "admin token", now);
            let lock_out = Duration::from_secs(seconds);
            assert_eq!(login_throttle.lock_out(source(1), now), Some(lock_out));
            now += lock_out;
            assert_eq!(login_throttle.lock_out(source(1), now), None);
        }
    }

    #[test]
    fn others_are_not_locked_out_and_nobody_for_ever() {
        let login_throttle = LoginThrottle::new(2, Duration::from_secs(30));
        let mut now = Instant::now();
        login_throttle.count(source(1), "admin token", now);
        login_throttle.count(source(1), "admin token", now);
        assert!(login_throttle.lock_out(source(1), now).is_some());
        assert!(login_throttle.lock_out(source(2), now).is_none());
        now += Duration::from_secs(30) + LONGEST + Duration::from_secs(1);
        login_throttle.count(source(1), "admin token", now);
        assert!(
            login_throttle.lock_out(source(1), now).is_none(),
            "it began anew"
        );
        login_throttle.forgive(source(1));
        login_throttle.count(source(1), "admin token", now);
        assert!(
            login_throttle.lock_out(source(1), now).is_none(),
            "the right one came"
        );
    }

    #[test]
    fn however_many_guess_memory_is_bounded() {
        let login_throttle = LoginThrottle::new(1, Duration::from_secs(30));
        let now = Instant::now();
        for number in 0..30_000_u32 {
            let source = Source::of(std::net::Ipv4Addr::from(number).into());
            login_throttle.count(source, "admin token", now);
        }
        assert_eq!(login_throttle.records.len(), MOST_SOURCES);
    }

    #[test]
    fn what_a_browser_sends_again_and_again_counts_once() {
        let login_throttle = LoginThrottle::new(3, Duration::from_secs(30));
        let now = Instant::now();
        for _ in 0..100 {
            login_throttle.count_once(source(1), "session", "a stale cookie", now);
            login_throttle.count_once(source(1), "session", "that of a colleague", now);
        }
        assert!(
            login_throttle.lock_out(source(1), now).is_none(),
            "a page that was still open locked its reader out"
        );
        login_throttle.count_once(source(1), "session", "a third", now);
        assert!(login_throttle.lock_out(source(1), now).is_some());
        for number in 0..1000 {
            login_throttle.count_once(source(2), "session", &number.to_string(), now);
        }
        let remembered = (login_throttle.records).peek(&source(2), |record| record.guessed.len());
        assert_eq!(remembered, Some(MOST_REMEMBERED));
    }
}
