//! Any order and any repetition ends in the same ledger.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::Result;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Activity, Changes, Subject, TimeLog, UserMatch};
use integration_host_ledger::ImportLimits;
use integration_host_ledger::LedgerActivity;
use proptest::prelude::*;

use super::fixture::{
    Book, apply, connect, deletion, entry, everything_of, follow, list, log, member, user,
};
use super::{Case, World};
use crate::suite::{case, for_random, same};

const SAME: &str = "Otherwise, whatever the order, repetition and grouping in which activities and subjects arrive, the \
    ledger shows the same in the end; of two states with one revision the same one is kept every time.";
const COUNTS: &str = "Of an activity the content with the greatest revision counts and the greatest revision that \
    deletes: it is deleted if the latter is not smaller. What has neither content nor deletion is nothing.";
const WEAK: &str = "A deletion that no event told of is weak: whatever shows the activity afterwards, however small its \
    revision and also without content, takes it back; one that was told of and counts stays in its place; and of what is \
    not known it is nothing.";
const FEED: &str = "Every activity is in the feed once, deleted and unmapped ones too; what is seen of it changes only as \
    it moves to the end of the feed, behind every place told before.";

/// Histories, each played twice, in connections of their own.
const HISTORIES: usize = 40;

pub(super) const CASES: &[Case] = &[
    case!(
        any_order_and_repetition_ends_in_the_same_ledger,
        SAME,
        "what is shown would depend on which delivery was late"
    ),
    case!(
        random_histories_end_as_the_contract_says,
        COUNTS,
        "time would be counted that was deleted, or the other way round"
    ),
    case!(
        what_is_seen_again_is_not_deleted,
        WEAK,
        "a list that was empty for a moment would delete what somebody logged, for ever"
    ),
    case!(
        random_histories_with_weak_deletions_end_as_the_contract_says,
        WEAK,
        "time would be counted that was deleted, or the other way round"
    ),
    case!(
        whoever_follows_random_histories_sees_the_same,
        FEED,
        "the platform would show something else than the ledger has"
    ),
];

/// What arrives in one call, of few entries, subjects and revisions, so that they meet.
/// With `weak`, some deletions are told by no event.
fn activity(weak: bool) -> impl Strategy<Value = Activity> {
    let content = (
        0..3_u8,
        prop::option::of(0..4_u8),
        0..3_i64,
        prop::option::of(0..3_i64),
        any::<bool>(),
    );
    let content = content.prop_map(|(remote_user, subject, start, length, billable)| TimeLog {
        billable,
        ..log(
            &format!("u{remote_user}"),
            subject.map(|subject| format!("s{subject}")).as_deref(),
            start * 500,
            length.map(|length| start * 500 + length * 700),
        )
    });
    (
        0..4_u8,
        0..5_u8,
        prop::option::of(0..3_u8),
        any::<bool>(),
        prop::option::weighted(0.8, content),
    )
        .prop_map(move |(id, revision, event, deleted, content)| {
            let event = event.or((deleted && !weak).then_some(9));
            Activity {
                id: format!("entry-{id}"),
                revision: format!("r{revision}"),
                event_id: event.map(|event| format!("event-{event}")),
                deleted,
                content,
            }
        })
}

fn named_subject() -> impl Strategy<Value = Subject> {
    (
        0..4_u8,
        0..4_u8,
        prop::option::of(0..3_u8),
        prop::option::of(0..4_u8),
    )
        .prop_map(|(id, revision, name, parent)| Subject {
            id: format!("s{id}"),
            revision: if revision == 0 {
                String::new()
            } else {
                format!("r{revision}")
            },
            name: name.map(|name| format!("Name {name}")),
            parent: parent.map(|parent| format!("s{parent}")),
        })
}

#[derive(Clone, Debug)]
enum Step {
    Activity(Activity),
    Subject(Subject),
}

/// A history, the same in another order with repetitions, and how much of that arrives at once.
#[derive(Clone, Debug)]
struct History {
    steps: Vec<Step>,
    other: Vec<Step>,
    batch: usize,
}

