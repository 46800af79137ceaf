//! Moving a ledger to another one. A ledger that cannot be moved promises nothing of it.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::UserMatch;
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, RecordKind, Transfer};
use integration_host_ledger::{
    ConnectionEvent, DeliveryStatus, EventKind, ImportLimits, LedgerActivity, LedgerError,
};

use super::fixture::{
    Book, apply, connect, deletion, delivery, everything, failed, follow, ids, list, map, member,
    nameless, new_connection, record, subject, time, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const ORDER: &str = "Records of a kind are told in an order that stays: connections, deliveries and events in the order they \
    were made in, activities in the order of the change feed. Whoever goes on after each page meets every record once.";
const SAME: &str = "Taking over all records, kind after kind in the order of RecordKind::ALL, makes a ledger that tells the \
    same in every respect, the places in the change feed as well.";
const WHOLE: &str =
    "What one call takes over, and the note of how far that is, is there as a whole or not at all.";
const STEPS: &str = "An export is taken over from its beginning, in order, and nothing twice: a call that does not begin \
    where the last one ended is a LedgerError::Conflict, and so is one for another export.";
const ONCE: &str = "A connection, member, subject, activity, delivery or request that is there already is \
    LedgerError::Invalid, and nothing of its call is kept.";
const LIFE: &str = "Whoever took over all of an export has the id of the ledger it was made of, and has begun a life.";
const MENTIONED: &str = "A record that mentions what was not taken over before is LedgerError::Invalid or \
    LedgerError::NotFound, and nothing of its call is kept.";

pub(super) const CASES: &[Case] = &[
    case!(
        records_are_told_once_in_their_order,
        ORDER,
        "an export would lack something, or have it twice"
    ),
    case!(
        what_is_taken_over_is_told_the_same,
        SAME,
        "a host would go on differently after it was moved"
    ),
    case!(
        what_is_noted_as_taken_over_is_there,
        WHOLE,
        "an import that was interrupted would go on behind what is missing"
    ),
    case!(
        steps_of_an_import_follow_each_other,
        STEPS,
        "two imports at once, or one that is begun again, would mix or lose records"
    ),
    case!(
        what_is_there_already_is_not_taken_over_again,
        ONCE,
        "of an export that has something twice nobody would be told where"
    ),
    case!(
        what_was_taken_over_lives_anew,
        LIFE,
        "followers would take places of one ledger to the other, and changes that only one of them had would be skipped"
    ),
    case!(
        what_was_not_taken_over_cannot_be_mentioned,
        MENTIONED,
        "a damaged export would leave half of itself"
    ),
];

async fn records_are_told_once_in_their_order(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    for limit in [1, 2, 3] {
        let again = records(transfer, limit).await?;
        same(again, told.clone(), format!("records on pages of {limit}"))?;
    }
    let (mut connections, mut places, mut deliveries, mut events) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for record in told {
        match record {
            Record::Connection(moved) => connections.push(moved.connection),
            Record::Activity(moved) => places.push((moved.place, moved.id)),
            Record::Delivery(moved) => deliveries.push(moved.record.id.to_string()),
            Record::Event(moved) => events.push(moved.event.message),
            _ => {}
        }
    }
    same(connections, ledger.connections().await?, "connections")?;
    let feed = follow(&ledger, &mut 0).await?;
    let feed: Vec<_> = feed
        .into_iter()
        .map(|activity| (activity.cursor, activity.entry_id))
        .collect();
    same(places, feed, "activities, against the change feed")?;
    same(deliveries, ["d2", "d1", "d3", "d4"], "deliveries")?;
    same(events, ["first", "second"], "events")
}

async fn what_is_taken_over_is_told_the_same(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    let id = fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    same(
        destination.contents().await?,
        Contents::Nothing,
        "an empty ledger",
    )?;
    let mut lines = 0;
    for piece in told.chunks(4) {
        let from = lines;
        lines += piece.len() as u64;
        let arrived = arrived(lines, lines == told.len() as u64);
        let taken_over = destination
            .import_batch(piece.to_vec(), from, &arrived)
            .await;
        taken_over.context("a piece of an export")?;
        same(
            destination.contents().await?,
            Contents::Export(arrived),
            "how far the export has arrived",
        )?;
    }
    same(records(destination, 1000).await?, told, "what was moved")?;
    same(
        moved.connections().await?,
        ledger.connections().await?,
        "connections",
    )?;
    same(
        by_id(list(&moved, &everything(), 100).await?),
        by_id(list(&ledger, &everything(), 100).await?),
        "activities",
    )?;
    let mut cursor = 0;
    same(
        follow(&moved, &mut cursor).await?,
        follow(&ledger, &mut 0).await?,
        "the change feed",
    )?;
    same(
        moved.last_change().await?,
        ledger.last_change().await?,
        "the last place in the change feed",
    )?;
    same(
        moved.last_heartbeat().await?,
        ledger.last_heartbeat().await?,
        "when a host last ran",
    )?;
    // It goes on where it was.
    apply(&moved, &id, vec![work("new", "u")], Vec::new()).await?;
    let new = follow(&moved, &mut cursor).await?;
    same(ids(&new), ["new"], "what a follower sees afterwards")?;
    let again = nameless("d5", "ping", DeliveryStatus::Ping);
    record(&moved, &id, again).await?;
    let first = moved.delivery(&DeliveryId::new("d4")).await?;
    same(
        first.map(|first| first.attempts),
        Some(2),
        "how often a delivery was handled that came again after the move",
    )
}

async fn what_is_noted_as_taken_over_is_there(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let mut lines = 0;
    for piece in told.chunks(3) {
        let from = lines;
        lines += piece.len() as u64;
        let arrived = arrived(lines, false);
        destination
            .import_batch(piece.to_vec(), from, &arrived)
            .await?;
        let there = records(destination, 1000).await?;
        for record in piece {
            // How many members a connection has follows from these, and they come later.
            let is_there = match record {
                Record::Connection(expected) => there.iter().any(|found| {
                    matches!(found, Record::Connection(found) if found.connection.id == expected.connection.id)
                }),
                Record::Ledger(_) => true,
                record => there.contains(record),
            };
            ensure!(
                is_there,
                "{record:?} is missing, and {lines} lines are noted as taken over"
            );
        }
    }
    Ok(())
}

async fn steps_of_an_import_follow_each_other(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    let nothing = transfer
        .import_batch(Vec::new(), 0, &arrived(1, false))
        .await;
    ensure_conflict(nothing, "into a ledger that holds something else")?;

    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let (first, rest) = told.split_at(told.len() / 2);
    let (half, all) = (first.len() as u64, told.len() as u64);
    let too_late = destination
        .import_batch(rest.to_vec(), half, &arrived(all, false))
        .await;
    ensure_conflict(too_late, "the second half first")?;
    destination
        .import_batch(first.to_vec(), 0, &arrived(half, false))
        .await?;
    for (from, what) in [
        (0, "from the beginning again"),
        (half - 1, "with a line twice"),
        (half + 1, "without a line"),
    ] {
        let step = destination
            .import_batch(Vec::new(), from, &arrived(all, false))
            .await;
        ensure_conflict(step, what)?;
    }
    let other = ImportProgress {
        export: "other".to_owned(),
        ..arrived(all, false)
    };
    let step = destination.import_batch(Vec::new(), half, &other).await;
    ensure_conflict(step, "of another export")?;
    same(
        destination.contents().await?,
        Contents::Export(arrived(half, false)),
        "how far the export has arrived after steps that were refused",
    )?;
    destination
        .import_batch(rest.to_vec(), half, &arrived(all, true))
        .await?;
    let step = destination
        .import_batch(Vec::new(), all, &arrived(all + 1, true))
        .await;
    ensure_conflict(step, "after the last")?;
    same(records(destination, 1000).await?, told, "what was moved")
}

async fn what_is_there_already_is_not_taken_over_again(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let mut lines = 0;
    for record in &told {
        let next = lines + 1;
        if !matches!(record, Record::Event(_) | Record::Ledger(_)) {
            let twice = vec![record.clone(), record.clone()];
            let arrived = arrived(next + 1, false);
            let taken_over = destination.import_batch(twice, lines, &arrived).await;
            ensure_doubled(taken_over, record, "twice in a call")?;
        }
        let once = vec![record.clone()];
        let taken_over = destination
            .import_batch(once, lines, &arrived(next, false))
            .await;
        taken_over.with_context(|| format!("{record:?} after it was refused"))?;
        lines = next;
    }
    for record in &told {
        if matches!(record, Record::Event(_) | Record::Ledger(_)) {
            continue;
        }
        let again = vec![record.clone()];
        let taken_over = destination
            .import_batch(again, lines, &arrived(lines + 1, false))
            .await;
        ensure_doubled(taken_over, record, "again")?;
    }
    same(records(destination, 1000).await?, told, "what was moved")
}

fn ensure_doubled(taken_over: Result<(), LedgerError>, record: &Record, how: &str) -> Result<()> {
    ensure!(
        matches!(taken_over, Err(LedgerError::Invalid(_))),
        "{record:?} was taken over {how}: {taken_over:?}"
    );
    Ok(())
}

async fn what_was_taken_over_lives_anew(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let original = ledger.identity().await?;
    let told = records(transfer, 1000).await?;
    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let before = moved.identity().await?;
    let (half, all) = (told.len() / 2, told.len());
    for (from, to) in [(0, half), (half, all)] {
        let piece = told.get(from..to).unwrap_or_default().to_vec();
        let arrived = arrived(to as u64, to == all);
        destination
            .import_batch(piece, from as u64, &arrived)
            .await?;
    }
    let after = moved.identity().await?;
    same(&after.id, &original.id, "the id of what was moved")?;
    ensure!(
        after.life != before.life && after.life != original.life && !after.is_first_life,
        "the life of what was moved is {after:?}; it was {before:?}, and that of the original {original:?}"
    );
    same(
        ledger.identity().await?,
        original,
        "the identity of the original",
    )
}

async fn what_was_not_taken_over_cannot_be_mentioned(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let Some(transfer) = ledger.transfer() else {
        return Ok(());
    };
    fill(&ledger).await?;
    let told = records(transfer, 1000).await?;
    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let unfinished = (told.iter().rev())
        .find(|record| matches!(record, Record::Connection(_)))
        .context("a connection was told")?;
    for record in &told {
        if matches!(record, Record::Connection(_) | Record::Ledger(_)) {
            continue;
        }
        // A connection that is nobody's, so that there is something of which nothing may be kept.
        let call = vec![unfinished.clone(), record.clone()];
        let taken_over = destination.import_batch(call, 0, &arrived(2, false)).await;
        ensure!(
            matches!(
                taken_over,
                Err(LedgerError::Invalid(_) | LedgerError::NotFound(_))
            ),
            "{record:?} was taken over without its connection: {taken_over:?}"
        );
        same(
            destination.contents().await?,
            Contents::Nothing,
            "what was kept of a call that failed",
        )?;
    }
    Ok(())
}

/// Fills a ledger with something of every kind. Returns a connection that is active.
async fn fill(ledger: &Book) -> Result<ConnectionId> {
    let (id, other) = (connect(ledger, "43").await?, connect(ledger, "44").await?);
    ledger
        .create_connection(new_connection("unfinished"))
        .await?;
    let team = [
        member("u", UserMatch::Matched(user("a"))),
        member("v", UserMatch::Unmatched),
    ];
    for id in [&id, &other] {
        ledger
            .import_members(id, &team, &ImportLimits::default())
            .await?;
    }
    let subjects = vec![
        subject("client", "1", Some("Client"), None),
        subject("project", "1", None, Some("client")),
    ];
    let activities = vec![work("1", "u"), work("2", "v"), deletion("3", "1")];
    apply(ledger, &other, activities.clone(), Vec::new()).await?;
    apply(ledger, &id, activities, subjects).await?;
    apply(ledger, &other, vec![deletion("1", "2")], Vec::new()).await?;
    map(ledger, &id, "v", Some(user("b"))).await?;
    // One address went to another user, who has what is new, and one is no longer confirmed.
    let team = [
        member("u", UserMatch::Matched(user("c"))),
        member("w", UserMatch::Matched(user("w"))),
    ];
    for team in [&team[..], &[member("w", UserMatch::Unmatched)]] {
        (ledger.import_members(&id, team, &ImportLimits::default())).await?;
    }
    apply(ledger, &id, vec![work("4", "u")], Vec::new()).await?;
    for delivery in [
        failed("d2", 100),
        delivery("d1", DeliveryStatus::Accepted),
        failed("d3", 1),
        nameless("d4", "ping", DeliveryStatus::Ping),
    ] {
        record(ledger, &id, delivery).await?;
    }
    for (minute, message) in [(1, "first"), (2, "second")] {
        let event = ConnectionEvent {
            at: time(minute),
            kind: EventKind::Connected,
            message: message.to_owned(),
        };
        ledger.record_event(&id, event).await?;
    }
    ledger.heartbeat(time(9)).await?;
    Ok(id)
}

/// Everything a ledger tells, kind after kind.
async fn records(transfer: &dyn Transfer, limit: usize) -> Result<Vec<Record>> {
    let mut told = Vec::new();
    for kind in RecordKind::ALL {
        let mut after = None::<String>;
        loop {
            let page = transfer.records(kind, after.as_deref(), limit).await?;
            ensure!(
                page.items.iter().all(|record| record.kind() == kind),
                "among the {} is something else",
                kind.plural()
            );
            told.extend(page.items);
            ensure!(told.len() < 1000, "pages of {limit} have no end");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(told)
}

/// Without the order in which a list has those that begin at the same time, which is nowhere promised.
fn by_id(mut activities: Vec<LedgerActivity>) -> Vec<LedgerActivity> {
    activities.sort_unstable_by_key(|activity| {
        (activity.connection_id.clone(), activity.entry_id.clone())
    });
    activities
}

fn arrived(lines: u64, is_complete: bool) -> ImportProgress {
    ImportProgress {
        export: "an export".to_owned(),
        lines,
        is_complete,
    }
}

fn ensure_conflict(step: Result<(), LedgerError>, what: &str) -> Result<()> {
    ensure!(
        matches!(step, Err(LedgerError::Conflict(_))),
        "a step {what} is no conflict: {step:?}"
    );
    Ok(())
}
