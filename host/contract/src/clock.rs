//! Time, as something that is lent: tests set it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tracing::warn;

/// How far clocks may be apart without one of them being wrong.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// For how long a clock that has leapt must go on from there before it is believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(3 * 60);

/// Whether a time of something that has happened lies ahead: then the clock was ahead when it was noted, or is behind
/// now. Such a time is not gone by, or what it puts off would not be done before it has come.
pub fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.duration_since(now) > APART
}

/// How long this machine has been running, the time that it slept included where the system tells. It is no time of
/// day, and nobody sets it.
pub fn since_boot() -> Duration {
    #[cfg(unix)]
    {
        use rustix::time::{ClockId, clock_gettime};
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: ClockId = ClockId::Boottime;
        // Elsewhere this one counts sleep, or nothing does.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: ClockId = ClockId::Monotonic;
        Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default()
    }
    #[cfg(not(unix))]
    {
        static BEGAN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGAN.elapsed()
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The system's clock without its leaps. When that is set to another time, this one goes on from where it was, and
/// follows only after some minutes in which nobody has set it back.
#[derive(Debug, Default)]
pub struct SteadyClock(Mutex<Steady>);

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.0.lock().now(SystemClock.now(), since_boot())
    }
}

#[derive(Debug, Default)]
struct Steady {
    /// The time that was told last, and how long the machine had been running.
    told: Option<(Timestamp, Duration)>,
    leap: Option<Leap>,
}

/// The system's clock is so far from where it should be, since then.
#[derive(Clone, Copy, Debug)]
struct Leap {
    by: SignedDuration,
    since: Duration,
}

impl Steady {
    fn now(&mut self, system: Timestamp, running: Duration) -> Timestamp {
        let Some((told, at)) = self.told else {
            return self.follow(system, running);
        };
        let expected = told
            .checked_add(running.saturating_sub(at))
            .unwrap_or(system);
        let by = system.duration_since(expected);
        if by.abs() <= APART {
            return self.follow(system, running);
        }
        match self.leap {
            Some(leap) if (by - leap.by).abs() <= APART => {
                if running.saturating_sub(leap.since) >= BELIEVED_AFTER {
                    warn!(
                        seconds = by.as_secs(),
                        "the system's clock has leapt and stayed there; it is believed now"
                    );
                    return self.follow(system, running);
                }
            }
            _ => {
                warn!(
                    seconds = by.as_secs(),
                    "the system's clock has leapt; it is followed once it has stayed there for some minutes"
                );
                self.leap = Some(Leap { by, since: running });
            }
        }
        self.told = Some((expected, running));
        expected
    }

    fn follow(&mut self, system: Timestamp, running: Duration) -> Timestamp {
        *self = Self {
            told: Some((system, running)),
            leap: None,
        };
        system
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock. It stops at the ends of time.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock();
        let end = if by.is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        *now = now.checked_add(by).unwrap_or(end);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_440_000 + second).unwrap()
    }

    fn running(second: i64) -> Duration {
        Duration::from_secs(10_000 + second.unsigned_abs())
    }

    #[test]
    fn a_leap_that_is_taken_back_is_never_told() {
        for leap in [30 * 24 * HOUR, -30 * 24 * HOUR] {
            let mut clock = Steady::default();
            assert_eq!(clock.now(at(0), running(0)), at(0));
            for second in 1..=10 {
                let told = clock.now(at(second + leap), running(second));
                assert_eq!(
                    told,
                    at(second),
                    "what is noted now would be believed later"
                );
            }
            assert_eq!(clock.now(at(11), running(11)), at(11));
        }
    }

    #[test]
    fn a_clock_that_was_set_right_is_followed_after_a_while() {
        let mut clock = Steady::default();
        clock.now(at(0), running(0));
        let told: Vec<_> = (1..=10)
            .map(|minute| clock.now(at(60 * minute + HOUR), running(60 * minute)))
            .collect();
        assert_eq!(told[0], at(60));
        assert_eq!(told[9], at(600 + HOUR), "the time is wrong for ever");
        // One that runs fast is followed step by step.
        let mut clock = Steady::default();
        for minute in 0..100 {
            let told = clock.now(at(61 * minute), running(60 * minute));
            assert_eq!(told, at(61 * minute));
        }
    }

    #[test]
    fn time_that_the_machine_slept_is_no_leap() {
        let mut clock = Steady::default();
        clock.now(at(0), running(0));
        assert_eq!(clock.now(at(9 * HOUR), running(9 * HOUR)), at(9 * HOUR));
        let before = since_boot();
        assert!(since_boot() >= before && before > Duration::ZERO);
    }

    #[test]
    fn a_minute_is_not_ahead() {
        assert!(!is_ahead(at(60), at(0)) && !is_ahead(at(-HOUR), at(0)));
        assert!(is_ahead(at(61), at(0)));
        assert!(is_ahead(Timestamp::MAX, Timestamp::MIN));
    }
}
