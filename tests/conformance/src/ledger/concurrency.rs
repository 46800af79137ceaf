//! Many callers at once, and callers that do not wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::Changes;
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::DeliveryStatus::Accepted;

use super::deliveries::all;
use super::fixture::{
    Book, apply, connect, delivery, entry, everything, everything_of, failed, follow, list, log,
    map, record, subject, user, work,
};
use super::{Case, World};
use crate::suite::{begin_and_drop, case, same};

const AT_ONCE: &str = "Calls may be made from any number of tasks at once, on one handle and on several, and each happens \
    as if alone.";
const SEEN: &str = "A change is seen by every call that begins after it returned, whichever of several handles it is made \
    with.";
const FEED: &str = "Whoever follows the feed misses nothing, however many changes are made at once: no place appears \
    before one that was told already, and last_change is the last.";
const DROPPED: &str = "A call that is dropped before it ended happened as a whole or not at all, and hinders no later one.";

pub(super) const CASES: &[Case] = &[
    case!(
        deliveries_at_once_are_each_there_once,
        AT_ONCE,
        "time would be lost or doubled whenever much arrives together"
    ),
    case!(
        states_of_one_entry_at_once_end_as_the_newest,
        AT_ONCE,
        "a correction would be lost when it arrives together with what it corrects"
    ),
    case!(
        mappings_and_activities_at_once_agree,
        AT_ONCE,
        "time that arrives while somebody is being mapped would stay nobody's"
    ),
    case!(
        a_change_is_seen_through_every_handle,
        SEEN,
        "another host would refuse deliveries of a connection just made"
    ),
    case!(
        whoever_follows_the_feed_misses_nothing,
        FEED,
        "time logs would be missing from the platform for ever, without anybody noticing"
    ),
    case!(
        a_dropped_call_leaves_nothing_half_done,
        DROPPED,
        "a deadline that passed would leave half a delivery, or stop everything after it"
    ),
];

/// Handles on one ledger.
async fn handles(world: &World<'_>, count: usize) -> Vec<Book> {
    let first = world.open().await;
    let mut handles = Vec::new();
    for _ in 1..count {
        handles.push(world.open_beside(&first, Default::default()).await);
    }
    handles.push(first);
    handles
}

/// Runs tasks at once and waits for all.
async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.context("a task ended early")??);
    }
    Ok(results)
}

/// Accepts a delivery that brings an entry of a subject with a name.
async fn deliver(ledger: &Book, id: &ConnectionId, name: &str) -> Result<()> {
    let changes = Changes {
        activities: vec![entry(name, "1", log("u", Some("p"), 0, Some(60)))],
        subjects: vec![subject("p", "1", Some("Project"), None)],
    };
    ledger
        .apply(id, &changes, Some(delivery(name, Accepted)))
        .await?;
    Ok(())
}

async fn deliveries_at_once_are_each_there_once(world: &World<'_>) -> Result<()> {
    const EACH: usize = 12;
    let handles = handles(world, 4).await;
    let ledger = handles.first().context("a handle")?;
    let id = connect(ledger, "43").await?;
    let tasks = handles
        .iter()
        .cloned()
        .zip(0..)
        .flat_map(|(ledger, handle)| {
            // Every delivery arrives twice, through different handles.
            [handle, (handle + 1) % 4].map(|name| (ledger.clone(), id.clone(), name))
        });
    let tasks = tasks.map(|(ledger, id, name)| async move {
        for number in 0..EACH {
            deliver(&ledger, &id, &format!("{name}-{number}")).await?;
        }
        Ok(())
    });
    together(tasks).await?;
    same(
        list(ledger, &everything(), 100).await?.len(),
        4 * EACH,
        "activities of deliveries that each arrived twice",
    )?;
    same(
        all(ledger, None, None, 100).await?.len(),
        4 * EACH,
        "deliveries that each arrived twice",
    )?;
    let feed = follow(ledger, &mut 0).await?;
    same(feed.len(), 4 * EACH, "activities in the feed")
}

async fn states_of_one_entry_at_once_end_as_the_newest(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 3).await;
    let ledger = handles.first().context("a handle")?;
    let id = connect(ledger, "43").await?;
    for round in 0..10 {
        let name = format!("entry-{round}");
        let states = (0..9_i64)
            .zip(handles.iter().cycle())
            .map(|(revision, ledger)| {
                let state = entry(
                    &name,
                    &format!("r{revision}"),
                    log("u", None, 0, Some(revision)),
                );
                let (ledger, id) = (Arc::clone(ledger), id.clone());
                async move { apply(&ledger, &id, vec![state], vec![]).await }
            });
        together(states).await?;
        let shown = list(ledger, &everything(), 100).await?;
        let shown = shown
            .iter()
            .find(|activity| activity.entry_id == name)
            .context("an entry is missing")?;
        same(
            shown.revision.as_str(),
            "r8",
            "the revision that counts, of 9 that arrived at once",
        )?;
    }
    Ok(())
}

