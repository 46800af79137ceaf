use super::*;
use integration_host_contract::clock::{Clock as _, ManualClock};

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// The longest that anything waits.
const PERIOD: Duration = Duration::from_secs(3600);

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_772_440_000 + minute * 60).unwrap()
}

/// A delivery every ten minutes, the last one at minute 0.
fn busy() -> Rhythm {
    Rhythm {
        delivered_at: (0..50).map(|number| at(-10 * number)).collect(),
        connected_at: at(-10 * DAY),
        reconciled_at: Some(at(-HOUR)),
        verified_at: Some(at(-HOUR)),
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

/// When a connection of which nothing is heard any more is compared in the minutes until `end`, and why.
fn looks_until(end: i64) -> Vec<(i64, Comparison)> {
    let schedule = Schedule::default();
    let clock = ManualClock::new(at(0));
    let mut rhythm = busy();
    let mut looks = Vec::new();
    for minute in 0..end {
        let comparison = rhythm.comparison(clock.now(), &schedule);
        if !matches!(comparison, Comparison::NotBefore(_)) {
            looks.push((minute, comparison));
            rhythm.reconciled_at = Some(clock.now());
        }
        if comparison == Comparison::Routine {
            rhythm.verified_at = Some(clock.now());
        }
        clock.advance(SignedDuration::from_mins(1));
    }
    looks
}

#[test]
fn a_silence_is_looked_into_ever_more_rarely_and_never_hours_too_late() {
    let looks = looks_until(62 * HOUR);
    let in_hours: Vec<_> = looks.iter().map(|(minute, _)| minute / 6).collect();
    assert_eq!(
        in_hours.iter().take(6).copied().collect::<Vec<_>>(),
        [6, 13, 26, 53, 106, 166],
        "in tenths of hours"
    );
    let minutes: Vec<_> = looks.iter().map(|(minute, _)| *minute).collect();
    let longest = minutes.windows(2).map(|two| two[1] - two[0]).max();
    assert_eq!(
        longest,
        Some(6 * HOUR),
        "a webhook that died over a weekend of 62 hours is found only days later: {minutes:?}"
    );
    assert!(
        62 * HOUR - minutes.last().unwrap() <= 6 * HOUR,
        "{minutes:?}"
    );
    assert!(
        minutes.len() < 20,
        "a weekend costs too many requests: {minutes:?}"
    );
}

#[test]
fn over_months_neither_comparison_keeps_the_other_from_being_made() {
    let looks = looks_until(90 * DAY);
    let of = |wanted: fn(&Comparison) -> bool| {
        let of_kind = looks.iter().filter(|(_, comparison)| wanted(comparison));
        of_kind.map(|(minute, _)| *minute).collect::<Vec<_>>()
    };
    let longest = |minutes: &[i64]| minutes.windows(2).map(|two| two[1] - two[0]).max();
    let routine = of(|comparison| *comparison == Comparison::Routine);
    assert!(
        longest(&routine).unwrap() <= DAY + 1,
        "silences put off the comparison of the last days: {routine:?}"
    );
    let silent = of(|comparison| matches!(comparison, Comparison::Silence(_)));
    assert!(
        longest(&silent).unwrap() <= 12 * HOUR,
        "routine comparisons put off the look into a silence"
    );
    assert!(looks.len() <= 5 * 90 + 6, "{} looks", looks.len());
}

#[test]
fn nights_do_not_put_off_the_comparison_of_the_last_days() {
    let schedule = Schedule::default();
    let clock = ManualClock::new(at(0));
    let mut rhythm = busy();
    let mut verified = Vec::new();
    for minute in 0..10 * DAY {
        // Eight hours a day something is delivered every ten minutes.
        if minute % DAY < 8 * HOUR && minute % 10 == 0 {
            rhythm.delivered_at.insert(0, clock.now());
            rhythm.delivered_at.truncate(300);
        }
        match rhythm.comparison(clock.now(), &schedule) {
            Comparison::NotBefore(_) => {}
            Comparison::Silence(_) => rhythm.reconciled_at = Some(clock.now()),
            Comparison::Routine => {
                rhythm.reconciled_at = Some(clock.now());
                rhythm.verified_at = Some(clock.now());
                verified.push(minute);
            }
        }
        clock.advance(SignedDuration::from_mins(1));
    }
    assert_eq!(verified.len(), 10, "{verified:?}");
}

#[test]
fn what_a_clock_that_was_ahead_has_left_puts_nothing_off() {
    let schedule = Schedule::default();
    let mut rhythm = busy();
    rhythm.reconciled_at = Some(at(30 * DAY));
    rhythm.verified_at = Some(at(30 * DAY));
    assert_eq!(
        rhythm.comparison(at(40), &schedule),
        Comparison::Silence(at(0))
    );
    rhythm.delivered_at.clear();
    assert_eq!(rhythm.comparison(at(40), &schedule), Comparison::Routine);
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
        verified_at: None,
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
    rhythm.verified_at = Some(at(-DAY));
    assert_eq!(rhythm.comparison(at(1), &schedule), Comparison::Routine);
}

#[test]
fn a_host_that_was_down_for_five_minutes_missed_them() {
    let allowed = Schedule::default().outage;
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
    let minutes = |failures, asked| wait_after(failures, asked, PERIOD, &schedule).as_secs() / 60;
    let waits: Vec<_> = (1..8).map(|failures| minutes(failures, None)).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(minutes(400, None), 60);
    assert_eq!(minutes(1, Some(1800)), 30);
    assert_eq!(minutes(1, Some(u32::MAX)), 60);
}

#[test]
fn people_are_asked_only_for_what_only_they_can_do() {
    let schedule = Schedule::default();
    for code in ErrorCode::ALL.iter().copied() {
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
    let drawn_on = ["organization".to_owned()];
    let seconds =
        |quotas: &[Quota]| reserved_for_people(quotas, &drawn_on).map(|(_, seconds)| seconds);
    assert_eq!(seconds(&[quota(10, 600)]), None);
    assert_eq!(seconds(&[quota(9, 600), quota(-3, 60)]), Some(600));
    assert_eq!(seconds(&[quota(0, 0)]), None, "it has been reset");
    assert_eq!(
        seconds(&[]),
        None,
        "unknown quotas do not keep from working"
    );
    let seen = [quota(9, 600), quota(10, 900)];
    let after = |seconds| {
        reserved_for_people_of(&seen, &drawn_on, Duration::from_secs(seconds), PERIOD)
            .map(|(_, wait)| wait.as_secs())
    };
    assert_eq!(
        (after(0), after(599), after(600)),
        (Some(600), Some(1), None)
    );
    assert_eq!(
        reserved_for_people_of(&[quota(0, u32::MAX)], &drawn_on, Duration::ZERO, PERIOD),
        Some(("organization".to_owned(), PERIOD)),
        "a number that makes no sense stops reading for years"
    );
}

#[test]
fn work_waits_for_no_quota_that_it_does_not_draw_on() {
    let quota = |name: &str, remaining| Quota {
        name: name.into(),
        remaining,
        total: 30,
        resets_in_seconds: 600,
    };
    let seen = |user, organization| [quota("user", user), quota("organization", organization)];
    let drawn_on = ["organization".to_owned()];
    assert_eq!(
        reserved_for_people(&seen(2, 20), &drawn_on),
        None,
        "a gap waits for a quota that reading it does not need"
    );
    assert_eq!(
        reserved_for_people(&seen(20, 2), &drawn_on),
        Some(("organization", 600))
    );
    // The first request tells which they are.
    assert_eq!(reserved_for_people(&seen(2, 20), &[]), None);
    assert_eq!(reserved_for_people(&seen(20, 2), &[]), None);
    assert!(reserved_for_people(&seen(2, 2), &[]).is_some());
    // So it is with what another release has noted.
    assert_eq!(
        reserved_for_people(&seen(2, 20), &["another".to_owned()]),
        None
    );
}

#[test]
fn a_webhook_whose_creation_was_never_answered_is_looked_for_four_times() {
    let schedule = Schedule::default();
    let (mut now, mut looks) = (at(0), Vec::new());
    while let Some(wait) = next_look(at(0), now, &schedule) {
        now = later(now, wait);
        looks.push(now.duration_since(at(0)).as_mins());
    }
    assert_eq!(looks, [1, 5, 30, DAY]);
    assert_eq!(
        next_look(at(0), at(-DAY), &schedule),
        Some(Duration::from_secs(60)),
        "a clock that was set back keeps it from being looked for"
    );
}
