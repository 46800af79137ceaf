//! Random histories, compared step by step with a map that forgets nothing.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use integration_host_contract::clock::Clock as _;
use integration_host_storage::{Commit, Entry, Expectation, Version, Write};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::scope::Scope;
use super::{Case, World};
use crate::suite::{case, for_random, same};

/// Histories, each of connections of its own in one store.
const HISTORIES: usize = 40;

pub(super) const CASES: &[Case] = &[case!(
    random_histories_agree_with_a_model,
    "A commit happens if every expectation holds, and is a Commit::Conflict otherwise, which writes nothing.",
    "what is stored would not be what was written, in a way that no other case here knows"
)];

/// Few keys, so that they meet, in an order of their own.
const KEYS: [&str; 6] = ["a", "a/1", "a/2", "a/\u{e9}", "b", "B"];
const PREFIXES: [&str; 4] = ["", "a", "a/", "b"];

#[derive(Clone, Debug)]
enum Step {
    Commit {
        expected: Vec<(usize, Expected)>,
        writes: BTreeMap<usize, Change>,
    },
    Pass {
        seconds: i64,
    },
    List {
        prefix: usize,
        after: Option<usize>,
        limit: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Absent,
    Present,
    Former,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put { value: u8, seconds: Option<i64> },
    Delete,
}

#[derive(Clone, Debug)]
struct On {
    connection: usize,
    step: Step,
}

fn step() -> impl Strategy<Value = On> {
    let expected = prop_oneof![
        1 => Just(Expected::Absent),
        4 => Just(Expected::Present),
        1 => Just(Expected::Former)
    ];
    let seconds = prop::option::weighted(0.3, -2..6_i64);
    let change = prop_oneof![
        4 => (0..3_u8, seconds).prop_map(|(value, seconds)| Change::Put { value, seconds }),
        1 => Just(Change::Delete)
    ];
    let commit = (
        prop::collection::vec((0..KEYS.len(), expected), 0..3),
        prop::collection::btree_map(0..KEYS.len(), change, 0..4),
    );
    let commit = commit.prop_map(|(expected, writes)| Step::Commit { expected, writes });
    let list = (
        0..PREFIXES.len(),
        prop::option::of(0..KEYS.len()),
        0..5_usize,
    );
    let list = list.prop_map(|(prefix, after, limit)| Step::List {
        prefix,
        after,
        limit,
    });
    let pass = (1..4_i64).prop_map(|seconds| Step::Pass { seconds });
    let step = prop_oneof![6 => commit, 3 => list, 1 => pass];
    (0..2_usize, step).prop_map(|(connection, step)| On { connection, step })
}

/// What one connection has, as far as the promises tell.
#[derive(Default)]
struct Model {
    /// Whatever is written and not deleted, expired or not.
    entries: BTreeMap<&'static str, Entry>,
    /// Every version a key ever had.
    versions: BTreeMap<&'static str, Vec<Version>>,
}

impl Model {
    fn present(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        let is_present = move |entry: &&Entry| entry.expires_at.is_none_or(|at| now < at);
        self.entries.values().filter(is_present)
    }

    fn get(&self, key: &str, now: Timestamp) -> Option<&Entry> {
        self.present(now).find(|entry| entry.key == key)
    }

    fn expectation(&self, key: &str, expected: Expected, now: Timestamp) -> Expectation {
        let version = match expected {
            Expected::Absent => None,
            Expected::Present => self.get(key, now).map(|entry| entry.version.clone()),
            Expected::Former => self.versions.get(key).and_then(|all| all.first().cloned()),
        };
        Expectation {
            key: key.to_owned(),
            version,
        }
    }

    fn holds(&self, expectation: &Expectation, now: Timestamp) -> bool {
        let present = self.get(&expectation.key, now);
        present.map(|entry| &entry.version) == expectation.version.as_ref()
    }

