//! How much of the delivery log is kept.

use std::time::Duration;

use anyhow::{Result, ensure};
use integration_host_contract::id::DeliveryId;
use integration_host_ledger::DeliveryStatus::{Accepted, Failed};
use integration_host_ledger::{AgeLook, DeliveryRecord, MAX_PAGE, Retention};
use jiff::SignedDuration;

use super::deliveries::all;
use super::fixture::{Book, connect, delivery, failed, record, time};
use super::{Case, World};
use crate::suite::{case, same};

const ROWS: &str = "Of a connection's deliveries the newest Retention::rows stay, or up to a hundredth fewer, beside those \
    that can be replayed; the one just recorded always stays.";
const REQUESTS: &str = "Requests are kept within the number and bytes of the Retention: the oldest go first, and one that \
    is too large by itself is not kept and pushes nothing out.";
const PRUNED: &str = "Pruning removes requests and deliveries that are older than the Retention lets them be, and nothing \
    else; it tells whether there is more to remove.";

const LOOKS: &str = "Looks at the time are kept, and lead to what AgeLook::after says.";

pub(super) const CASES: &[Case] = &[
    case!(
        the_log_is_bounded_and_the_newest_stay,
        ROWS,
        "the log would fill the disk, or be empty when somebody looks"
    ),
    case!(
        what_can_be_replayed_stays_beside_the_log,
        ROWS,
        "time that arrived during an outage would be lost as soon as much arrives"
    ),
    case!(
        requests_are_bounded_in_number_and_bytes,
        REQUESTS,
        "an outage would fill the disk, or lose the newest deliveries instead of the oldest"
    ),
    case!(
        a_look_at_the_time_comes_before_what_it_removes,
        LOOKS,
        "a clock that is ahead for a moment would erase the log, or nothing would ever be erased"
    ),
    case!(
        what_is_too_old_is_removed,
        PRUNED,
        "the log would fill the disk, or lose what is to be replayed"
    ),
    case!(
        what_is_young_enough_is_not_removed,
        PRUNED,
        "the log would be empty when somebody looks"
    ),
];

async fn is_kept(ledger: &Book, id: &str) -> Result<bool> {
    Ok(ledger.delivery(&DeliveryId::new(id)).await?.is_some())
}

async fn the_log_is_bounded_and_the_newest_stay(world: &World<'_>) -> Result<()> {
    let ledger = world
        .open_with(Retention {
            rows: 100,
            ..Retention::default()
        })
        .await;
    let (busy, quiet) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    record(&ledger, &quiet, delivery("quiet", Accepted)).await?;
    for number in 0..330_usize {
        record(&ledger, &busy, delivery(&number.to_string(), Accepted)).await?;
        if number % 10 == 9 {
            let kept = all(&ledger, Some(&busy), None, MAX_PAGE).await?.len();
            let least = 99.min(number + 1);
            ensure!(
                (least..=100).contains(&kept),
                "{kept} of {} deliveries are kept, of at most 100",
                number + 1
            );
        }
    }
    for (id, expected) in [
        ("quiet", true),
        ("329", true),
        ("231", true),
        ("220", false),
    ] {
        same(
            is_kept(&ledger, id).await?,
            expected,
            format!("whether the delivery {id} is kept, of 330 with 100 to keep"),
        )?;
    }
    Ok(())
}

async fn what_can_be_replayed_stays_beside_the_log(world: &World<'_>) -> Result<()> {
    let ledger = world
        .open_with(Retention {
            rows: 1,
            ..Retention::default()
        })
        .await;
    let id = connect(&ledger, "43").await?;
    for number in 0..20 {
        record(&ledger, &id, failed(&format!("failed-{number}"), 10)).await?;
    }
    for number in 0..20 {
        let name = format!("handled-{number}");
        record(&ledger, &id, delivery(&name, Accepted)).await?;
        ensure!(
            is_kept(&ledger, &name).await?,
            "what was just recorded is gone"
        );
    }
    same(
        all(&ledger, None, Some(Failed), MAX_PAGE).await?.len(),
        20,
        "deliveries that can be replayed",
    )?;
    same(
        all(&ledger, None, Some(Accepted), MAX_PAGE).await?.len(),
        1,
        "other deliveries, of at most 1",
    )
}

