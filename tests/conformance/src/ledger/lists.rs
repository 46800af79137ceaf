//! Lists of activities: what a filter describes, page by page.

use anyhow::{Result, ensure};
use integration_host_ledger::{ActivityFilter, MAX_PAGE};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use super::fixture::{apply, connect, deletion, entry, everything, ids, list, log, time, work};
use super::model::{Entry, Question, TEXTS, entries, fill, question};
use super::{Case, World};
use crate::suite::{case, for_random, same};

const MATCHING: &str = "A list has the activities for which LedgerActivity::matches is true, each once, newest start first \
    and those without a start last, on however many pages.";
const UNDER_CHANGE: &str =
    "An activity that stays as it is while a list is read is on exactly one of its pages.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_list_has_what_its_filter_describes,
        MATCHING,
        "time would be missing from a report, or be on somebody else's"
    ),
    case!(
        pages_of_any_length_have_the_same,
        MATCHING,
        "time would be missing from a list, or be on it twice"
    ),
    case!(
        activities_that_began_together_are_all_listed,
        MATCHING,
        "of entries that began in one moment some would be missing"
    ),
    case!(
        a_deletion_without_content_is_last,
        MATCHING,
        "deleted entries would be listed where nobody asked for them"
    ),
    case!(
        pages_stay_whole_while_activities_arrive,
        UNDER_CHANGE,
        "an export made while time arrives would miss some or have it twice"
    ),
];

/// How many random filters are tried.
const QUESTIONS: usize = 120;

/// As many random activities.
pub(super) fn many(count: usize) -> Result<Vec<Entry>> {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let made = entries(count).new_tree(&mut runner);
    Ok(made
        .map_err(|reason| anyhow::anyhow!("no entries could be made: {reason}"))?
        .current())
}

/// The numbers of listed entries, in order.
fn numbers(activities: &[integration_host_ledger::LedgerActivity]) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for id in ids(activities) {
        numbers.push(id.parse()?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

async fn a_list_has_what_its_filter_describes(world: &World<'_>) -> Result<()> {
    let (ledger, entries) = (world.open().await, many(150)?);
    let connections = fill(&ledger, &entries).await?;
    let feed = ledger.changes(0, MAX_PAGE).await?;
    let check = async |question: Question| {
        let filter = question.filter(&connections);
        let described = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| question.has(entry));
        let expected: Vec<usize> = described.map(|(number, _)| number).collect();
        let listed = list(&ledger, &filter, 40).await?;
        same(
            numbers(&listed)?,
            expected.clone(),
            format!("entries of a list, of {entries:#?}"),
        )?;
        for activity in &listed {
            ensure!(
                feed.contains(activity),
                "a list tells {activity:?} otherwise than the feed"
            );
        }
        // Whoever follows the feed decides alike.
        let followed: Vec<_> = feed
            .iter()
            .filter(|activity| activity.matches(&filter))
            .cloned()
            .collect();
        same(
            numbers(&followed)?,
            expected,
            "entries of the feed that match the filter",
        )
    };
    // By itself, because chance rarely asks for a text and nothing else.
    for text in TEXTS {
        check(Question::for_text(text)).await?;
    }
    for_random(QUESTIONS, question(), check).await
}

async fn pages_of_any_length_have_the_same(world: &World<'_>) -> Result<()> {
    let (ledger, entries) = (world.open().await, many(150)?);
    fill(&ledger, &entries).await?;
    let filters = [
        everything(),
        ActivityFilter::default(),
        ActivityFilter {
            from: Some(time(-500)),
            to: Some(time(500)),
            ..everything()
        },
        ActivityFilter {
            text: Some("sketches".to_owned()),
            ..everything()
        },
    ];
    for filter in filters {
        let all = list(&ledger, &filter, MAX_PAGE).await?;
        for limit in [1, 2, 7, 50] {
            let paged = list(&ledger, &filter, limit).await?;
            same(
                ids(&paged),
                ids(&all),
                format!("entries on pages of {limit} with {filter:?}"),
            )?;
        }
    }
    Ok(())
}

async fn activities_that_began_together_are_all_listed(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "1").await?, connect(&ledger, "2").await?);
    for id in [&one, &other] {
        let activities = (0..12)
            .map(|number| work(&number.to_string(), "u"))
            .collect();
        apply(&ledger, id, activities, vec![]).await?;
    }
    for limit in [1, 5, 12, 24, 25] {
        let listed = list(&ledger, &everything(), limit).await?;
        same(
            listed.len(),
            24,
            format!("entries of one moment on pages of {limit}"),
        )?;
    }
    Ok(())
}

async fn a_deletion_without_content_is_last(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "1").await?;
    let here = entry("here", "1", log("u", None, 0, None));
    apply(&ledger, &id, vec![deletion("gone", "1"), here], vec![]).await?;
    let filters = [
        (everything(), &["here", "gone"][..]),
        (
            ActivityFilter {
                include_deleted: false,
                ..everything()
            },
            &["here"],
        ),
        (
            ActivityFilter {
                include_unmapped: false,
                ..everything()
            },
            &[],
        ),
        // What has no content has no time either.
        (
            ActivityFilter {
                to: Some(time(10)),
                ..everything()
            },
            &["here"],
        ),
        (
            ActivityFilter {
                from: Some(time(-10)),
                ..everything()
            },
            &["here"],
        ),
    ];
    for (filter, expected) in filters {
        for limit in [1, 10] {
            let listed = list(&ledger, &filter, limit).await?;
            same(
                ids(&listed),
                expected.to_vec(),
                format!("entries with {filter:?}"),
            )?;
        }
    }
    Ok(())
}

async fn pages_stay_whole_while_activities_arrive(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "1").await?;
    let at = |id: String, revision: &str, start| {
        entry(&id, revision, log("u", None, start, Some(start + 5)))
    };
    let steady: Vec<String> = (0..40)
        .map(|number| format!("steady-{number:02}"))
        .collect();
    let activities = steady
        .iter()
        .zip(0..)
        .map(|(id, number)| at(id.clone(), "1", number * 10));
    apply(&ledger, &id, activities.collect(), vec![]).await?;
    let (mut met, mut cursor) = (Vec::new(), None::<String>);
    for round in 0..1000 {
        let page = ledger
            .activities(&everything(), cursor.as_deref(), 3)
            .await?;
        met.extend(page.items.into_iter().map(|activity| activity.entry_id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        // Something arrives before, behind, and where the list has come to; and what is steady is told again.
        let here = 400 - round * 30;
        let new = [1000 + round, -1000 - round, here, here - 1, here + 1];
        let new = new
            .into_iter()
            .zip(0..)
            .map(|(start, number)| at(format!("new-{round}-{number}"), "1", start));
        let again = steady
            .iter()
            .zip(0..)
            .map(|(id, number)| at(id.clone(), "1", number * 10));
        apply(&ledger, &id, new.chain(again).collect(), vec![]).await?;
    }
    ensure!(
        cursor.is_none(),
        "a list has no end while activities arrive before it"
    );
    let mut unique = met.clone();
    unique.sort_unstable();
    unique.dedup();
    same(unique.len(), met.len(), "different entries on all pages")?;
    let steady_met = unique
        .into_iter()
        .filter(|id| id.starts_with("steady"))
        .collect::<Vec<_>>();
    same(steady_met, steady, "entries that were there all the time")
}
