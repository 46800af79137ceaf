//! How much of the delivery log is kept, and for how long.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use integration_host_contract::limits::Limits;

/// How much of the delivery log is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries of one connection, beside failed ones that can be replayed.
    pub rows: u32,
    /// How long a delivery stays in the log.
    pub age: SignedDuration,
    /// Failed deliveries kept for replay, over all connections.
    pub requests: u32,
    /// Bytes these may have together, sealed.
    pub request_bytes: u64,
    /// How long a failed delivery is kept for replay.
    pub request_age: SignedDuration,
}

/// Rows removed at once: enough that it happens rarely, few enough that nobody waits for it.
pub const PRUNED_AT_ONCE: i64 = 200;

impl Retention {
    /// How many deliveries of a connection to remove that has so many, of which so many can be replayed. More than
    /// necessary, so that it happens rarely; never what was just recorded.
    pub fn excess(&self, rows: i64, replayable: i64) -> i64 {
        let most = i64::from(self.rows);
        match rows - replayable - most {
            excess if excess > 0 => (excess + most / 100).min(PRUNED_AT_ONCE),
            _ => 0,
        }
    }

    /// The most bytes of kept requests, as databases count.
    pub fn most_bytes(&self) -> i64 {
        i64::try_from(self.request_bytes).unwrap_or(i64::MAX)
    }

    /// Whether a request is too large to be kept: by itself it must not push out everything else.
    pub fn is_too_large(&self, sealed: &[u8]) -> bool {
        i64::try_from(sealed.len()).unwrap_or(i64::MAX) > self.most_bytes()
    }

    /// Deliveries that arrived before these times, in milliseconds, are too old: for their requests, and for themselves.
    pub fn too_old_before(&self, now: Timestamp) -> (i64, i64) {
        let before = |age| {
            now.checked_sub(age)
                .unwrap_or(Timestamp::MIN)
                .as_millisecond()
        };
        (before(self.request_age), before(self.age))
    }
}

/// How long hosts must have run between the look that saw a time and the removal of what was too old then.
const WAIT: Duration = Duration::from_secs(24 * 3600);

/// The most that counts of the time between two looks.
const LONGEST_STEP: Duration = Duration::from_secs(3600);

/// A look at the time, by which old deliveries are removed later, when hosts have run for a day and the time has not
/// been taken back. A clock that is wrong for less than that removes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeLook {
    /// The time that was seen.
    pub as_of: Timestamp,
    /// When somebody looked last.
    pub looked_at: Timestamp,
    /// For how long hosts have run since.
    pub ran: Duration,
}

impl AgeLook {
    /// The look that counts from now on, and as of when old deliveries may be removed now. `ran` is for how long the
    /// host that looks has run since it looked last.
    pub fn after(before: Option<Self>, now: Timestamp, ran: Duration) -> (Self, Option<Timestamp>) {
        let anew = Self {
            as_of: now,
            looked_at: now,
            ran: Duration::ZERO,
        };
        let Some(before) = before.filter(|before| before.as_of <= now) else {
            return (anew, None);
        };
        // Several hosts that look count together no more than passes.
        let passed = Duration::try_from(now.duration_since(before.looked_at)).unwrap_or_default();
        let ran = before.ran + ran.min(passed).min(LONGEST_STEP);
        if ran >= WAIT {
            return (anew, Some(before.as_of));
        }
        let goes_on = Self {
            looked_at: now,
            ran,
            ..before
        };
        (goes_on, None)
    }
}

impl From<&Limits> for Retention {
    fn from(limits: &Limits) -> Self {
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Self {
            rows: limits.delivery_log_rows,
            age: days(limits.delivery_log_days),
            requests: limits.failed_deliveries,
            request_bytes: u64::try_from(limits.failed_delivery_bytes).unwrap_or(u64::MAX),
            request_age: days(limits.failed_delivery_days),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_772_440_000 + 3600 * hour).unwrap()
    }

    /// What is removed as of when by looks at these hours, each a quarter of an hour of running after the one before.
    fn removed(hours: impl IntoIterator<Item = i64>) -> Vec<Timestamp> {
        let (mut look, mut removed) = (None, Vec::new());
        for hour in hours {
            let (next, as_of) = AgeLook::after(look, at(hour), Duration::from_secs(900));
            look = Some(next);
            removed.extend(as_of);
        }
        removed
    }

    #[test]
    fn a_clock_that_is_ahead_for_a_while_removes_nothing_for_it() {
        let years = 24 * 365 * 10;
        let as_of = removed((0..50).chain([years; 8]).chain(50..300));
        assert!(
            as_of.iter().all(|as_of| *as_of < at(300)),
            "a clock was ahead for two hours, and the log is gone: {as_of:?}"
        );
        assert!(removed([0, years, years]).is_empty());
        let behind = removed((0..50).chain([-years; 8]).chain(50..300));
        assert!(behind.iter().all(|as_of| *as_of < at(300)));
        assert!(!behind.is_empty(), "nothing is ever removed any more");
    }

    #[test]
    fn what_is_old_goes_by_days_of_running() {
        // A quarter of an hour each hour: four days for one.
        let as_of = removed(0..400);
        assert_eq!(as_of, [at(0), at(96), at(192), at(288)]);
    }

    #[test]
    fn several_hosts_are_no_faster_than_time() {
        let (mut look, mut steps) = (None, 0);
        for minute in 0..24 * 60 {
            let now = at(0) + SignedDuration::from_mins(minute);
            for _ in 0..3 {
                let (next, as_of) = AgeLook::after(look, now, Duration::from_secs(60));
                look = Some(next);
                steps += i32::from(as_of.is_some());
            }
        }
        assert_eq!(steps, 0, "a day has not passed");
    }
}
