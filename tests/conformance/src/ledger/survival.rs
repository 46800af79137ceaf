//! What is there when the process ends without any goodbye.

use anyhow::{Context as _, Result};
use integration_host_contract::{Changes, UserMatch};
use integration_host_ledger::{
    ConnectionEvent, CoverageChange, EventKind, ImportLimits, MAX_PAGE, MemberFilter,
};

use super::fixture::{
    apply, connect, everything, failed, list, map, member, subject, time, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const SURVIVES: &str = "A change that returned Ok is still there when the process ended right after it without any goodbye, \
    unless the provider keeps nothing beyond the process and says so.";

pub(super) const CASES: &[Case] = &[
    case!(
        what_was_recorded_survives,
        SURVIVES,
        "time that was acknowledged would be lost, and nobody would send it again"
    ),
    case!(
        places_in_the_feed_go_on_after_a_crash,
        SURVIVES,
        "the platform would miss what arrives after a crash"
    ),
];

async fn what_was_recorded_survives(world: &World<'_>) -> Result<()> {
    if !world.is_durable() {
        return Ok(());
    }
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    ledger
        .import_members(
            &id,
            &[
                member("u", UserMatch::Matched(user("a"))),
                member("v", UserMatch::Unmatched),
            ],
            &ImportLimits::default(),
        )
        .await?;
    let changes = Changes {
        activities: vec![work("1", "u"), work("2", "v")],
        subjects: vec![subject("p", "1", Some("Project"), None)],
    };
    ledger.apply(&id, &changes, Some(failed("d", 100))).await?;
    let reason = "the webhook was disabled".to_owned();
    ledger
        .change_coverage(
            &id,
            CoverageChange::GapNoticed {
                from: None,
                reason,
                at: time(60),
            },
        )
        .await?;
    let event = ConnectionEvent {
        at: time(60),
        kind: EventKind::GapNoticed,
        message: "Disabled.".to_owned(),
    };
    ledger.record_event(&id, event).await?;
    ledger.heartbeat(time(61)).await?;
    // The last call before the end.
    map(&ledger, &id, "v", Some(user("b"))).await?;
    let everybody = MemberFilter::default();
    let before = (
        ledger.connections().await?,
        ledger.members(&id, &everybody, None, 10).await?,
        ledger.changes(0, MAX_PAGE).await?,
        ledger.deliveries(None, None, None, 10).await?,
        ledger.dead_letters(0, 10).await?,
        ledger.events(&id, None, 10).await?,
    );
    drop(ledger);

    let ledger = world.open().await;
    same(
        ledger.connections().await?,
        before.0,
        "connections after a crash",
    )?;
    same(
        ledger.members(&id, &everybody, None, 10).await?,
        before.1,
        "members after a crash",
    )?;
    same(
        ledger.changes(0, MAX_PAGE).await?,
        before.2,
        "the feed after a crash",
    )?;
    same(
        ledger.deliveries(None, None, None, 10).await?,
        before.3,
        "deliveries after a crash",
    )?;
    same(
        ledger.dead_letters(0, 10).await?,
        before.4,
        "dead letters after a crash",
    )?;
    same(
        ledger.events(&id, None, 10).await?,
        before.5,
        "the log of a connection after a crash",
    )?;
    same(
        ledger.heartbeat(time(70)).await?,
        Some(time(61)),
        "the last heartbeat before a crash",
    )?;
    ledger
        .ready()
        .await
        .context("whether it is ready after a crash")?;
    same(
        list(&ledger, &everything(), 10).await?.len(),
        2,
        "activities after a crash",
    )
}

async fn places_in_the_feed_go_on_after_a_crash(world: &World<'_>) -> Result<()> {
    if !world.is_durable() {
        return Ok(());
    }
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    drop(ledger);
    let mut last = 0;
    for round in 0..4 {
        let ledger = world.open().await;
        same(
            ledger.last_change().await?,
            last,
            "the last place after a crash",
        )?;
        apply(&ledger, &id, vec![work(&round.to_string(), "u")], vec![]).await?;
        let changes = ledger.changes(last, 10).await?;
        same(
            changes.len(),
            1,
            "changes after the last place before a crash",
        )?;
        last = ledger.last_change().await?;
    }
    Ok(())
}
