//! Failed deliveries: kept, replayed, superseded.

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::DeliveryStatus::{Accepted, Failed, Ignored, Refused, Superseded};
use integration_host_ledger::{ConnectionState, DeadLetter, DeliveryRecord};

use super::deliveries::{all, found};
use super::fixture::{becomes, connect, delivery, failed, record, time};
use super::{Case, World};
use crate::suite::{case, same};

const KEPT: &str =
    "A failed delivery keeps its request until it is handled or refused, also when it fails again.";
const SUPERSEDED: &str = "A failed delivery that is handled at last becomes superseded if an accepted or ignored one of the \
    same connection brought its event meanwhile.";
const REPLAYED: &str = "To be replayed are the failed deliveries of active connections whose requests are kept and that \
    were last handled before the time: those handled the least often first, then the oldest. All of them are counted.";
const PLACES: &str = "Kept requests are told in the order of their places, which stay; one is replaced only while it is as \
    it was given out.";

pub(super) const CASES: &[Case] = &[
    case!(
        a_failed_delivery_is_kept_until_it_is_handled,
        KEPT,
        "time that arrived during an outage would be lost"
    ),
    case!(
        a_delivery_whose_event_arrived_again_is_superseded,
        SUPERSEDED,
        "the log would tell of two deliveries where there was one event"
    ),
    case!(
        what_was_tried_least_is_replayed_first,
        REPLAYED,
        "one delivery that fails for ever would keep all others waiting"
    ),
    case!(
        what_cannot_be_replayed_is_not_tried,
        REPLAYED,
        "the host would try for ever what nobody is connected to"
    ),
    case!(
        kept_requests_are_told_in_order,
        PLACES,
        "after an exchange of keys some requests could not be read any more"
    ),
    case!(
        a_kept_request_is_replaced_only_as_it_was_given_out,
        PLACES,
        "an exchange of keys would bring back what was handled, or lose what is newer"
    ),
];

async fn a_failed_delivery_is_kept_until_it_is_handled(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    for last in [Accepted, Ignored, Refused] {
        let name = last.as_str();
        let unread = DeliveryRecord {
            event_id: Some(name.to_owned()),
            ..failed(name, 3)
        };
        record(&ledger, &id, unread.clone()).await?;
        let kept = found(&ledger, name).await?;
        same(
            (kept.record, kept.attempts, kept.replayable),
            (unread.clone(), 1, true),
            "a failed delivery",
        )?;
        record(
            &ledger,
            &id,
            DeliveryRecord {
                sealed_request: None,
                ..unread.clone()
            },
        )
        .await?;
        let kept = found(&ledger, name).await?;
        same(
            kept.record.sealed_request,
            unread.sealed_request,
            "the request of a delivery whose replay failed",
        )?;
        same(
            (kept.attempts, kept.replayable),
            (2, true),
            "attempts, and whether it can be replayed",
        )?;
        record(
            &ledger,
            &id,
            DeliveryRecord {
                event_id: Some(name.to_owned()),
                ..delivery(name, last)
            },
        )
        .await?;
        let done = found(&ledger, name).await?;
        same(
            done.record.status,
            last,
            "the status of a delivery whose replay succeeded",
        )?;
        same(
            (done.record.sealed_request, done.replayable),
            (None, false),
            "the request of a delivery that was handled",
        )?;
    }
    same(
        ledger.dead_letters(0, 10).await?,
        [],
        "dead letters of deliveries that were all handled",
    )
}

async fn a_delivery_whose_event_arrived_again_is_superseded(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let of = |name: &str, event: &str, status| DeliveryRecord {
        event_id: Some(event.to_owned()),
        ..delivery(name, status)
    };
    let unread = |name: &str| DeliveryRecord {
        event_id: None,
        ..failed(name, 10)
    };
    for name in ["again", "ignored", "refused", "lonely", "elsewhere"] {
        record(&ledger, &id, unread(name)).await?;
    }
    record(&ledger, &id, of("again-1", "1", Accepted)).await?;
    record(&ledger, &id, of("ignored-1", "2", Ignored)).await?;
    record(&ledger, &id, of("refused-1", "3", Refused)).await?;
    record(&ledger, &other, of("elsewhere-1", "5", Accepted)).await?;
    for (name, event, expected) in [
        ("again", "1", Superseded),
        ("ignored", "2", Superseded),
        ("refused", "3", Accepted),
        ("lonely", "4", Accepted),
        ("elsewhere", "5", Accepted),
    ] {
        record(&ledger, &id, of(name, event, Accepted)).await?;
        let found = found(&ledger, name).await?;
        same(
            found.record.status,
            expected,
            format!("the status of a replayed delivery called {name:?}"),
        )?;
        ensure!(
            !found.replayable,
            "a delivery that was handled can be replayed"
        );
    }
    same(
        found(&ledger, "again-1").await?.record.status,
        Accepted,
        "the status of the delivery that came first",
    )?;
    // What never failed is not superseded: it arrived twice and counts in the row of the first.
    record(&ledger, &id, of("twice", "1", Accepted)).await?;
    let first = found(&ledger, "again-1").await?;
    same(
        (first.record.status, first.attempts),
        (Accepted, 2),
        "the status of a delivery that never failed, and how often it came",
    )
}

