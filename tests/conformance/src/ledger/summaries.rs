//! Summaries: what a list adds up to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ConnectionState, Counted, MAX_INTERVALS, Summary};
use jiff::Timestamp;
use proptest::prelude::*;

use super::fixture::{apply, becomes, connect, entry, everything_of, follow, list, log, time};
use super::lists::many;
use super::model::{Entry, MAPPED, Question, TAGS, fill, name, question};
use super::{Case, World};
use crate::suite::{case, for_random, same};

const ADDED: &str = "A summary adds up what the list of its filter has between the first and the last boundary, cut at the \
    boundaries.";
const FACETS: &str = "The facets of a summary count what is there whatever user, member, subject, tag, billing and text \
    are chosen.";

const FROZEN: &str = "What has no end of a connection that was active and is not is frozen: it counts for no time and does not run \
    until the connection is active again. Either moves it to the end of the feed.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_summary_adds_up_what_its_list_has,
        ADDED,
        "hours would be billed that nobody worked"
    ),
    case!(
        facets_count_what_could_be_chosen,
        FACETS,
        "a filter would offer what is not there, or leave out what is"
    ),
    case!(
        what_ran_when_a_connection_ended_is_frozen,
        FROZEN,
        "a timer that was stopped long ago would count for ever"
    ),
];

async fn what_ran_when_a_connection_ended_is_frozen(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let running = |entry_id: &str| entry(entry_id, "1", log("a", None, 0, None));
    let ended = entry("ended", "1", log("a", None, 0, Some(10)));
    apply(&ledger, &id, vec![running("runs"), ended], Vec::new()).await?;
    apply(&ledger, &other, vec![running("elsewhere")], Vec::new()).await?;
    let mut cursor = 0;
    follow(&ledger, &mut cursor).await?;
    // What a person sees while it is being disconnected is what is seen afterwards.
    for (state, frozen) in [
        (ConnectionState::Connecting, true),
        (ConnectionState::Disconnected, true),
        (ConnectionState::Active, false),
    ] {
        let what = |of: &str| format!("{of} while the connection is {}", state.as_str());
        let update = becomes(state);
        ledger.update_connection(&id, update, time(20)).await?;
        let told = follow(&ledger, &mut cursor).await?;
        let told: Vec<_> = (told.iter())
            .map(|one| (one.entry_id.as_str(), one.frozen))
            .collect();
        let expected = match state {
            ConnectionState::Disconnected => Vec::new(),
            _ => vec![("runs", frozen)],
        };
        same(told, expected, what("the feed"))?;
        let listed = list(&ledger, &everything_of(&id), 10).await?;
        let mut listed: Vec<_> = (listed.iter())
            .map(|one| (one.entry_id.as_str(), one.frozen, one.runs()))
            .collect();
        listed.sort_unstable();
        let expected = vec![("ended", false, false), ("runs", frozen, !frozen)];
        same(listed, expected, what("the list"))?;
        let of = |id: &ConnectionId| {
            let filter = everything_of(id);
            let (ledger, boundaries) = (ledger.clone(), [time(0), time(100)]);
            async move { ledger.summary(&filter, &boundaries, time(30)).await }
        };
        let sum = |minutes: u64| vec![Duration::from_secs(60 * minutes)];
        let summary = of(&id).await?;
        let counted = (summary.time, summary.entries, summary.running);
        let minutes = if frozen { 10 } else { 10 + 30 };
        same(
            counted,
            (sum(minutes), 2, u64::from(!frozen)),
            what("the sum"),
        )?;
        let summary = of(&other).await?;
        same(
            (summary.time, summary.running),
            (sum(30), 1),
            what("another sum"),
        )?;
    }
    Ok(())
}

/// How many random summaries are compared.
const SUMMARIES: usize = 60;

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    cuts: Vec<i64>,
    now: i64,
}

fn asked() -> impl Strategy<Value = Asked> {
    let cuts = prop::collection::btree_set(-3500..3500_i64, 2..8);
    (question(), cuts, -3000..4000_i64).prop_map(|(question, cuts, now)| {
        let cuts: Vec<i64> = cuts.into_iter().collect();
        let (from, to) = (cuts.first().copied(), cuts.last().copied());
        Asked {
            question: Question {
                from,
                to,
                deleted: false,
                ..question
            },
            cuts,
            now,
        }
    })
}