fn histories(weak: bool) -> impl Strategy<Value = History> {
    let step = prop_oneof![
        activity(weak).prop_map(Step::Activity),
        named_subject().prop_map(Step::Subject)
    ];
    prop::collection::vec(step, 1..16).prop_flat_map(|steps| {
        let repeated = prop::collection::vec(prop::sample::select(steps.clone()), 0..8);
        let all = steps.clone();
        let other = repeated
            .prop_map(move |repeated| [all.clone(), repeated].concat())
            .prop_shuffle();
        (Just(steps), other, 1..6_usize).prop_map(|(steps, other, batch)| History {
            steps,
            other,
            batch,
        })
    })
}

/// What is shown of one connection, without what differs from one connection to the next.
type Shown = BTreeMap<String, LedgerActivity>;

fn shown(activities: Vec<LedgerActivity>) -> Shown {
    let shown = activities.into_iter().map(|activity| {
        let anywhere = LedgerActivity {
            connection_id: ConnectionId::new(""),
            cursor: 0,
            ..activity
        };
        (anywhere.entry_id.clone(), anywhere)
    });
    shown.collect()
}

/// Plays a history in a new connection, and returns what a list and what the feed tell of it.
async fn play(ledger: &Book, scope: &str, steps: &[Step], batch: usize) -> Result<(Shown, Shown)> {
    let id = connect(ledger, scope).await?;
    let team = [member("u1", UserMatch::Matched(user("one")))];
    ledger
        .import_members(&id, &team, &ImportLimits::default())
        .await?;
    let mut cursor = ledger.last_change().await?;
    let mut followed = Vec::new();
    for steps in steps.chunks(batch) {
        let mut changes = Changes::default();
        for step in steps {
            match step.clone() {
                Step::Activity(activity) => changes.activities.push(activity),
                Step::Subject(subject) => changes.subjects.push(subject),
            }
        }
        ledger.apply(&id, &changes, None).await?;
        // Somebody who follows the feed, a little at a time.
        for activity in ledger.changes(cursor, 2).await? {
            cursor = activity.cursor;
            followed.push(activity);
        }
    }
    followed.extend(follow(ledger, &mut cursor).await?);
    followed.retain(|activity| activity.connection_id == id);
    Ok((
        shown(list(ledger, &everything_of(&id), 100).await?),
        shown(followed),
    ))
}

/// Plays random histories, each in scopes of its own.
async fn play_all(
    world: &World<'_>,
    weak: bool,
    check: impl AsyncFn(&Book, &str, History) -> Result<()>,
) -> Result<()> {
    let (ledger, played) = (world.open().await, Cell::new(0));
    for_random(HISTORIES, histories(weak), async |history| {
        played.set(played.get() + 1);
        check(&ledger, &played.get().to_string(), history).await
    })
    .await
}

async fn any_order_and_repetition_ends_in_the_same_ledger(world: &World<'_>) -> Result<()> {
    play_all(world, false, async |ledger, scope, history| {
        let (one, _) = play(ledger, &format!("{scope}/one"), &history.steps, 1).await?;
        let (other, _) = play(
            ledger,
            &format!("{scope}/other"),
            &history.other,
            history.batch,
        )
        .await?;
        same(other, one, "what is shown after the same in another order")
    })
    .await
}

async fn whoever_follows_random_histories_sees_the_same(world: &World<'_>) -> Result<()> {
    play_all(world, false, async |ledger, scope, history| {
        let (listed, followed) = play(ledger, scope, &history.other, history.batch).await?;
        same(followed, listed, "what somebody who follows the feed sees")
    })
    .await
}

async fn random_histories_end_as_the_contract_says(world: &World<'_>) -> Result<()> {
    play_all(world, false, ends_as_the_contract_says).await
}

async fn random_histories_with_weak_deletions_end_as_the_contract_says(
    world: &World<'_>,
) -> Result<()> {
    play_all(world, true, ends_as_the_contract_says).await
}

