//! The delivery log: what arrived, and what became of it.

use anyhow::{Context as _, Result, ensure};
use integration_host::id::{ConnectionId, DeliveryId};
use integration_host::ledger::DeliveryStatus::{Accepted, Failed, Ignored, Ping, Refused};
use integration_host::ledger::{Delivery, DeliveryRecord, DeliveryStatus, LedgerError};
use jiff::SignedDuration;

use super::fixture::{Book, connect, delivery, failed, record, time};
use super::{Case, World};
use crate::suite::{case, same};

const ONCE: &str = "A delivery is recorded once under its id: again, it counts an attempt and says what became of it as \
    long as it is failed, and stays as it is afterwards. The id of another connection's delivery is LedgerError::Invalid.";
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