impl Asked {
    /// How many minutes of an entry are within a time.
    fn within(&self, entry: &Entry, from: i64, to: i64) -> i64 {
        (entry.stop().unwrap_or(self.now).min(to) - entry.start.max(from)).max(0)
    }

    fn whole(&self, entry: &Entry) -> i64 {
        self.within(
            entry,
            self.question.from.unwrap_or_default(),
            self.question.to.unwrap_or_default(),
        )
    }

    /// The time of entries in each interval.
    fn split(&self, entries: &[&Entry]) -> Vec<Duration> {
        let ends = self.cuts.iter().skip(1);
        let intervals = self.cuts.iter().zip(ends);
        let sums = intervals.map(|(from, to)| {
            entries
                .iter()
                .map(|entry| self.within(entry, *from, *to))
                .sum()
        });
        sums.map(minutes).collect()
    }
}

fn minutes(minutes: i64) -> Duration {
    Duration::from_secs(60 * u64::try_from(minutes).unwrap_or_default())
}

/// Asks for random summaries of random entries.
async fn ask(
    world: &World<'_>,
    check: impl AsyncFn(&Asked, &[Entry], &[ConnectionId], Summary) -> Result<()>,
) -> Result<()> {
    let (ledger, entries) = (world.open().await, many(100)?);
    let connections = fill(&ledger, &entries).await?;
    for_random(SUMMARIES, asked(), async |asked| {
        let boundaries: Vec<Timestamp> = asked.cuts.iter().copied().map(time).collect();
        let filter = asked.question.filter(&connections);
        let summary = ledger
            .summary(&filter, &boundaries, time(asked.now))
            .await?;
        ensure!(
            summary.complete,
            "a summary of {} activities calls itself incomplete",
            entries.len()
        );
        let checked = check(&asked, &entries, &connections, summary).await;
        checked.with_context(|| format!("of {entries:#?}"))
    })
    .await
}

async fn a_summary_adds_up_what_its_list_has(world: &World<'_>) -> Result<()> {
    ask(world, async |asked, entries, connections, summary| {
        let chosen: Vec<&Entry> = entries
            .iter()
            .filter(|entry| asked.question.has(entry))
            .collect();
        same(
            summary.entries,
            chosen.len() as u64,
            "activities in a summary",
        )?;
        let running = chosen.iter().filter(|entry| entry.length.is_none()).count();
        same(
            summary.running,
            running as u64,
            "activities in a summary that run",
        )?;
        same(
            &summary.time,
            &asked.split(&chosen),
            "time in each interval",
        )?;
        people(asked, &chosen, connections, &summary)?;
        subjects(asked, &chosen, connections, &summary)
    })
    .await?;
    let ledger = world.open().await;
    let month: Vec<_> = (0..=MAX_INTERVALS as i64).map(time).collect();
    let summary = ledger.summary(&Default::default(), &month, time(0)).await?;
    same(
        summary.time.len(),
        MAX_INTERVALS,
        "intervals of the longest summary",
    )
}

fn people(
    asked: &Asked,
    chosen: &[&Entry],
    connections: &[ConnectionId],
    summary: &Summary,
) -> Result<()> {
    let mut people: BTreeMap<(Option<&ConnectionId>, &str), Vec<&Entry>> = BTreeMap::new();
    for entry in chosen {
        people
            .entry((connections.get(entry.connection), &entry.remote_user))
            .or_default()
            .push(entry);
    }
    let expected: BTreeMap<_, _> = people
        .into_iter()
        .map(|(person, entries)| (person, (asked.split(&entries), entries.len() as u64)))
        .collect();
    let items = &summary.people.items;
    let told: BTreeMap<_, _> = items
        .iter()
        .map(|total| {
            let person = &total.person;
            (
                (Some(&person.connection_id), person.remote_user_id.as_str()),
                (total.time.clone(), total.entries),
            )
        })
        .collect();
    same(told, expected, "people, their time and their activities")?;
    for person in items.iter().map(|total| &total.person) {
        let is_mapped = MAPPED.contains(&person.remote_user_id.as_str());
        same(
            (person.user.is_some(), person.name.is_some()),
            (is_mapped, is_mapped),
            "whether a person has user and name",
        )?;
    }
    let is_ordered = items.is_sorted_by_key(|total| Reverse(total.time.iter().sum::<Duration>()));
    ensure!(
        is_ordered,
        "people are not ordered by their time, the most first"
    );
    Ok(())
}

