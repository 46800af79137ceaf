//! Moving a ledger to another one. A ledger that cannot be moved promises nothing of it.

use anyhow::{Context as _, Result, ensure};
use integration_host::contract::UserMatch;
use integration_host::id::ConnectionId;
use integration_host::ledger::transfer::{Arrived, Contents, Record, RecordKind, Transfer};
use integration_host::ledger::{
    ConnectionEvent, DeliveryStatus, EventKind, LedgerActivity, LedgerError,
};

use super::fixture::{
    Book, apply, connect, deletion, delivery, everything, failed, follow, ids, list, map, member,
    new_connection, record, subject, time, user, work,
};
use super::{Case, World};
use crate::suite::{case, same};

const ORDER: &str = "Records of a kind are told in an order that stays: connections, deliveries and events in the order they \
    were made in, activities in the order of the change feed. Whoever goes on after each page meets every record once.";
const SAME: &str = "Taking over all records, kind after kind in the order of RecordKind::ALL, makes a ledger that tells the \
    same in every respect: the places in the change feed as well, so that followers go on where they were.";
const WHOLE: &str =
    "What one call takes over, and the note of how far that is, is there as a whole or not at all.";
const STEPS: &str = "An export is taken over from its beginning, in order, and nothing twice: a call that does not begin \
    where the last one ended is a LedgerError::Conflict, and so is one for another export.";
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
    same(deliveries, ["d2", "d1", "d3"], "deliveries")?;
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
        let taken_over = destination.take_over(piece.to_vec(), from, &arrived).await;
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
        destination.last_heartbeat().await?,
        transfer.last_heartbeat().await?,
        "when a host last ran",
    )?;
    // It goes on where it was.
    apply(&moved, &id, vec![work("new", "u")], Vec::new()).await?;
    let new = follow(&moved, &mut cursor).await?;
    same(ids(&new), ["new"], "what a follower sees afterwards")
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
            .take_over(piece.to_vec(), from, &arrived)
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
    let nothing = transfer.take_over(Vec::new(), 0, &arrived(1, false)).await;
    ensure_conflict(nothing, "into a ledger that holds something else")?;

    let moved = world.open_elsewhere(Default::default()).await;
    let destination = moved.transfer().context("it cannot be moved to")?;
    let (first, rest) = told.split_at(told.len() / 2);
    let (half, all) = (first.len() as u64, told.len() as u64);
    let too_late = destination
        .take_over(rest.to_vec(), half, &arrived(all, false))
        .await;
    ensure_conflict(too_late, "the second half first")?;
    destination
        .take_over(first.to_vec(), 0, &arrived(half, false))
        .await?;
    for (from, what) in [
        (0, "from the beginning again"),
        (half - 1, "with a line twice"),
        (half + 1, "without a line"),
    ] {
        let step = destination
            .take_over(Vec::new(), from, &arrived(all, false))
            .await;
        ensure_conflict(step, what)?;
    }
    let other = Arrived {
        export: "other".to_owned(),
        ..arrived(all, false)
    };
    let step = destination.take_over(Vec::new(), half, &other).await;
    ensure_conflict(step, "of another export")?;
    same(
        destination.contents().await?,
        Contents::Export(arrived(half, false)),
        "how far the export has arrived after steps that were refused",
    )?;
    destination
        .take_over(rest.to_vec(), half, &arrived(all, true))
        .await?;
    let step = destination
        .take_over(Vec::new(), all, &arrived(all + 1, true))
        .await;
    ensure_conflict(step, "after the last")?;
    same(records(destination, 1000).await?, told, "what was moved")
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
        let taken_over = destination.take_over(call, 0, &arrived(2, false)).await;
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
        ledger.import_members(id, &team).await?;
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
    for delivery in [
        failed("d2", 100),
        delivery("d1", DeliveryStatus::Accepted),
        failed("d3", 1),
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

fn arrived(lines: u64, is_complete: bool) -> Arrived {
    Arrived {
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
