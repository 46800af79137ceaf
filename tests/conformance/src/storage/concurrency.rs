//! Many callers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use integration_host_storage::{Commit, Entry};

use super::scope::{Scope, absent, delete, put, unchanged};
use super::{Case, World};
use crate::suite::{begin_and_drop, case, same};

const ONE_WINS: &str = "Of any number of commits at once that expect the same version of a key and write it, exactly one happens.";
const SKEW: &str = "An expectation counts for a key that is not written too: of two commits that each expect what the \
    other writes, one happens.";
const WHOLE: &str =
    "Nobody sees a part of a commit: what one list returns has all of it or nothing of it.";
const SEEN: &str = "What was committed is seen by every call that begins afterwards, whichever of several handles it is \
    made with.";
const AT_ONCE: &str =
    "Calls may be made from any number of tasks at once, on one handle and on several.";
const DROPPED: &str = "A call that is dropped before it ended happened as a whole or not at all, and hinders no later one.";

pub(super) const CASES: &[Case] = &[
    case!(
        no_update_is_lost,
        ONE_WINS,
        "of two changes at once one would vanish, without anybody being told"
    ),
    case!(
        one_of_many_creates_a_key,
        ONE_WINS,
        "two would believe that they hold the same lease or name"
    ),
    case!(
        no_write_skew,
        SKEW,
        "two calls would each go by what the other just made untrue"
    ),
    case!(
        a_list_sees_commits_as_a_whole,
        WHOLE,
        "a call would act on half a change"
    ),
    case!(
        what_is_committed_is_seen_through_every_handle,
        SEEN,
        "another host would go by what is long over"
    ),
    case!(
        many_calls_at_once_are_all_answered,
        AT_ONCE,
        "deliveries would be refused as soon as several arrive together"
    ),
    case!(
        a_dropped_call_leaves_nothing_half_done,
        DROPPED,
        "a deadline that passed would leave half a change, or stop everything after it"
    ),
];

/// Handles on one store, for tasks to use at once.
async fn handles(world: &World<'_>, count: usize) -> Vec<Scope> {
    let first = world.open().await;
    let mut handles = Vec::new();
    for _ in 1..count {
        let store = world.open_beside(&first, world.clock().clone()).await;
        handles.push(Scope::new(store, "connection"));
    }
    handles.push(Scope::new(first, "connection"));
    handles
}

/// Runs tasks at once and waits for all.
async fn all<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.context("a task ended early")??);
    }
    Ok(results)
}

fn number(entry: Option<&Entry>) -> Result<u64> {
    let Some(entry) = entry else { return Ok(0) };
    Ok(String::from_utf8(entry.value.clone())?.parse()?)
}

async fn no_update_is_lost(world: &World<'_>) -> Result<()> {
    const EACH: usize = 15;
    let handles = handles(world, 6).await;
    let count = (handles.len() * EACH) as u64;
    all(handles
        .clone()
        .into_iter()
        .map(|scope| count_up(scope, EACH)))
    .await?;
    let scope = handles.first().context("a handle")?;
    let counter = scope.get("counter").await?;
    same(
        number(counter.as_ref())?,
        count,
        "a counter after as many increments",
    )
}

/// Counts up so often, trying again after a conflict.
async fn count_up(scope: Scope, times: usize) -> Result<()> {
    let mut done = 0;
    while done < times {
        let entry = scope.get("counter").await?;
        let expected = entry.as_ref().map_or_else(|| absent("counter"), unchanged);
        let next = number(entry.as_ref())? + 1;
        let outcome = scope
            .commit(&[expected], &[put("counter", next.to_string())])
            .await?;
        done += usize::from(outcome == Commit::Committed);
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn one_of_many_creates_a_key(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 8).await;
    for round in 0..10 {
        let create = |(number, scope): (usize, Scope)| async move {
            let key = format!("lease/{round}");
            scope
                .commit(&[absent(&key)], &[put(&key, number.to_string())])
                .await
        };
        let outcomes = all(handles.clone().into_iter().enumerate().map(create)).await?;
        let winners = outcomes
            .iter()
            .filter(|outcome| **outcome == Commit::Committed);
        same(
            winners.count(),
            1,
            "commits that happened, of 8 that expect the same key to be absent",
        )?;
    }
    Ok(())
}

async fn no_write_skew(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 2).await;
    for round in 0..30 {
        let (left, right) = (format!("left/{round}"), format!("right/{round}"));
        let attempts = handles
            .clone()
            .into_iter()
            .zip([(left.clone(), right.clone()), (right, left)]);
        let outcomes = all(attempts.map(|(scope, (expected, written))| async move {
            scope
                .commit(&[absent(&expected)], &[put(&written, "1")])
                .await
        }))
        .await?;
        let winners = outcomes
            .iter()
            .filter(|outcome| **outcome == Commit::Committed);
        same(
            winners.count(),
            1,
            "commits that happened, of 2 that each expect what the other writes",
        )?;
    }
    Ok(())
}