fn subjects(
    asked: &Asked,
    chosen: &[&Entry],
    connections: &[ConnectionId],
    summary: &Summary,
) -> Result<()> {
    // By connection and path: time on it and below, time on it alone, activities.
    type Sums = (i64, i64, u64);
    let mut subjects: BTreeMap<(Option<&ConnectionId>, Vec<&str>), Sums> = BTreeMap::new();
    let mut without_subject = 0;
    for entry in chosen {
        let (path, time) = (entry.path(), asked.whole(entry));
        for depth in 1..=path.len() {
            let above = path.iter().take(depth).copied().collect();
            let sums = subjects
                .entry((connections.get(entry.connection), above))
                .or_default();
            sums.0 += time;
            sums.1 += if depth == path.len() { time } else { 0 };
            sums.2 += 1;
        }
        without_subject += if path.is_empty() { time } else { 0 };
    }
    let expected: BTreeMap<_, _> = subjects
        .into_iter()
        .map(|(subject, (time, own, entries))| (subject, (minutes(time), minutes(own), entries)))
        .collect();
    let items = &summary.subjects.items;
    let told: BTreeMap<_, _> = items
        .iter()
        .map(|total| {
            let path: Vec<&str> = total
                .subject
                .path
                .iter()
                .map(|part| part.id.as_str())
                .collect();
            (
                (Some(&total.subject.connection_id), path),
                (total.time, total.own_time, total.entries),
            )
        })
        .collect();
    same(told, expected, "subjects, their time and their activities")?;
    for part in items.iter().flat_map(|total| &total.subject.path) {
        same(
            part.name.as_deref(),
            name(part.id.as_str()),
            format!("the name of {}", part.id),
        )?;
    }
    same(
        summary.without_subject,
        minutes(without_subject),
        "time on nothing that is named",
    )
}

async fn facets_count_what_could_be_chosen(world: &World<'_>) -> Result<()> {
    ask(world, async |asked, entries, connections, summary| {
        let around: Vec<&Entry> = entries
            .iter()
            .filter(|entry| asked.question.is_in_range(entry))
            .collect();
        let count =
            |has: &dyn Fn(&Entry) -> bool| around.iter().filter(|entry| has(entry)).count() as u64;
        let facets = &summary.facets;
        for Counted { value, entries } in &facets.people.items {
            let id = value.remote_user_id.as_str();
            let is_theirs = |entry: &Entry| {
                connections.get(entry.connection) == Some(&value.connection_id)
                    && entry.remote_user == id
            };
            same(*entries, count(&is_theirs), format!("activities of {id}"))?;
        }
        let all: u64 = facets
            .people
            .items
            .iter()
            .map(|person| person.entries)
            .sum();
        same(all, around.len() as u64, "activities of all people")?;
        for Counted { value, entries } in &facets.subjects.items {
            let id = value
                .subject()
                .context("a path without a subject")?
                .id
                .as_str();
            let is_on = |entry: &Entry| {
                connections.get(entry.connection) == Some(&value.connection_id)
                    && entry.path().contains(&id)
            };
            same(*entries, count(&is_on), format!("activities on {id}"))?;
        }
        let tags: BTreeMap<&str, u64> = facets
            .tags
            .items
            .iter()
            .map(|tag| (tag.value.as_str(), tag.entries))
            .collect();
        let expected = TAGS.map(|tag| (tag, count(&|entry| entry.tags.contains(&tag))));
        let expected: BTreeMap<&str, u64> = expected
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        same(tags, expected, "tags and their activities")
    })
    .await
}