/// The names of deliveries to be replayed, and how many there are.
async fn to_replay(
    ledger: &super::fixture::Book,
    connection: Option<&ConnectionId>,
    before: i64,
    limit: usize,
) -> Result<(String, u64)> {
    let (deliveries, count) = ledger
        .failed_deliveries(connection, time(before), limit)
        .await?;
    let has_request = deliveries
        .iter()
        .any(|delivery| delivery.record.sealed_request.is_some());
    ensure!(
        !has_request,
        "requests are told with the deliveries to be replayed"
    );
    Ok((
        deliveries
            .iter()
            .map(|delivery| delivery.record.id.as_str())
            .collect(),
        count,
    ))
}

async fn what_was_tried_least_is_replayed_first(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for name in ["a", "b", "c"] {
        record(&ledger, &one, failed(name, 10)).await?;
    }
    record(&ledger, &other, failed("d", 10)).await?;
    record(
        &ledger,
        &one,
        DeliveryRecord {
            handled_at: time(5),
            ..delivery("a", Failed)
        },
    )
    .await?;
    for (connection, before, limit, expected) in [
        (None, 9, 10, ("bcda", 4)),
        (None, 9, 2, ("bc", 4)),
        (Some(&one), 9, 9, ("bca", 3)),
        (Some(&one), 5, 9, ("bc", 2)),
        (Some(&other), 9, 9, ("d", 1)),
    ] {
        let found = to_replay(&ledger, connection, before, limit).await?;
        same(
            found,
            (expected.0.to_owned(), expected.1),
            format!("{limit} to be replayed, handled before minute {before}"),
        )?;
    }
    Ok(())
}

async fn what_cannot_be_replayed_is_not_tried(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, gone) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    record(&ledger, &id, failed("a", 10)).await?;
    record(&ledger, &id, delivery("without a request", Failed)).await?;
    record(&ledger, &id, delivery("accepted", Accepted)).await?;
    record(&ledger, &gone, failed("b", 10)).await?;
    same(
        to_replay(&ledger, None, 9, 9).await?,
        ("ab".to_owned(), 2),
        "to be replayed",
    )?;
    ledger
        .update_connection(&gone, becomes(ConnectionState::Disconnected), time(2))
        .await?;
    same(
        to_replay(&ledger, None, 9, 9).await?,
        ("a".to_owned(), 1),
        "to be replayed after a disconnection",
    )?;
    same(
        all(&ledger, None, Some(Failed), 9).await?.len(),
        3,
        "failed deliveries",
    )
}

fn names(kept: &[DeadLetter]) -> Vec<&str> {
    kept.iter().map(|kept| kept.delivery_id.as_str()).collect()
}

async fn kept_requests_are_told_in_order(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let all: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    for (number, name) in all.iter().enumerate() {
        let id = if number % 2 == 0 { &one } else { &other };
        record(&ledger, id, failed(name, number + 1)).await?;
    }
    let (mut found, mut after) = (Vec::<DeadLetter>::new(), 0);
    loop {
        let page = ledger.dead_letters(after, 2).await?;
        let Some(last) = page.last() else { break };
        ensure!(last.place > after, "places of dead letters do not grow");
        after = last.place;
        found.extend(page);
        ensure!(found.len() < 100, "pages of dead letters have no end");
    }
    same(names(&found), all, "dead letters")?;
    for (size, kept) in (1..).zip(&found) {
        same(kept.sealed.len(), size, "the size of a dead letter")?;
        let expected = if size % 2 == 1 { &one } else { &other };
        same(
            &kept.connection_id,
            expected,
            "the connection of a dead letter",
        )?;
        // Failing again, and being sealed again, leaves each where it is.
        record(
            &ledger,
            expected,
            delivery(kept.delivery_id.as_str(), Failed),
        )
        .await?;
        ledger.replace_dead_letter(kept, vec![2; size]).await?;
    }
    let again = ledger.dead_letters(0, 100).await?;
    let places = |kept: &[DeadLetter]| -> Vec<u64> { kept.iter().map(|kept| kept.place).collect() };
    same(
        places(&again),
        places(&found),
        "places after failing and being sealed again",
    )
}

async fn a_kept_request_is_replaced_only_as_it_was_given_out(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let id = connect(&ledger, "43").await?;
    for name in ["a", "b", "c"] {
        record(&ledger, &id, failed(name, 3)).await?;
    }
    let kept = ledger.dead_letters(0, 10).await?;
    // One is handled and one fails again meanwhile, with another request.
    record(&ledger, &id, delivery("a", Accepted)).await?;
    record(&ledger, &id, failed("b", 4)).await?;
    for kept in &kept {
        ledger
            .replace_dead_letter(kept, vec![2; 3])
            .await
            .context("replacing what may be gone")?;
    }
    let now = ledger.dead_letters(0, 10).await?;
    same(
        names(&now),
        ["b", "c"],
        "dead letters after one was handled",
    )?;
    let sealed: Vec<_> = now.iter().map(|kept| kept.sealed.clone()).collect();
    same(
        sealed,
        [vec![1; 4], vec![2; 3]],
        "requests after they were replaced",
    )
}
