use super::*;
use crate::clock::{Clock as _, ManualClock};

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_772_440_000 + minute * 60).unwrap()
}

/// A delivery every ten minutes, the last one at minute 0.
fn busy() -> Rhythm {
    Rhythm {
        delivered_at: (0..50).map(|number| at(-10 * number)).collect(),
        connected_at: at(-10 * DAY),
        reconciled_at: Some(at(-HOUR)),
    }
}

#[test]
fn silence_is_noticed_when_it_is_implausibly_long() {
    let schedule = Schedule::default();
    let rhythm = busy();
    assert_eq!(
        rhythm.comparison(at(20), &schedule),
        Comparison::NotBefore(at(40)),
        "a coffee break is no silence"
    );
    assert_eq!(
        rhythm.comparison(at(40), &schedule),
        Comparison::Silence(at(0))
    );
}

#[test]
fn a_silence_that_was_looked_into_is_looked_into_ever_more_rarely() {
    let schedule = Schedule::default();
    let clock = ManualClock::new(at(0));
    let mut rhythm = busy();
    let mut comparisons = Vec::new();
    // A weekend.
    for minute in 0..64 * HOUR {
        if rhythm.comparison(clock.now(), &schedule) == Comparison::Silence(at(0)) {
            comparisons.push(minute);
            rhythm.reconciled_at = Some(clock.now());
        }
        clock.advance(SignedDuration::from_mins(1));
    }
    assert_eq!(comparisons, [40, 80, 160, 320, 640, 1280, 2560]);
}

#[test]
fn bursts_do_not_make_every_pause_implausible() {
    let mut rhythm = busy();
    rhythm.delivered_at = vec![at(0); 50];
    let schedule = Schedule::default();
    assert_eq!(
        rhythm.comparison(at(29), &schedule),
        Comparison::NotBefore(at(30))
    );
}

#[test]
fn without_a_rhythm_the_ledger_is_compared_once_a_day() {
    let schedule = Schedule::default();
    let rhythm = Rhythm {
        delivered_at: vec![at(0), at(-5)],
        connected_at: at(-HOUR),
        reconciled_at: None,
    };
    assert_eq!(
        rhythm.comparison(at(0), &schedule),
        Comparison::NotBefore(at(DAY - HOUR))
    );
    assert_eq!(
        rhythm.comparison(at(DAY - HOUR), &schedule),
        Comparison::Routine
    );
}

#[test]
fn a_connection_that_is_never_silent_is_compared_once_a_day_too() {
    let schedule = Schedule::default();
    let mut rhythm = busy();
    rhythm.reconciled_at = Some(at(-DAY));
    assert_eq!(rhythm.comparison(at(1), &schedule), Comparison::Routine);
}

#[test]
fn a_host_that_was_down_for_five_minutes_missed_them() {
    let allowed = Schedule::default().outage();
    assert_eq!(outage(Some(at(0)), at(5), allowed), Some(at(0)));
    assert_eq!(
        outage(Some(at(0)), at(2), allowed),
        None,
        "a restart is bridged by the remote service's own retries"
    );
    assert_eq!(outage(None, at(5), allowed), None, "the first start");
    assert_eq!(
        outage(Some(at(9)), at(5), allowed),
        None,
        "a clock that was set back"
    );
}

#[test]
fn failures_are_retried_ever_more_rarely_and_never_before_the_quota_is_back() {
    let schedule = Schedule::default();
    let minutes = |failures, asked| wait_after(failures, asked, &schedule).as_secs() / 60;
    let waits: Vec<_> = (1..8).map(|failures| minutes(failures, None)).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(minutes(400, None), 60);
    assert_eq!(minutes(1, Some(1800)), 30);
}

#[test]
fn people_are_asked_only_for_what_only_they_can_do() {
    let schedule = Schedule::default();
    for code in ErrorCode::ALL {
        let asked = needs_attention(code, at(0), at(1), &schedule);
        let expected = [
            ErrorCode::Unauthorized,
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::PlanLimit,
            ErrorCode::Conflict,
        ];
        assert_eq!(asked, expected.contains(&code), "{}", code.as_str());
        assert!(
            needs_attention(code, at(0), at(DAY), &schedule),
            "after a day a person must know of {}",
            code.as_str()
        );
    }
    let callback = |minute| needs_attention(ErrorCode::InvalidInput, at(0), at(minute), &schedule);
    assert!(!callback(HOUR) && callback(2 * HOUR));
}

#[test]
fn a_third_of_the_quota_is_left_to_people() {
    let quota = |remaining, resets_in_seconds| Quota {
        name: "organization".into(),
        remaining,
        total: 30,
        resets_in_seconds,
    };
    assert_eq!(spare(&[quota(10, 600)]), None);
    assert_eq!(spare(&[quota(9, 600), quota(-3, 60)]), Some(600));
    assert_eq!(spare(&[quota(0, 0)]), None, "it has been reset");
    assert_eq!(spare(&[]), None, "unknown quotas do not keep from working");
}