async fn mappings_and_activities_at_once_agree(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 2).await;
    let [one, other] = handles.as_slice() else {
        return Ok(());
    };
    let id = connect(one, "43").await?;
    for round in 0..15 {
        let member = format!("u{round}");
        apply(one, &id, vec![work(&format!("{round}-0"), &member)], vec![]).await?;
        let arrive = {
            let (ledger, id, member) = (Arc::clone(one), id.clone(), member.clone());
            tokio::spawn(async move {
                for number in 1..6 {
                    apply(
                        &ledger,
                        &id,
                        vec![work(&format!("{round}-{number}"), &member)],
                        vec![],
                    )
                    .await?;
                }
                anyhow::Ok(())
            })
        };
        map(other, &id, &member, Some(user(&member))).await?;
        arrive.await??;
        let mapped = integration_host_ledger::ActivityFilter {
            user: Some(user(&member).id),
            ..Default::default()
        };
        same(
            list(one, &mapped, 100).await?.len(),
            6,
            "activities of a member that was mapped while they arrived",
        )?;
    }
    Ok(())
}

async fn a_change_is_seen_through_every_handle(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 3).await;
    for (round, writer) in handles.iter().cycle().take(9).enumerate() {
        let id = connect(writer, &round.to_string()).await?;
        deliver(writer, &id, &format!("delivery-{round}")).await?;
        let last = writer.last_change().await?;
        for reader in &handles {
            let found = reader
                .connection(&id)
                .await?
                .context("a connection that was just made is missing")?;
            same(
                found.last_delivery_at.is_some(),
                true,
                "whether a delivery is seen that was just recorded",
            )?;
            let by_hook = reader.connection_by_hook(&found.hook).await?;
            same(
                by_hook.map(|found| found.id),
                Some(id.clone()),
                "who has a hook that was just made",
            )?;
            same(
                list(reader, &everything_of(&id), 9).await?.len(),
                1,
                "activities that were just applied",
            )?;
            same(
                reader.last_change().await?,
                last,
                "the last place in the feed",
            )?;
        }
    }
    Ok(())
}

async fn whoever_follows_the_feed_misses_nothing(world: &World<'_>) -> Result<()> {
    const WRITERS: usize = 6;
    const EACH: usize = 25;
    let handles = handles(world, WRITERS + 1).await;
    let [reader, writers @ ..] = handles.as_slice() else {
        return Ok(());
    };
    // Of several connections, so that nothing makes one wait for the other but the feed.
    let mut tasks = Vec::new();
    for (number, ledger) in writers.iter().enumerate() {
        let (ledger, id) = (
            Arc::clone(ledger),
            connect(reader, &number.to_string()).await?,
        );
        tasks.push(async move {
            for entry in 0..EACH {
                // Some calls move one activity, some many: they take differently long.
                let first = entry - entry % 5;
                let revision = format!("{entry:02}");
                let again = (first..=entry).map(|earlier| {
                    let content = log("u", Some("p"), 0, Some(entry as i64));
                    super::fixture::entry(&format!("{number}-{earlier}"), &revision, content)
                });
                apply(&ledger, &id, again.collect(), vec![]).await?;
            }
            Ok(())
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let followed = {
        let (reader, is_over) = (Arc::clone(reader), Arc::clone(&is_over));
        tokio::spawn(async move {
            let (mut cursor, mut latest) = (0, BTreeMap::new());
            loop {
                // Looked at before reading: what is applied until then must be met.
                let was_over = is_over.load(Ordering::SeqCst);
                let last = reader.last_change().await?;
                let changes = follow(&reader, &mut cursor).await?;
                ensure!(
                    cursor >= last,
                    "the feed ends at {cursor}, before its last place, {last}"
                );
                for activity in changes {
                    latest.insert(activity.entry_id.clone(), activity);
                }
                if was_over {
                    return Ok(latest);
                }
                tokio::task::yield_now().await;
            }
        })
    };
    together(tasks).await?;
    is_over.store(true, Ordering::SeqCst);
    let followed = followed.await.context("a task ended early")??;
    let listed = list(reader, &everything(), 1000).await?;
    let listed: BTreeMap<_, _> = listed
        .into_iter()
        .map(|activity| (activity.entry_id.clone(), activity))
        .collect();
    let missed: BTreeSet<_> = listed
        .iter()
        .filter(|(id, activity)| followed.get(*id) != Some(activity))
        .collect::<BTreeMap<_, _>>()
        .into_keys()
        .collect();
    same(
        missed,
        BTreeSet::<&String>::new(),
        "entries whose last change somebody missed who followed the feed",
    )
}

async fn a_dropped_call_leaves_nothing_half_done(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    for round in 0..40 {
        let names = [format!("{round}-a"), format!("{round}-b")];
        let activities = names.clone().map(|name| work(&name, "u")).to_vec();
        let changes = Changes {
            activities,
            subjects: vec![],
        };
        let delivery_of = failed(&format!("dropped-{round}"), 2000);
        begin_and_drop(ledger.apply(&id, &changes, Some(delivery_of)), round % 8).await;
        begin_and_drop(ledger.changes(0, 100), round % 3).await;
        record(&ledger, &id, delivery(&format!("after-{round}"), Accepted))
            .await
            .context("a call after one that was dropped")?;
        // What was dropped may still happen, as a whole. A list sees all of it or nothing.
        let listed = list(&ledger, &everything(), 1000).await?;
        let found = names
            .iter()
            .filter(|name| listed.iter().any(|activity| activity.entry_id == **name))
            .count();
        ensure!(
            found != 1,
            "of a dropped call that brought 2 activities, 1 is there"
        );
        let delivery = ledger
            .delivery(&DeliveryId::new(format!("dropped-{round}")))
            .await?;
        ensure!(
            found == 0 || delivery.is_some(),
            "a dropped call brought its activities and not its delivery"
        );
    }
    Ok(())
}