async fn requests_are_bounded_in_number_and_bytes(world: &World<'_>) -> Result<()> {
    let retention = Retention {
        requests: 50,
        request_bytes: 10_000,
        ..Retention::default()
    };
    let ledger = world.open_with(retention).await;
    let (one, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let kept = async || {
        let kept = ledger.dead_letters(0, MAX_PAGE).await?;
        let (_, count) = ledger.failed_deliveries(None, time(10), 1).await?;
        same(
            count,
            kept.len() as u64,
            "deliveries to be replayed, as many as there are requests",
        )?;
        anyhow::Ok(
            kept.into_iter()
                .map(|kept| kept.delivery_id.to_string())
                .collect::<Vec<_>>(),
        )
    };
    let names = |from: u32, to: u32| {
        (from..to)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    };
    for number in 0..55 {
        // The bounds are for all connections together.
        let id = if number % 2 == 0 { &one } else { &other };
        record(&ledger, id, failed(&number.to_string(), 10)).await?;
    }
    same(
        kept().await?,
        names(5, 55),
        "requests kept of 55, of at most 50",
    )?;
    same(
        is_kept(&ledger, "0").await?,
        true,
        "whether a delivery is in the log whose request went",
    )?;
    for number in 55..70 {
        record(&ledger, &one, failed(&number.to_string(), 1_000)).await?;
    }
    same(
        kept().await?,
        names(60, 70),
        "requests of 1000 bytes kept, of at most 10000",
    )?;
    record(&ledger, &one, failed("huge", 10_001)).await?;
    same(
        kept().await?,
        names(60, 70),
        "requests kept after one that is too large by itself",
    )?;
    same(
        is_kept(&ledger, "huge").await?,
        true,
        "whether a delivery is in the log whose request is too large",
    )
}

/// A delivery for each minute, all failed.
async fn one_a_minute(ledger: &Book, minutes: i64) -> Result<()> {
    let id = connect(ledger, "43").await?;
    for minute in 0..minutes {
        let received = DeliveryRecord {
            received_at: time(minute),
            ..failed(&minute.to_string(), 10)
        };
        record(ledger, &id, received).await?;
    }
    Ok(())
}

async fn a_look_at_the_time_comes_before_what_it_removes(world: &World<'_>) -> Result<()> {
    let mut look = None;
    let ahead = 60 * 24 * 91;
    let quarters = (0..300).map(|quarter| 15 * quarter);
    let ledger = world.open().await;
    for minute in quarters.clone().take(50).chain([ahead]).chain(quarters) {
        let ran = Duration::from_secs(900);
        let (next, expected) = AgeLook::after(look, time(minute), ran);
        look = Some(next);
        let told = ledger.look_at_age(time(minute), ran).await?;
        same(
            told,
            expected,
            format!("as of when to remove, at minute {minute}"),
        )?;
    }
    Ok(())
}

async fn what_is_too_old_is_removed(world: &World<'_>) -> Result<()> {
    let retention = Retention {
        age: SignedDuration::from_mins(100),
        request_age: SignedDuration::from_mins(10),
        ..Retention::default()
    };
    let ledger = world.open_with(retention).await;
    one_a_minute(&ledger, 300).await?;
    let mut steps = 0;
    while ledger.prune_deliveries(time(299)).await? {
        steps += 1;
        ensure!(steps < 1000, "pruning has no end");
    }
    let left = all(&ledger, None, None, MAX_PAGE).await?;
    let replayable = left.iter().filter(|delivery| delivery.replayable).count();
    same(
        (left.len(), replayable),
        (101, 11),
        "deliveries and requests of the last 100 and 10 minutes",
    )?;
    same(
        ledger.dead_letters(0, MAX_PAGE).await?.len(),
        11,
        "dead letters of the last 10 minutes",
    )?;
    let latest = left.first().map(|delivery| delivery.record.id.as_str());
    same(latest, Some("299"), "the latest delivery after pruning")
}

async fn what_is_young_enough_is_not_removed(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    one_a_minute(&ledger, 30).await?;
    same(
        ledger.prune_deliveries(time(30)).await?,
        false,
        "whether there is more to remove, when all is young",
    )?;
    same(
        ledger.dead_letters(0, MAX_PAGE).await?.len(),
        30,
        "requests after pruning when all is young",
    )?;
    same(
        all(&ledger, None, None, MAX_PAGE).await?.len(),
        30,
        "deliveries after pruning when all is young",
    )
}
