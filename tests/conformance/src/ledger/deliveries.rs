//! The delivery log: what arrived, and what became of it.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::DeliveryStatus::{Accepted, Failed, Ignored, Ping, Refused};
use integration_host_ledger::{Delivery, DeliveryRecord, DeliveryStatus, LedgerError};
use jiff::SignedDuration;

use super::fixture::{Book, connect, delivery, failed, nameless, record, time};
use super::{Case, World};
use crate::suite::{case, same};

const ONCE: &str = "A delivery is recorded once under its id: again, it counts an attempt and says what became of it as \
    long as it is failed, and stays as it is afterwards. The id of another connection's delivery is LedgerError::Invalid.";
const AGAIN: &str = "A delivery that was handled and comes again under another id counts as handled once more in the row \
    of the first and adds none: the same event of the same connection, or, where no event is known, the same digest. One \
    that fails like one that failed, with its digest, adds none either and counts as no attempt; its request is kept if the \
    first one's is not.";
const LOG: &str = "The log tells deliveries newest first, by connection and status, without their requests, each once.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_delivery_is_told_as_it_was_recorded,
        ONCE,
        "nobody could find out what became of a delivery"
    ),
    case!(
        a_delivery_that_was_handled_stays_as_it_is,
        ONCE,
        "of two replays at once the one that failed would undo the other"
    ),
    case!(
        a_delivery_is_of_one_connection,
        ONCE,
        "one connection could change what the log says of another's deliveries"
    ),
    case!(
        a_delivery_that_comes_again_counts_in_its_row,
        AGAIN,
        "whoever repeats one delivery would push all others out of the log"
    ),
    case!(
        a_failure_that_comes_again_is_kept_once,
        AGAIN,
        "whoever repeats one delivery during an outage would push out what is kept for replay"
    ),
    case!(
        repetitions_at_once_are_one_row,
        AGAIN,
        "whoever repeats one delivery fast would push all others out of the log"
    ),
    case!(
        the_log_is_listed_newest_first_and_filtered,
        LOG,
        "deliveries would be missing from the log, or be there twice"
    ),
    case!(
        the_log_stays_whole_while_deliveries_arrive,
        LOG,
        "deliveries would be missing from the log, or be there twice"
    ),
];

pub(super) async fn found(ledger: &Book, id: &str) -> Result<Delivery> {
    let found = ledger.delivery(&DeliveryId::new(id)).await?;
    found.with_context(|| format!("the delivery {id} is missing"))
}

/// The whole log, with pages of `limit`.
pub(super) async fn all(
    ledger: &Book,
    connection: Option<&ConnectionId>,
    status: Option<DeliveryStatus>,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = ledger
            .deliveries(connection, status, cursor.as_deref(), limit)
            .await?;
        ensure!(
            page.items.len() <= limit,
            "a page of {limit} has {} deliveries",
            page.items.len()
        );
        found.extend(page.items);
        ensure!(found.len() < 10_000, "pages of {limit} have no end");
        cursor = page.next;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.record.id.as_str())
        .collect()
}

async fn a_delivery_is_told_as_it_was_recorded(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    same(
        ledger.delivery(&DeliveryId::new("d")).await?,
        None,
        "a delivery that there is not",
    )?;
    for (number, status) in DeliveryStatus::ALL.into_iter().enumerate() {
        let recorded = DeliveryRecord {
            received_at: time(3) + SignedDuration::from_millis(5),
            handled_at: time(4) + SignedDuration::from_millis(6),
            event_id: (number % 2 == 0).then(|| format!("event {number}")),
            detail: "“Done”, \u{1} says 'somebody'; 🦀".to_owned(),
            size_bytes: 1 << 40,
            elapsed_us: 1 << 40,
            ..delivery(&number.to_string(), status)
        };
        record(&ledger, &id, recorded.clone()).await?;
        let told = found(&ledger, &number.to_string()).await?;
        same(&told.connection_id, &id, "the connection of a delivery")?;
        same(told.record, recorded, "a delivery")?;
        same(
            (told.attempts, told.replayable),
            (1, false),
            "attempts, and whether it can be replayed",
        )?;
    }
    Ok(())
}

