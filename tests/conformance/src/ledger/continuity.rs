//! What the ledger keeps so that nothing is lost unnoticed.

use anyhow::{Result, ensure};
use integration_host_ledger::{
    Attention, ConnectionEvent, ConnectionState, CoverageChange, EventKind, MAX_EVENTS,
};
use jiff::{SignedDuration, Timestamp};

use super::fixture::{becomes, connect, connection, new_connection, time};
use super::{Case, World};
use crate::suite::{case, same};

const HEARTBEAT: &str =
    "A heartbeat is recorded, and the last one before it is told, also without recording another.";
const NEVER_BACK: &str = "One that is earlier than the last changes nothing.";
const TAKEN_BACK: &str = "A heartbeat that lies ahead of the present time, by more than a minute, is taken back by the \
    next one.";
const COVERAGE: &str = "The coverage after a change is what Coverage::after says, and what the connection shows from then \
    on; of changes at once none is lost.";
const BEGINS: &str = "A connection that becomes active covers from that moment on and has no gap, whatever it had before.";
const NOTES: &str = "A note is what it was last changed to, and is changed only from what the caller knows it to be: of \
    changes at once one is made. It is gone with its connection.";
const EVENTS: &str = "The log of a connection is told newest first and keeps the newest MAX_EVENTS; an event of the same \
    kind and message as the newest is left out.";

pub(super) const CASES: &[Case] = &[
    case!(
        the_heartbeat_tells_when_a_host_last_ran,
        HEARTBEAT,
        "time that passed while no host ran would not be read again"
    ),
    case!(
        a_heartbeat_does_not_go_back,
        NEVER_BACK,
        "a host whose clock is behind would make the others read a gap that there is not"
    ),
    case!(
        a_heartbeat_that_lies_ahead_is_taken_back,
        TAKEN_BACK,
        "after a clock was ahead once, no outage would be noticed until the time has come"
    ),
    case!(
        coverage_changes_as_it_is_said_to,
        COVERAGE,
        "a gap would be forgotten before it was read"
    ),
    case!(
        no_change_of_coverage_is_lost,
        COVERAGE,
        "a gap that was noticed while another was read would be forgotten"
    ),
    case!(
        connecting_begins_to_cover,
        BEGINS,
        "time from before a connection would be read that nobody agreed to"
    ),
    case!(
        notes_are_changed_from_what_they_are,
        NOTES,
        "where a reading stopped would be forgotten, and it would begin anew for ever"
    ),
    case!(
        the_log_is_paged_bounded_and_without_repetition,
        EVENTS,
        "the log would fill the disk, or not show what happened"
    ),
];

async fn notes_are_changed_from_what_they_are(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "1").await?, connect(&ledger, "2").await?);
    same(
        ledger.note(&id, "a").await?,
        None,
        "a note that nobody made",
    )?;
    for (name, before, after, is_made) in [
        ("a", Some("x"), Some("y"), false),
        ("a", None, Some("one"), true),
        ("b", None, Some("two"), true),
        ("a", None, Some("three"), false),
        ("a", Some("one"), Some("“four”"), true),
        ("b", Some("two"), None, true),
        ("b", Some("two"), Some("five"), false),
    ] {
        let made = ledger.change_note(&id, name, before, after).await?;
        let what = format!("whether `{name}` was changed from {before:?} to {after:?}");
        same(made, is_made, what)?;
    }
    same(
        ledger.note(&id, "a").await?.as_deref(),
        Some("“four”"),
        "the note `a`",
    )?;
    same(
        ledger.note(&id, "b").await?,
        None,
        "a note that was removed",
    )?;
    same(
        ledger.note(&other, "a").await?,
        None,
        "another connection's note",
    )?;
    let text = "x".repeat(1_000_000);
    let changes = ["1", "2", "3"].map(|end| {
        let (ledger, id, text) = (&ledger, &id, format!("{text}{end}"));
        async move {
            let before = Some("“four”");
            ledger.change_note(id, "a", before, Some(&text)).await
        }
    });
    let [one, two, three] = changes;
    let (one, two, three) = tokio::join!(one, two, three);
    let made = [one?, two?, three?]
        .into_iter()
        .filter(|made| *made)
        .count();
    same(made, 1, "of changes at once so many were made")?;
    let unfinished = ledger.create_connection(new_connection("3")).await?.id;
    ledger
        .change_note(&unfinished, "a", None, Some("gone"))
        .await?;
    ledger.remove_connection(&unfinished).await?;
    ensure!(
        ledger.note(&unfinished, "a").await.is_err(),
        "a connection that was removed still has a note"
    );
    Ok(())
}