    /// Takes over what the store has for a key that was just written, and checks that its version is new.
    fn accept(&mut self, key: &'static str, write: &Write, stored: Option<Entry>) -> Result<()> {
        self.entries.remove(key);
        let Some(stored) = stored else { return Ok(()) };
        let versions = self.versions.entry(key).or_default();
        ensure!(
            !versions.contains(&stored.version),
            "the version {:?} was used before",
            stored.version
        );
        versions.push(stored.version.clone());
        same(
            Some(&stored.value),
            write.value.as_ref(),
            format!("the value of {key:?}"),
        )?;
        same(
            stored.expires_at,
            write.expires_at,
            format!("the expiry of {key:?}"),
        )?;
        self.entries.insert(key, stored);
        Ok(())
    }
}

async fn random_histories_agree_with_a_model(world: &World<'_>) -> Result<()> {
    let scope = world.scope().await;
    let histories = Cell::new(0);
    for_random(
        HISTORIES,
        prop::collection::vec(step(), 1..40),
        async |steps| {
            histories.set(histories.get() + 1);
            let scopes = [0, 1].map(|side| scope.of(&format!("{}/{side}", histories.get())));
            let mut models = [Model::default(), Model::default()];
            for On { connection, step } in steps {
                if let (Some(scope), Some(model)) =
                    (scopes.get(connection), models.get_mut(connection))
                {
                    take(world, scope, model, step).await?;
                }
                for (scope, model) in scopes.iter().zip(&models) {
                    let expected: Vec<_> = model.present(world.clock().now()).cloned().collect();
                    same(
                        scope.list("", None, 100).await?,
                        expected,
                        "everything of a connection",
                    )?;
                }
            }
            Ok(())
        },
    )
    .await
}

/// Does one step in the store and in the model.
async fn take(world: &World<'_>, scope: &Scope, model: &mut Model, step: Step) -> Result<()> {
    let now = world.clock().now();
    let key = |index: usize| KEYS.get(index).copied().unwrap_or_default();
    match step {
        Step::Pass { seconds } => world.clock().advance(SignedDuration::from_secs(seconds)),
        Step::List {
            prefix,
            after,
            limit,
        } => {
            let prefix = PREFIXES.get(prefix).copied().unwrap_or_default();
            let after = after.map(key);
            let expected: Vec<Entry> = model
                .present(now)
                .filter(|entry| {
                    entry.key.starts_with(prefix)
                        && after.is_none_or(|after| entry.key.as_str() > after)
                })
                .take(limit)
                .cloned()
                .collect();
            let found = scope.list(prefix, after, limit).await?;
            same(
                found,
                expected,
                format!("{limit} entries with {prefix:?} after {after:?}"),
            )?;
        }
        Step::Commit { expected, writes } => {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(index, what)| model.expectation(key(index), what, now))
                .collect();
            let writes = writes
                .into_iter()
                .map(|(index, change)| (key(index), write(key(index), change, now)));
            let writes: Vec<(&'static str, Write)> = writes.collect();
            let holds = expected
                .iter()
                .all(|expectation| model.holds(expectation, now));
            let all: Vec<Write> = writes.iter().map(|(_, write)| write.clone()).collect();
            let outcome = scope.commit(&expected, &all).await?;
            let right = if holds {
                Commit::Committed
            } else {
                Commit::Conflict
            };
            same(
                outcome,
                right,
                format!("a commit that expects {expected:?}"),
            )?;
            if holds {
                for (key, write) in writes {
                    let stored = scope.get(key).await?;
                    let is_there =
                        write.value.is_some() && write.expires_at.is_none_or(|at| now < at);
                    same(
                        stored.is_some(),
                        is_there,
                        format!("whether {key:?} is there after {write:?}"),
                    )?;
                    model.accept(key, &write, stored)?;
                }
            }
        }
    }
    Ok(())
}

fn write(key: &str, change: Change, now: Timestamp) -> Write {
    let (value, seconds) = match change {
        Change::Put { value, seconds } => (Some(vec![value]), seconds),
        Change::Delete => (None, None),
    };
    Write {
        key: key.to_owned(),
        value,
        expires_at: seconds.map(|seconds| now + SignedDuration::from_secs(seconds)),
    }
}