async fn a_delivery_that_was_handled_stays_as_it_is(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    for status in [Accepted, Ignored, Ping, Refused] {
        let name = status.as_str();
        record(&ledger, &id, delivery(name, Failed)).await?;
        record(&ledger, &id, delivery(name, Failed)).await?;
        let event_id = Some(name.to_owned());
        record(
            &ledger,
            &id,
            DeliveryRecord {
                event_id,
                handled_at: time(9),
                ..delivery(name, status)
            },
        )
        .await?;
        let handled = found(&ledger, name).await?;
        same(
            (handled.record.status, handled.attempts),
            (status, 3),
            "status and attempts of a delivery that was handled",
        )?;
        same(handled.record.handled_at, time(9), "when it was handled")?;
        for again in [Failed, Accepted] {
            let late = DeliveryRecord {
                detail: "Late.".to_owned(),
                ..delivery(name, again)
            };
            record(&ledger, &id, late)
                .await
                .context("a delivery that was handled already")?;
            same(
                found(&ledger, name).await?,
                handled.clone(),
                "a delivery after somebody else handled it too",
            )?;
        }
    }
    Ok(())
}

async fn a_delivery_is_of_one_connection(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for (name, status) in [("failed", Failed), ("accepted", Accepted)] {
        record(&ledger, &id, delivery(name, status)).await?;
        let before = found(&ledger, name).await?;
        let stolen = ledger
            .apply(&other, &Default::default(), Some(delivery(name, Ignored)))
            .await;
        ensure!(
            matches!(stolen, Err(LedgerError::Invalid(_))),
            "another connection's delivery: {stolen:?}"
        );
        same(
            found(&ledger, name).await?,
            before,
            "a delivery that another connection tried to record",
        )?;
    }
    Ok(())
}

async fn a_delivery_that_comes_again_counts_in_its_row(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for status in [Accepted, Ignored, Ping] {
        let name = status.as_str();
        let known = |id: &str| DeliveryRecord {
            event_id: Some(name.to_owned()),
            digest: Some(format!("of {id}")),
            ..delivery(id, status)
        };
        let (known_first, unknown_first) = (format!("{name}-known"), format!("{name}-unknown"));
        record(&ledger, &id, known(&known_first)).await?;
        record(&ledger, &id, nameless(&unknown_first, name, status)).await?;
        let latest = ledger
            .connection(&id)
            .await?
            .and_then(|found| found.last_delivery_at);
        for (again, times) in [("x", 1), ("y", 1), ("z", 5)] {
            let late = |record: DeliveryRecord| DeliveryRecord {
                received_at: time(50),
                handled_at: time(50),
                times,
                ..record
            };
            let (known_again, unknown_again) = (
                format!("{name}-known-{again}"),
                format!("{name}-unknown-{again}"),
            );
            record(&ledger, &id, late(known(&known_again))).await?;
            record(&ledger, &id, late(nameless(&unknown_again, name, status))).await?;
        }
        for first in [&known_first, &unknown_first] {
            let told = found(&ledger, first).await?;
            same(
                told.attempts,
                8,
                "how often a delivery that came 8 times was handled",
            )?;
            same(told.record.received_at, time(1), "when it came first")?;
        }
        same(
            ledger
                .connection(&id)
                .await?
                .and_then(|found| found.last_delivery_at),
            latest,
            "the latest delivery after repetitions of earlier ones",
        )?;
        // Others that have something in common are others.
        record(&ledger, &other, known(&format!("{name}-elsewhere"))).await?;
        record(
            &ledger,
            &other,
            nameless(&format!("{name}-there"), name, status),
        )
        .await?;
        record(
            &ledger,
            &id,
            nameless(&format!("{name}-failed"), name, Failed),
        )
        .await?;
        record(
            &ledger,
            &id,
            nameless(&format!("{name}-different"), "different", status),
        )
        .await?;
    }
    // One of different ones for all three statuses, which are handled alike.
    same(all(&ledger, Some(&id), None, 1000).await?.len(), 10, "rows")?;
    same(
        all(&ledger, Some(&other), None, 1000).await?.len(),
        6,
        "rows of another connection",
    )
}