async fn the_heartbeat_tells_when_a_host_last_ran(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    for (minute, before) in [(1, None), (2, Some(1)), (9, Some(2)), (10, Some(9))] {
        same(
            ledger.last_heartbeat().await?,
            before.map(time),
            format!("the last heartbeat, asked for before minute {minute}"),
        )?;
        let told = ledger.heartbeat(time(minute)).await?;
        same(
            told,
            before.map(time),
            format!("the heartbeat before minute {minute}"),
        )?;
    }
    Ok(())
}

async fn a_heartbeat_does_not_go_back(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let now = Timestamp::now();
    let mut last = None;
    for seconds in [600, 0, 300, 30] {
        let told = ledger
            .heartbeat(now - SignedDuration::from_secs(seconds))
            .await?;
        same(
            told,
            last,
            format!("the heartbeat before one of {seconds} s ago"),
        )?;
        let milliseconds = now.as_millisecond() - (if last.is_none() { seconds } else { 0 }) * 1000;
        last = Some(Timestamp::from_millisecond(milliseconds)?);
    }
    Ok(())
}

async fn a_heartbeat_that_lies_ahead_is_taken_back(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let now = Timestamp::now();
    ledger.heartbeat(now).await?;
    let ahead = now + SignedDuration::from_hours(30 * 24);
    ledger.heartbeat(ahead).await?;
    ledger.heartbeat(now).await?;
    let told = ledger.heartbeat(now).await?;
    ensure!(
        told.is_some_and(|told| told <= now + SignedDuration::from_mins(2)),
        "the heartbeat after one that was ahead is {told:?}"
    );
    Ok(())
}

async fn coverage_changes_as_it_is_said_to(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let untouched = connection(&ledger, &other).await?;
    let noticed = |from: Option<i64>, at| CoverageChange::GapNoticed {
        from: from.map(time),
        reason: "the webhook was “disabled”".to_owned(),
        at: time(at),
    };
    let obstacle = Attention {
        code: "forbidden".to_owned(),
        message: "Ask.".to_owned(),
    };
    let mut expected = connection(&ledger, &id).await?.coverage;
    let mut reading = time(60);
    for change in [
        CoverageChange::Confirmed { until: time(30) },
        noticed(None, 60),
        CoverageChange::Confirmed { until: time(61) },
        CoverageChange::GapObstructed { obstacle },
        CoverageChange::GapRead {
            from: time(30),
            until: time(40),
        },
        noticed(None, 60),
        CoverageChange::GapClosed {
            noticed_at: reading,
            from: time(40),
            until: time(62),
        },
        noticed(Some(20), 62),
        CoverageChange::GapRead {
            from: time(62),
            until: time(63),
        },
        CoverageChange::Compared { at: time(63) },
        CoverageChange::Verified { at: time(62) },
        CoverageChange::Connected { at: time(64) },
        noticed(Some(-9), 70),
    ] {
        expected = expected.after(change.clone());
        same(
            ledger.change_coverage(&id, change.clone()).await?,
            expected.clone(),
            format!("the coverage after {change:?}"),
        )?;
        same(
            connection(&ledger, &id).await?.coverage,
            expected.clone(),
            "the coverage of the connection",
        )?;
        reading = expected.gap.as_ref().map_or(reading, |gap| gap.noticed_at);
    }
    let closed = CoverageChange::GapClosed {
        noticed_at: reading,
        from: time(64),
        until: time(80),
    };
    same(
        ledger.change_coverage(&id, closed).await?.gap,
        None,
        "a gap that was closed",
    )?;
    same(
        connection(&ledger, &other).await?,
        untouched,
        "another connection",
    )
}

