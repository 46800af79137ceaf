//! Ids of activities: those of a time, and those that still run.

use anyhow::{Result, ensure};

use super::fixture::{apply, connect, deletion, entry, log, time};
use super::{Case, World};
use crate::suite::{case, same};

const STOPPED: &str = "Ids are those of activities that have stopped, are not deleted and ran at some time from from to \
    to, both included, ordered byte by byte.";
const FOUND: &str = "Activities are found by their ids, deleted ones too.";
const RUNNING: &str = "Running are the activities that began before the time, have no end and are not deleted, newest \
    first.";

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

pub(super) const CASES: &[Case] = &[
    case!(
        ids_are_those_that_ran_in_the_range_and_have_stopped,
        STOPPED,
        "a comparison would miss entries that were deleted at the remote service"
    ),
    case!(
        activities_are_found_by_their_ids,
        FOUND,
        "what the remote service does not list any more would be taken for something nobody logged"
    ),
    case!(
        running_entries_are_found_by_when_they_began,
        RUNNING,
        "an entry whose end was never delivered would run for ever"
    ),
];

/// Starts and lengths, in minutes, of many kinds: short, long, running.
fn many() -> Vec<(String, i64, Option<i64>, usize)> {
    let lengths = [
        Some(0),
        Some(30),
        Some(HOUR),
        Some(HOUR + 1),
        Some(DAY),
        Some(DAY + 1),
        Some(40 * DAY),
        None,
    ];
    let kinds = lengths.into_iter().cycle().zip(0..160_usize);
    kinds
        .map(|(length, number)| {
            let start = ((number * 7919) % 160) as i64 * 15 * HOUR;
            (
                format!("{number:03}"),
                start,
                length.map(|length| start + length),
                number,
            )
        })
        .collect()
}

async fn activities_are_found_by_their_ids(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "1").await?, connect(&ledger, "2").await?);
    let shown = |id: &str| entry(id, "1", log("u1", None, 0, Some(60)));
    let activities = vec![shown("1"), shown("2"), shown("3"), deletion("2", "2")];
    apply(&ledger, &id, activities, vec![]).await?;
    apply(&ledger, &other, vec![shown("4")], vec![]).await?;
    let wanted = ["4", "2", "none", "1"].map(str::to_owned);
    let found = ledger.activities_by_id(&id, &wanted).await?;
    let mut found: Vec<_> = (found.into_iter())
        .map(|one| (one.entry_id, one.deleted))
        .collect();
    found.sort_unstable();
    let expected = vec![("1".to_owned(), false), ("2".to_owned(), true)];
    same(found, expected, "the activities with these ids")?;
    let nothing = ledger.activities_by_id(&id, &[]).await?;
    ensure!(nothing.is_empty(), "no ids found {nothing:?}");
    Ok(())
}

async fn ids_are_those_that_ran_in_the_range_and_have_stopped(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let connections = [connect(&ledger, "1").await?, connect(&ledger, "2").await?];
    for (side, connection) in connections.iter().enumerate() {
        let mut activities = Vec::new();
        for (id, start, stop, number) in many().into_iter().filter(|entry| entry.3 % 2 == side) {
            activities.push(entry(&id, "1", log("u", None, start, stop)));
            if number % 5 == 0 {
                activities.push(deletion(&id, "2"));
            }
        }
        apply(&ledger, connection, activities, vec![]).await?;
    }
    for (side, connection) in connections.iter().enumerate() {
        for (from, to) in [
            (0, 100 * DAY),
            (50 * DAY, 50 * DAY + 10),
            (10 * DAY, 20 * DAY),
            (15 * HOUR, 15 * HOUR),
        ] {
            let is_wanted = |(_, start, stop, number): &(String, i64, Option<i64>, usize)| {
                number % 2 == side
                    && number % 5 != 0
                    && *start <= to
                    && stop.is_some_and(|stop| stop >= from)
            };
            let expected: Vec<_> = many()
                .into_iter()
                .filter(is_wanted)
                .map(|(id, ..)| id)
                .collect();
            let mut found: Vec<String> = Vec::new();
            loop {
                let after = found.last().map(String::as_str);
                let page = ledger
                    .activity_ids(connection, time(from), time(to), after, 9)
                    .await?;
                if page.is_empty() {
                    break;
                }
                found.extend(page);
                ensure!(found.len() < 1000, "pages of ids have no end");
            }
            same(found, expected, format!("ids from minute {from} to {to}"))?;
        }
    }
    Ok(())
}

async fn running_entries_are_found_by_when_they_began(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let activities = vec![
        entry("old", "1", log("7", None, 10, None)),
        entry("older", "1", log("7", None, 5, None)),
        entry("new", "1", log("7", None, 60, None)),
        entry("stopped", "1", log("7", None, 10, Some(20))),
        entry("deleted", "1", log("7", None, 10, None)),
        deletion("deleted", "2"),
    ];
    apply(&ledger, &id, activities, vec![]).await?;
    apply(
        &ledger,
        &other,
        vec![entry("other", "1", log("7", None, 10, None))],
        vec![],
    )
    .await?;
    same(
        ledger.running_ids(&id, time(60), 100).await?,
        ["old", "older"],
        "entries that ran an hour ago",
    )?;
    same(
        ledger.running_ids(&id, time(61), 2).await?,
        ["new", "old"],
        "the newest two that run",
    )
}