async fn ends_as_the_contract_says(ledger: &Book, scope: &str, history: History) -> Result<()> {
    let (listed, _) = play(ledger, scope, &history.other, history.batch).await?;
    let told = listed.values().map(|activity| {
        (
            activity.entry_id.clone(),
            (activity.deleted, activity.revision.clone()),
        )
    });
    same(
        told.collect::<BTreeMap<_, _>>(),
        expected(&history.other),
        "entries, whether deleted, and revisions",
    )
}

/// The greatest revisions of an entry.
#[derive(Default)]
struct Register<'a> {
    content: Option<&'a str>,
    told: Option<&'a str>,
    weak: Option<&'a str>,
}

impl Register<'_> {
    fn is_told_deleted(&self) -> bool {
        self.told.is_some() && self.told >= self.content
    }

    fn is_deleted(&self) -> bool {
        self.is_told_deleted() || (self.weak.is_some() && self.weak >= self.content)
    }
}

/// What `wit/integration.wit` says entries are after these steps: whether deleted, and the revision.
fn expected(steps: &[Step]) -> BTreeMap<String, (bool, String)> {
    let mut registers: BTreeMap<&str, Register<'_>> = BTreeMap::new();
    for step in steps {
        let Step::Activity(activity) = step else {
            continue;
        };
        let is_told = activity.deleted && activity.event_id.is_some();
        let is_known = registers.contains_key(activity.id.as_str());
        if !is_known && activity.content.is_none() && !is_told {
            continue;
        }
        let entry = registers.entry(&activity.id).or_default();
        let revision = Some(activity.revision.as_str());
        if activity.content.is_some() {
            entry.content = revision.max(entry.content);
        }
        match (activity.deleted, is_told) {
            (true, true) => entry.told = revision.max(entry.told),
            (true, false) => entry.weak = revision.max(entry.weak),
            (false, _) => entry.weak = None,
        }
        if entry.is_told_deleted() {
            entry.weak = None;
        }
    }
    let entries = registers.into_iter().map(|(id, entry)| {
        let revision = if entry.is_told_deleted() {
            entry.told
        } else if entry.is_deleted() {
            entry.weak
        } else {
            entry.content
        };
        (
            id.to_owned(),
            (entry.is_deleted(), revision.unwrap_or_default().to_owned()),
        )
    });
    entries.collect()
}

async fn what_is_seen_again_is_not_deleted(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "1").await?;
    let shown = |revision: &str| entry("7", revision, log("u1", None, 0, Some(60)));
    let weak = |revision: &str| Activity {
        event_id: None,
        ..deletion("7", revision)
    };
    let exists = Activity {
        deleted: false,
        ..weak("")
    };
    let missing = async || {
        let found = list(&ledger, &everything_of(&id), 9).await?;
        let found = found.first().map(|one| (one.deleted, one.missing));
        anyhow::Ok(found)
    };
    apply(&ledger, &id, vec![weak("r9")], vec![]).await?;
    same(
        missing().await?,
        None,
        "a weak deletion of what is not known",
    )?;
    apply(&ledger, &id, vec![shown("r2")], vec![]).await?;
    apply(&ledger, &id, vec![weak("r1")], vec![]).await?;
    same(
        missing().await?,
        Some((false, false)),
        "a weak deletion of an older state",
    )?;
    for again in [shown("r2"), shown("r1"), exists.clone()] {
        apply(&ledger, &id, vec![weak("r2")], vec![]).await?;
        same(
            missing().await?,
            Some((true, true)),
            "a weak deletion of this state",
        )?;
        apply(&ledger, &id, vec![again], vec![]).await?;
        same(
            missing().await?,
            Some((false, false)),
            "what is shown again",
        )?;
    }
    apply(
        &ledger,
        &id,
        vec![weak("r2"), deletion("7", "r3"), weak("r4")],
        vec![],
    )
    .await?;
    apply(&ledger, &id, vec![shown("r2"), exists], vec![]).await?;
    same(
        missing().await?,
        Some((true, false)),
        "what was told to be deleted, and is shown as it was before",
    )
}