async fn no_change_of_coverage_is_lost(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    const NOTICES: i64 = 24;
    let mut notices = Vec::new();
    for _ in 0..NOTICES {
        let ledger = world.open_beside(&ledger, Default::default()).await;
        let (id, reason) = (id.clone(), "the webhook was disabled".to_owned());
        let noticed = CoverageChange::GapNoticed {
            from: None,
            reason,
            at: time(60),
        };
        notices.push(tokio::spawn(async move {
            ledger.change_coverage(&id, noticed).await
        }));
    }
    for notice in notices {
        notice.await??;
    }
    // Each notice of the same moment is a millisecond later than the one before.
    let gap = connection(&ledger, &id).await?.coverage.gap;
    let expected = time(60) + SignedDuration::from_millis(NOTICES - 1);
    same(
        gap.map(|gap| gap.noticed_at),
        Some(expected),
        format!("the last of {NOTICES} notices at once"),
    )
}

async fn connecting_begins_to_cover(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = ledger.create_connection(new_connection("43")).await?.id;
    let active = becomes(ConnectionState::Active);
    let made = ledger
        .update_connection(&id, active.clone(), time(10))
        .await?
        .coverage;
    same(
        (made.connected_at, made.covered_until, made.gap),
        (time(10), time(10), None),
        "the coverage of a new connection",
    )?;
    let reason = "the token was rejected".to_owned();
    let noticed = CoverageChange::GapNoticed {
        from: None,
        reason,
        at: time(60),
    };
    let gap = ledger.change_coverage(&id, noticed).await?;
    let still = ledger
        .update_connection(&id, active.clone(), time(65))
        .await?
        .coverage;
    same(
        still,
        gap,
        "the coverage of a connection that was active already",
    )?;
    ledger
        .update_connection(&id, becomes(ConnectionState::Disconnected), time(70))
        .await?;
    ledger.create_connection(new_connection("43")).await?;
    let revived = ledger
        .update_connection(&id, active, time(500))
        .await?
        .coverage;
    same(
        (revived.connected_at, revived.covered_until),
        (time(500), time(500)),
        "from when a revived connection covers",
    )?;
    same(
        (revived.gap, revived.reconciled_at),
        (None, None),
        "the gap of the time without a connection",
    )
}

async fn the_log_is_paged_bounded_and_without_repetition(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let event = |minute: i64, kind, message: &str| ConnectionEvent {
        at: time(minute),
        kind,
        message: message.to_owned(),
    };
    let count = MAX_EVENTS + 20;
    for number in 0..count {
        let (minute, message) = (number as i64, (number / 2).to_string());
        let kind = if number % 2 == 0 {
            EventKind::GapNoticed
        } else {
            EventKind::Reconciled
        };
        ledger
            .record_event(&id, event(minute, kind, &message))
            .await?;
        ledger
            .record_event(&id, event(minute + 1, kind, &message))
            .await?;
    }
    ledger
        .record_event(&other, event(0, EventKind::Connected, "other"))
        .await?;
    let expected: Vec<i64> = (20..count as i64).rev().collect();
    for limit in [7, 1000] {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = ledger.events(&id, cursor.as_deref(), limit).await?;
            seen.extend(page.items.into_iter().map(|event| event.at));
            ensure!(seen.len() <= count, "pages of {limit} have no end");
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> = expected.iter().copied().map(time).collect();
        same(seen, expected, format!("events on pages of {limit}"))?;
    }
    let told = ledger.events(&other, None, 9).await?.items;
    same(
        told,
        [event(0, EventKind::Connected, "other")],
        "the log of another connection",
    )?;
    for kind in EventKind::ALL {
        ledger
            .record_event(&other, event(1, kind, "“what” 🦀"))
            .await?;
        let told = ledger.events(&other, None, 1).await?.items;
        same(told, [event(1, kind, "“what” 🦀")], "the newest event")?;
    }
    Ok(())
}
