//! When deliveries arrived.

use anyhow::{Result, ensure};
use integration_host_ledger::DeliveryStatus::{Accepted, Failed, Ignored, Ping, Refused};
use integration_host_ledger::{DeliveryRate, DeliveryRecord, MAX_RATE_TIME};
use jiff::SignedDuration;

use super::fixture::{connect, connection, delivery, record, time};
use super::{Case, World};
use crate::suite::{case, same};

const LATEST: &str = "last_delivery_at is when the latest delivery arrived that is neither failed nor refused, and no repetition.";
const RATES: &str = "Rates count deliveries by the minute they arrived in and by what became of them, in order of time, \
    over at most MAX_RATE_TIME before to.";
const TIMES: &str = "Delivery times are when the accepted deliveries of a connection arrived, those recorded last first.";

pub(super) const CASES: &[Case] = &[
    case!(
        the_latest_delivery_is_the_latest_that_was_handled,
        LATEST,
        "a connection would look alive of which nothing arrives, or the other way round"
    ),
    case!(
        deliveries_are_counted_in_the_minute_they_arrived_in,
        RATES,
        "an outage would not be seen"
    ),
    case!(
        only_accepted_deliveries_make_the_rhythm,
        TIMES,
        "a silence would be found that there is not"
    ),
];

async fn the_latest_delivery_is_the_latest_that_was_handled(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for (minute, status, latest) in [
        (1, Failed, None),
        (2, Refused, None),
        (5, Accepted, Some(5)),
        (3, Ignored, Some(5)),
        (7, Failed, Some(5)),
        (8, Ping, Some(8)),
    ] {
        let arrived = DeliveryRecord {
            received_at: time(minute),
            ..delivery(&minute.to_string(), status)
        };
        record(&ledger, &id, arrived).await?;
        let told = connection(&ledger, &id).await?.last_delivery_at;
        same(
            told,
            latest.map(time),
            format!("the latest delivery after one in minute {minute} that is {status:?}"),
        )?;
    }
    let late = DeliveryRecord {
        received_at: time(7),
        event_id: None,
        ..delivery("7", Accepted)
    };
    record(&ledger, &id, late).await?;
    same(
        connection(&ledger, &id).await?.last_delivery_at,
        Some(time(8)),
        "the latest after an older one was replayed",
    )?;
    same(
        connection(&ledger, &other).await?.last_delivery_at,
        None,
        "the latest of a connection without any",
    )
}

async fn deliveries_are_counted_in_the_minute_they_arrived_in(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    let at = |milliseconds| time(0) + SignedDuration::from_millis(milliseconds);
    let arrivals = [
        (-1, Accepted),
        (0, Accepted),
        (59_999, Accepted),
        (30_000, Ignored),
        (60_000, Accepted),
        (179_999, Failed),
        (180_000, Failed),
    ];
    for (number, (milliseconds, status)) in arrivals.into_iter().enumerate() {
        for (connection, name) in [(&id, "one"), (&other, "other")] {
            let arrived = DeliveryRecord {
                received_at: at(milliseconds),
                ..delivery(&format!("{name}-{number}"), status)
            };
            record(&ledger, connection, arrived).await?;
        }
    }
    let rate = |minute: i64, status, deliveries| DeliveryRate {
        minute: at(minute * 60_000),
        status,
        deliveries,
    };
    let counted = async |from, to| {
        let mut rates = ledger.delivery_rates(&id, from, to).await?;
        ensure!(
            rates.is_sorted_by_key(|rate| rate.minute),
            "rates are not in order of time"
        );
        rates.sort_by_key(|rate| (rate.minute, rate.status.as_str()));
        Ok(rates)
    };
    let expected = [
        rate(0, Accepted, 2),
        rate(0, Ignored, 1),
        rate(1, Accepted, 1),
        rate(2, Failed, 1),
    ];
    same(
        counted(at(20_000), at(180_000)).await?,
        expected,
        "deliveries by minute",
    )?;
    same(
        counted(at(180_000), at(180_000)).await?,
        [],
        "deliveries of no time",
    )?;
    let much_later = at(180_000) + MAX_RATE_TIME;
    same(
        counted(at(0), much_later).await?,
        [rate(3, Failed, 1)],
        "deliveries of the longest time that is counted",
    )
}

async fn only_accepted_deliveries_make_the_rhythm(world: &World<'_>) -> Result<()> {
    let ledger = world.open().await;
    let (id, other) = (connect(&ledger, "43").await?, connect(&ledger, "44").await?);
    for (minute, status) in [
        (1, Accepted),
        (2, Ping),
        (3, Failed),
        (5, Accepted),
        (4, Accepted),
        (6, Ignored),
    ] {
        let arrived = DeliveryRecord {
            received_at: time(minute),
            ..delivery(&minute.to_string(), status)
        };
        record(&ledger, &id, arrived).await?;
    }
    record(&ledger, &other, delivery("other", Accepted)).await?;
    same(
        ledger.delivery_times(&id, 10).await?,
        [time(4), time(5), time(1)],
        "when accepted deliveries arrived",
    )?;
    same(
        ledger.delivery_times(&id, 1).await?,
        [time(4)],
        "when the one recorded last arrived",
    )
}
