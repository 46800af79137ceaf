//! What is due and what was missed: decisions without any effect.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Schedule;
use integration_host_contract::backoff::Backoff;
use integration_host_contract::{ErrorCode, Quota};

/// Fewer intervals than this are no rhythm.
const FEWEST_INTERVALS: usize = 8;

/// The share of intervals, in percent, that are not longer than the usual one.
const USUAL_PERCENT: usize = 95;

/// A silence of so many usual intervals is implausible.
const IMPLAUSIBLE_INTERVALS: i32 = 4;

/// A silence that lasts is looked into so many times between two comparisons of all of the last days.
const LOOKS_INTO_SILENCE: u32 = 4;

/// When a webhook is looked for whose creation was never answered, as parts of the time it is looked for: after 1, 5 and
/// 30 minutes and a day.
const LOOKS_FOR_WEBHOOK: [u32; 4] = [1440, 288, 48, 1];

/// How a connection's deliveries arrive.
#[derive(Clone, Debug)]
pub(crate) struct Rhythm {
    /// When the last ones arrived, newest first.
    pub(crate) delivered_at: Vec<Timestamp>,
    /// When it was connected.
    pub(crate) connected_at: Timestamp,
    /// When the ledger was last compared with the remote service.
    pub(crate) reconciled_at: Option<Timestamp>,
    /// When all of the last days were.
    pub(crate) verified_at: Option<Timestamp>,
}

/// Whether to compare the ledger with the remote service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Nothing has been delivered since then, which is implausibly long.
    Silence(Timestamp),
    /// It has not been done for long.
    Routine,
    /// Not before then.
    NotBefore(Timestamp),
}

impl Rhythm {
    /// Whether to compare now. A silence in which a comparison found nothing is looked into again
    /// when it is twice as long, so that nights cost a few requests, and at the latest some hours later: work that
    /// begins again after a weekend must not be missed for another one.
    pub(crate) fn comparison(&self, now: Timestamp, schedule: &Schedule) -> Comparison {
        // What a clock that was ahead has left behind is no comparison.
        let past = |time: Option<Timestamp>| {
            let time = time.filter(|time| *time <= now);
            time.unwrap_or(self.connected_at).max(self.connected_at)
        };
        let compared = past(self.reconciled_at);
        let routine = later(past(self.verified_at), schedule.verify);
        let silence = self
            .delivered_at
            .first()
            .copied()
            .zip(self.usual_interval());
        let silence = silence.map(|(last, usual)| {
            let due = if compared > last {
                let as_long_again = to_std(compared.duration_since(last));
                later(
                    compared,
                    as_long_again.min(schedule.verify / LOOKS_INTO_SILENCE),
                )
            } else {
                last
            };
            let implausible = to_std(usual * IMPLAUSIBLE_INTERVALS).max(schedule.silence);
            (last, due.max(later(last, implausible)))
        });
        match silence {
            Some((last, due)) if due <= now => Comparison::Silence(last),
            _ if routine <= now => Comparison::Routine,
            Some((_, due)) => Comparison::NotBefore(due.min(routine)),
            None => Comparison::NotBefore(routine),
        }
    }

    /// The time that nearly all deliveries follow one another in; `None`: there were too few.
    fn usual_interval(&self) -> Option<SignedDuration> {
        let mut intervals: Vec<_> = self
            .delivered_at
            .iter()
            .zip(self.delivered_at.iter().skip(1))
            .map(|(later, earlier)| later.duration_since(*earlier).max(SignedDuration::ZERO))
            .collect();
        if intervals.len() < FEWEST_INTERVALS {
            return None;
        }
        intervals.sort_unstable();
        intervals
            .get((intervals.len() - 1) * USUAL_PERCENT / 100)
            .copied()
    }
}

/// The time in which no host ran, if it is so long that deliveries may be lost. `allowed` is how
/// long may pass between two heartbeats.
pub(crate) fn outage(
    last_heartbeat: Option<Timestamp>,
    now: Timestamp,
    allowed: Duration,
) -> Option<Timestamp> {
    last_heartbeat.filter(|last| later(*last, allowed) < now)
}

