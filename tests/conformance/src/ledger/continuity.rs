//! What the ledger keeps so that nothing is lost unnoticed.

use anyhow::{Result, ensure};
use integration_host::ledger::{
    Attention, ConnectionEvent, ConnectionState, CoverageChange, EventKind, MAX_EVENTS,
};
use jiff::SignedDuration;

use super::fixture::{becomes, connect, connection, new_connection, time};
use super::{Case, World};
use crate::suite::{case, same};

const HEARTBEAT: &str = "A heartbeat is recorded, and the last one before it is told.";
const COVERAGE: &str = "The coverage after a change is what Coverage::after says, and what the connection shows from then \
    on; of changes at once none is lost.";
const BEGINS: &str = "A connection that becomes active covers from that moment on and has no gap, whatever it had before.";
const EVENTS: &str = "The log of a connection is told newest first and keeps the newest MAX_EVENTS; an event of the same \
    kind and message as the newest is left out.";

pub(super) const CASES: &[Case] = &[
    case!(
        the_heartbeat_tells_when_a_host_last_ran,
        HEARTBEAT,
        "time that passed while no host ran would not be read again"
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
        the_log_is_paged_bounded_and_without_repetition,
        EVENTS,
        "the log would fill the disk, or not show what happened"
    ),
];

async fn the_heartbeat_tells_when_a_host_last_ran(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    for (minute, before) in [(1, None), (2, Some(1)), (9, Some(2)), (10, Some(9))] {
        let told = ledger.heartbeat(time(minute)).await?;
        same(
            told,
            before.map(time),
            format!("the heartbeat before minute {minute}"),
        )?;
    }
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
