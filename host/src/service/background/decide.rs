//! What is due and what was missed: decisions without any effect.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::contract::{ErrorCode, Quota};
use crate::schedule::Schedule;

/// Fewer intervals than this are no rhythm.
const FEWEST_INTERVALS: usize = 8;

/// The share of intervals, in percent, that are not longer than the usual one.
const USUAL_PERCENT: usize = 95;

/// A silence of so many usual intervals is implausible.
const IMPLAUSIBLE_INTERVALS: i32 = 4;

/// How a connection's deliveries arrive.
#[derive(Clone, Debug)]
pub(in crate::service) struct Rhythm {
    /// When the last ones arrived, newest first.
    pub(in crate::service) delivered_at: Vec<Timestamp>,
    /// When it was connected.
    pub(in crate::service) connected_at: Timestamp,
    /// When the ledger was last compared with the remote service.
    pub(in crate::service) reconciled_at: Option<Timestamp>,
}

/// Whether to compare the ledger with the remote service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Comparison {
    /// Nothing has been delivered since then, which is implausibly long.
    Silence(Timestamp),
    /// It has not been done for long.
    Routine,
    /// Not before then.
    NotBefore(Timestamp),
}

impl Rhythm {
    /// Whether to compare now. A silence in which a comparison found nothing is looked into again
    /// when it is twice as long, so that nights and weekends cost a few requests.
    pub(in crate::service) fn comparison(&self, now: Timestamp, schedule: &Schedule) -> Comparison {
        let compared = self
            .reconciled_at
            .unwrap_or(self.connected_at)
            .max(self.connected_at);
        let routine = later(compared, schedule.verify());
        let silence = self
            .delivered_at
            .first()
            .copied()
            .zip(self.usual_interval());
        let silence = silence.map(|(last, usual)| {
            let due = if compared > last {
                later(
                    last,
                    unsigned(compared.duration_since(last)).saturating_mul(2),
                )
            } else {
                last
            };
            let implausible = unsigned(usual * IMPLAUSIBLE_INTERVALS).max(schedule.silence());
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
pub(in crate::service) fn outage(
    last_heartbeat: Option<Timestamp>,
    now: Timestamp,
    allowed: Duration,
) -> Option<Timestamp> {
    last_heartbeat.filter(|last| later(*last, allowed) < now)
}

/// How long to wait after so many failures, which is never less than the remote service asks for.
pub(in crate::service) fn wait_after(
    failures: u32,
    retry_after_seconds: Option<u32>,
    schedule: &Schedule,
) -> Duration {
    let doubled = schedule.retry().saturating_mul(
        1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX),
    );
    let asked = Duration::from_secs(retry_after_seconds.unwrap_or_default().into());
    doubled.min(schedule.upkeep()).max(asked)
}

/// Whether only a person can do something about it.
pub(in crate::service) fn needs_a_person(code: ErrorCode) -> bool {
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
pub(in crate::service) fn needs_attention(
    code: ErrorCode,
    since: Timestamp,
    now: Timestamp,
    schedule: &Schedule,
) -> bool {
    let patience = match code {
        // The remote service does not get the callback's answer: a proxy that restarts, or a wrong URL.
        ErrorCode::InvalidInput => schedule.callback_patience(),
        _ => schedule.long_failure(),
    };
    needs_a_person(code) || later(since, patience) <= now
}

/// For how many seconds background work leaves the rest of the quota to people: as long as less than
/// a third of it is left.
pub(in crate::service) fn spare(quotas: &[Quota]) -> Option<u32> {
    quotas
        .iter()
        .filter(|quota| {
            i64::from(quota.remaining).saturating_mul(3) < i64::from(quota.total)
                && quota.resets_in_seconds > 0
        })
        .map(|quota| quota.resets_in_seconds)
        .max()
}

/// A time after another; it stops at the end of time.
pub(in crate::service) fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A time before another; it stops at the beginning of time.
pub(in crate::service) fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// A duration that tells how long to wait: negative ones are none.
pub(in crate::service) fn unsigned(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

#[cfg(test)]
mod tests;
