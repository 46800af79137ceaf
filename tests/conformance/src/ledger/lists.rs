//! Lists of activities: what a filter describes, page by page.

use anyhow::{Result, ensure};
use integration_host::id::{RemoteUserId, SubjectId};
use integration_host::ledger::{
    ActivityFilter, LedgerError, MAX_INTERVALS, MAX_PAGE, MemberFilter,
};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

use super::fixture::{
    Book, apply, connect, deletion, delivery, entry, everything, ids, list, log, record, time, work,
};
use super::model::{Entry, entries, fill, question};
use super::{Case, World};
use crate::suite::{case, for_random, same};

const MATCHING: &str = "A list has the activities for which LedgerActivity::matches is true, each once, newest start first \
    and those without a start last, on however many pages.";
const UNDER_CHANGE: &str =
    "An activity that stays as it is while a list is read is on exactly one of its pages.";
const REFUSED: &str = "A cursor that the ledger did not give out, boundaries that bound no intervals, and a subject or a \
    remote user without a connection are refused as LedgerError::Invalid.";
const LIMIT: &str = "A limit of 0 counts as 1, and one beyond MAX_PAGE as that.";

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
    case!(
        what_makes_no_sense_is_refused,
        REFUSED,
        "a mistaken request would be answered with something else"
    ),
    case!(
        limits_are_kept,
        LIMIT,
        "a page would never end, or never get on"
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
fn numbers(activities: &[integration_host::ledger::LedgerActivity]) -> Result<Vec<usize>> {
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
    for_random(QUESTIONS, question(), async |question| {
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
    })
    .await
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

fn is_invalid<T>(outcome: &Result<T, LedgerError>) -> bool {
    matches!(outcome, Err(LedgerError::Invalid(_)))
}

async fn what_makes_no_sense_is_refused(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "1").await?;
    apply(&ledger, &id, vec![work("1", "u")], vec![]).await?;
    let everybody = MemberFilter::default();
    for cursor in ["", "nonsense", "-", "é", "\0"] {
        let cursor = Some(cursor);
        let list = ledger.activities(&everything(), cursor, 10).await;
        ensure!(
            is_invalid(&list),
            "a list of activities with the cursor {cursor:?}: {list:?}"
        );
        let list = ledger.members(&id, &everybody, cursor, 10).await;
        ensure!(
            is_invalid(&list),
            "a list of members with the cursor {cursor:?}: {list:?}"
        );
        let list = ledger.deliveries(None, None, cursor, 10).await;
        ensure!(
            is_invalid(&list),
            "a list of deliveries with the cursor {cursor:?}: {list:?}"
        );
        let list = ledger.events(&id, cursor, 10).await;
        ensure!(
            is_invalid(&list),
            "the log of a connection with the cursor {cursor:?}: {list:?}"
        );
    }
    let week = [time(0), time(1)];
    let subject = ActivityFilter {
        subject: Some(SubjectId::new("project/1")),
        ..everything()
    };
    let member = ActivityFilter {
        remote_user: Some(RemoteUserId::new("1")),
        ..everything()
    };
    for filter in [subject, member] {
        let list = ledger.activities(&filter, None, 10).await;
        ensure!(
            is_invalid(&list),
            "a list without a connection, with {filter:?}: {list:?}"
        );
        let sums = ledger.summary(&filter, &week, time(0)).await;
        ensure!(
            is_invalid(&sums),
            "a summary without a connection, with {filter:?}: {sums:?}"
        );
    }
    let too_many: Vec<_> = (0..=MAX_INTERVALS as i64 + 1).map(time).collect();
    let (backwards, empty) = ([time(1), time(0)], [time(0), time(0)]);
    for boundaries in [&[][..], &week[..1], &backwards, &empty, &too_many] {
        let sums = ledger.summary(&everything(), boundaries, time(0)).await;
        ensure!(is_invalid(&sums), "a summary of {boundaries:?}: {sums:?}");
    }
    Ok(())
}

async fn limits_are_kept(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "1").await?;
    let count = MAX_PAGE + 5;
    let activities: Vec<_> = (0..count)
        .map(|number| work(&format!("{number:04}"), "u"))
        .collect();
    apply(&ledger, &id, activities, vec![]).await?;
    for number in 0..3 {
        record(
            &ledger,
            &id,
            delivery(
                &number.to_string(),
                integration_host::ledger::DeliveryStatus::Accepted,
            ),
        )
        .await?;
    }
    for (limit, expected) in [
        (0, 1),
        (1, 1),
        (MAX_PAGE, MAX_PAGE),
        (MAX_PAGE + 1, MAX_PAGE),
        (usize::MAX, MAX_PAGE),
    ] {
        let told = [
            (
                "activities",
                ledger
                    .activities(&everything(), None, limit)
                    .await?
                    .items
                    .len(),
            ),
            ("changes", ledger.changes(0, limit).await?.len()),
            (
                "ids",
                ledger
                    .activity_ids(&id, time(-9), time(99), None, limit)
                    .await?
                    .len(),
            ),
        ];
        for (what, found) in told {
            same(found, expected, format!("{what} on a page of {limit}"))?;
        }
    }
    same(
        deliveries(&ledger, 0).await?,
        1,
        "deliveries on a page of 0",
    )?;
    same(
        deliveries(&ledger, usize::MAX).await?,
        3,
        "deliveries on a page of all",
    )
}

async fn deliveries(ledger: &Book, limit: usize) -> Result<usize> {
    Ok(ledger
        .deliveries(None, None, None, limit)
        .await?
        .items
        .len())
}