async fn a_list_sees_commits_as_a_whole(world: &World<'_>) -> Result<()> {
    const KEYS: usize = 40;
    let handles = handles(world, 3).await;
    let [writer, readers @ ..] = handles.as_slice() else {
        return Ok(());
    };
    let write = async |round: usize| {
        // All keys get the same value, or are all gone.
        let writes: Vec<_> = (0..KEYS)
            .map(|number| format!("{number:02}"))
            .map(|key| {
                if round % 5 == 4 {
                    delete(&key)
                } else {
                    put(&key, round.to_string())
                }
            })
            .collect();
        writer.write(&writes).await
    };
    write(0).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let read = readers.iter().cloned().map(|scope| {
        let is_over = Arc::clone(&is_over);
        async move {
            while !is_over.load(Ordering::Relaxed) {
                let listed = scope.list("", None, KEYS).await?;
                let is_whole = listed.is_empty() || listed.len() == KEYS;
                let mut values = listed.iter().map(|entry| &entry.value);
                let first = values.next();
                ensure!(
                    is_whole && values.all(|value| Some(value) == first),
                    "a list has {} of {KEYS} keys that are written and deleted together, and not all of one commit",
                    listed.len()
                );
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    });
    let write = async {
        let mut outcome = Ok(());
        for round in 1..60 {
            outcome = outcome.and(write(round).await);
            tokio::task::yield_now().await;
        }
        // Readers end with the writer, whatever became of it.
        is_over.store(true, Ordering::Relaxed);
        outcome
    };
    tokio::try_join!(all(read), write).map(drop)
}

async fn what_is_committed_is_seen_through_every_handle(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 3).await;
    for round in 0..20_usize {
        let (key, value) = ("key", round.to_string());
        let writer = handles.get(round % handles.len()).context("a handle")?;
        writer
            .write(&[put(key, &value), put(&format!("{round:02}"), "1")])
            .await?;
        for reader in &handles {
            same(
                reader.value(key).await?,
                Some(value.clone().into_bytes()),
                "a value that was just committed",
            )?;
            same(
                reader.all().await?.len(),
                round + 2,
                "keys that were just committed",
            )?;
        }
    }
    Ok(())
}

async fn many_calls_at_once_are_all_answered(world: &World<'_>) -> Result<()> {
    let handles = handles(world, 2).await;
    let calls = (0..64_usize).filter_map(|number| {
        let scope = handles
            .get(number % handles.len())?
            .of(&format!("connection{}", number % 8));
        Some(async move {
            let key = format!("{number:02}");
            for round in 0..4 {
                scope.write(&[put(&key, round.to_string())]).await?;
                same(
                    scope.value(&key).await?,
                    Some(round.to_string().into_bytes()),
                    "a value nobody else writes",
                )?;
                scope.all().await?;
            }
            Ok(())
        })
    });
    all(calls).await.map(drop)
}

async fn a_dropped_call_leaves_nothing_half_done(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    for round in 0..40 {
        let keys = [format!("{round:02}/a"), format!("{round:02}/b")];
        let writes = keys.clone().map(|key| put(&key, vec![1; 10_000]));
        begin_and_drop(scope.commit(&[], &writes), round % 8).await;
        begin_and_drop(scope.list("", None, 100), round % 3).await;
        // Whoever goes on finds a store that works. What was dropped may still happen, at any time.
        let after = put(&format!("{round:02}/after"), "1");
        scope.write(&[after]).await?;
        let found = scope.keys(&format!("{round:02}/"), None, 10).await?.len();
        ensure!(
            found == 1 || found == 3,
            "of a dropped commit of 2 writes, {} are there",
            found.saturating_sub(1)
        );
    }
    Ok(())
}