async fn a_failure_that_comes_again_is_kept_once(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let failed = |id: &str, has_request: bool| DeliveryRecord {
        sealed_request: has_request.then(|| id.as_bytes().to_vec()),
        ..nameless(id, "digest", Failed)
    };
    record(&ledger, &id, failed("first", false)).await?;
    for again in ["second", "third"] {
        record(&ledger, &id, failed(again, true)).await?;
    }
    let log = all(&ledger, None, None, 1000).await?;
    same(
        names(&log),
        vec!["first"],
        "rows of one delivery that failed three times",
    )?;
    let kept = found(&ledger, "first").await?;
    same(
        (kept.attempts, kept.replayable, kept.record.sealed_request),
        (1, true, Some(b"second".to_vec())),
        "attempts at it, and its request",
    )?;
    // A replay is an attempt, and what comes after it succeeded is another delivery.
    record(&ledger, &id, failed("first", false)).await?;
    same(
        found(&ledger, "first").await?.attempts,
        2,
        "attempts after a replay that failed",
    )?;
    record(&ledger, &id, delivery("first", Accepted)).await?;
    record(&ledger, &id, failed("fourth", true)).await?;
    let log = all(&ledger, None, None, 1000).await?;
    same(
        names(&log),
        vec!["fourth", "first"],
        "rows after the first was handled",
    )
}

async fn repetitions_at_once_are_one_row(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let again: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let repetitions = again.iter().map(|name| {
        let copy = DeliveryRecord {
            event_id: Some("one".to_owned()),
            ..delivery(name, Accepted)
        };
        record(&ledger, &id, copy)
    });
    for told in futures_util::future::join_all(repetitions).await {
        told?;
    }
    let log = all(&ledger, None, None, 1000).await?;
    let attempts: Vec<u32> = log.iter().map(|row| row.attempts).collect();
    same(
        attempts,
        vec![60],
        "how often the rows of one event were handled",
    )
}

async fn the_log_is_listed_newest_first_and_filtered(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let statuses = [Accepted, Ping, Ignored, Failed];
    let recorded: Vec<(String, &ConnectionId, DeliveryStatus)> = (0..30)
        .zip(statuses.into_iter().cycle())
        .map(|(number, status)| {
            (
                number.to_string(),
                if number % 3 == 0 { &other } else { &one },
                status,
            )
        })
        .collect();
    for (name, id, status) in &recorded {
        // Those that failed have a request, which the log does not tell.
        let record_of = if *status == Failed {
            failed(name, 5)
        } else {
            delivery(name, *status)
        };
        record(&ledger, id, record_of).await?;
    }
    for connection in [None, Some(&one), Some(&other)] {
        for status in [None, Some(Ping), Some(Failed), Some(Refused)] {
            let is_wanted = |(_, id, found): &&(String, &ConnectionId, DeliveryStatus)| {
                connection.is_none_or(|wanted| wanted == *id)
                    && status.is_none_or(|wanted| wanted == *found)
            };
            let expected: Vec<&str> = recorded
                .iter()
                .rev()
                .filter(is_wanted)
                .map(|(name, ..)| name.as_str())
                .collect();
            for limit in [1, 4, 1000] {
                let listed = all(&ledger, connection, status, limit).await?;
                same(
                    names(&listed),
                    expected.clone(),
                    format!("{status:?} deliveries on pages of {limit}"),
                )?;
                let has_request = listed
                    .iter()
                    .any(|delivery| delivery.record.sealed_request.is_some());
                ensure!(!has_request, "the log tells requests");
            }
        }
    }
    Ok(())
}

async fn the_log_stays_whole_while_deliveries_arrive(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    let steady: Vec<String> = (0..20)
        .map(|number| format!("steady-{number:02}"))
        .collect();
    for name in &steady {
        record(&ledger, &id, delivery(name, Accepted)).await?;
    }
    let (mut met, mut cursor) = (Vec::new(), None::<String>);
    for round in 0..100 {
        let page = ledger.deliveries(None, None, cursor.as_deref(), 3).await?;
        met.extend(
            page.items
                .into_iter()
                .map(|delivery| delivery.record.id.to_string()),
        );
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        record(&ledger, &id, delivery(&format!("new-{round}"), Accepted)).await?;
    }
    met.retain(|name| name.starts_with("steady"));
    met.reverse();
    same(
        met,
        steady,
        "deliveries that were there all the time, oldest first",
    )
}
