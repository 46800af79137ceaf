//! Requests that make no sense, or ask for too much.

use anyhow::{Result, ensure};
use integration_host_contract::id::{RemoteUserId, SubjectId};
use integration_host_ledger::DeliveryStatus::Accepted;
use integration_host_ledger::{ActivityFilter, LedgerError, MAX_INTERVALS, MAX_PAGE, MemberFilter};

use super::fixture::{Book, apply, connect, delivery, everything, record, time, work};
use super::{Case, World};
use crate::suite::{case, same};

const REFUSED: &str = "A cursor that the ledger did not give out, boundaries that bound no intervals, and a subject or a \
    remote user without a connection are refused as LedgerError::Invalid.";
const LIMIT: &str = "A limit of 0 counts as 1, and one beyond MAX_PAGE as that.";

pub(super) const CASES: &[Case] = &[
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
        record(&ledger, &id, delivery(&number.to_string(), Accepted)).await?;
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

fn is_invalid<T>(outcome: &Result<T, LedgerError>) -> bool {
    matches!(outcome, Err(LedgerError::Invalid(_)))
}

async fn deliveries(ledger: &Book, limit: usize) -> Result<usize> {
    Ok(ledger
        .deliveries(None, None, None, limit)
        .await?
        .items
        .len())
}