/// How long to wait after so many failures, which is never less than the remote service asks for, as long as that is no
/// longer than anything waits.
pub(crate) fn wait_after(
    failures: u32,
    retry_after_seconds: Option<u32>,
    longest_wait: Duration,
    schedule: &Schedule,
) -> Duration {
    let wait = Backoff::new(schedule.retry, schedule.upkeep).delay(failures);
    let asked = Duration::from_secs(retry_after_seconds.unwrap_or_default().into());
    wait.max(asked.min(longest_wait))
}

/// In how long to look once more for a webhook that was asked for then without an answer; `None`: the last look is over,
/// and it is not coming.
pub(crate) fn next_look(since: Timestamp, now: Timestamp, schedule: &Schedule) -> Option<Duration> {
    let passed = to_std(now.duration_since(since));
    LOOKS_FOR_WEBHOOK
        .iter()
        .map(|part| schedule.unsettled / *part)
        .find(|look| *look > passed)
        .map(|look| look - passed)
}

/// Whether nothing came into being at the remote service when asking for a webhook failed like this.
pub(crate) fn settles(code: ErrorCode) -> bool {
    match code {
        ErrorCode::Unauthorized
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::PlanLimit
        | ErrorCode::Conflict
        | ErrorCode::InvalidInput => true,
        ErrorCode::RateLimited
        | ErrorCode::QuotaExhausted
        | ErrorCode::Upstream
        | ErrorCode::Unavailable
        | ErrorCode::Internal => false,
    }
}

/// Whether only a person can do something about it.
pub(crate) fn needs_a_person(code: ErrorCode) -> bool {
    match code {
        ErrorCode::Unauthorized
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::PlanLimit
        | ErrorCode::Conflict => true,
        ErrorCode::InvalidInput
        | ErrorCode::RateLimited
        | ErrorCode::QuotaExhausted
        | ErrorCode::Upstream
        | ErrorCode::Unavailable
        | ErrorCode::Internal => false,
    }
}

/// Whether a person is to be told of something that has been wrong since then.
pub(crate) fn needs_attention(
    code: ErrorCode,
    since: Timestamp,
    now: Timestamp,
    schedule: &Schedule,
) -> bool {
    let patience = match code {
        // The remote service does not get the callback's answer: a proxy that restarts, or a wrong URL.
        ErrorCode::InvalidInput => schedule.callback_patience,
        _ => schedule.long_failure,
    };
    needs_a_person(code) || later(since, patience) <= now
}

/// The quota of which less than a third is left, so that background work leaves the rest to people, and for how many seconds.
/// Only those count that the work draws on. As long as nobody knows which these are, one request is risked for finding
/// it out, unless little is left of all.
fn reserved_for_people<'a>(quotas: &'a [Quota], drawn_on: &[String]) -> Option<(&'a str, u32)> {
    let is_low = |quota: &&Quota| {
        i64::from(quota.remaining).saturating_mul(3) < i64::from(quota.total)
            && quota.resets_in_seconds > 0
    };
    let wait = |quota: &'a Quota| (quota.name.as_str(), quota.resets_in_seconds);
    let known: Vec<&Quota> = (quotas.iter())
        .filter(|quota| drawn_on.contains(&quota.name))
        .collect();
    if known.is_empty() {
        let are_low = quotas.iter().all(|quota| is_low(&quota));
        let first = quotas.iter().min_by_key(|quota| quota.resets_in_seconds);
        return first.filter(|_| are_low).map(wait);
    }
    let low = known.into_iter().filter(is_low);
    low.max_by_key(|quota| quota.resets_in_seconds).map(wait)
}

/// The same, of quotas that were seen some time ago: they may have begun anew since.
pub(crate) fn reserved_for_people_of(
    quotas: &[Quota],
    drawn_on: &[String],
    passed: Duration,
    longest_wait: Duration,
) -> Option<(String, Duration)> {
    let (quota, seconds) = reserved_for_people(quotas, drawn_on)?;
    let wait = Duration::from_secs(seconds.into()).min(longest_wait);
    let left = wait.checked_sub(passed).filter(|wait| !wait.is_zero())?;
    Some((quota.to_owned(), left))
}

/// A time after another; it stops at the end of time.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A time before another; it stops at the beginning of time.
pub(crate) fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// A duration that tells how long to wait: negative ones are none.
pub(crate) fn to_std(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests;
