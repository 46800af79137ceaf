use jiff::SignedDuration;

use super::deliveries::delivery;
use super::*;
use DeliveryStatus::{Accepted, Failed, Ignored};

async fn arrive(ledger: &SqliteLedger, id: &ConnectionId, at: Timestamp, status: DeliveryStatus) {
    let record = DeliveryRecord {
        received_at: at,
        ..delivery(&DeliveryId::generate().to_string(), status)
    };
    ledger
        .apply(id, &Changes::default(), Some(record))
        .await
        .unwrap();
}

#[tokio::test]
async fn deliveries_are_counted_in_the_minute_they_arrived_in() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let other = connect(&ledger, "44").await;
    // The beginning of a minute.
    let start = Timestamp::from_second(28_333_333 * 60).unwrap();
    let at = |milliseconds| start + SignedDuration::from_millis(milliseconds);
    for (milliseconds, status) in [
        (-1, Accepted),
        (0, Accepted),
        (59_999, Accepted),
        (30_000, Ignored),
        (60_000, Accepted),
        (179_999, Failed),
        (180_000, Failed),
    ] {
        arrive(&ledger, &id, at(milliseconds), status).await;
        arrive(&ledger, &other, at(milliseconds), Accepted).await;
    }
    let rate = |minute: i64, status, deliveries| DeliveryRate {
        minute: at(minute * 60_000),
        status,
        deliveries,
    };
    let counted = async |from, to| ledger.delivery_rates(&id, from, to).await.unwrap();
    assert_eq!(
        counted(at(20_000), at(180_000)).await,
        [
            rate(0, Accepted, 2),
            rate(0, Ignored, 1),
            rate(1, Accepted, 1),
            rate(2, Failed, 1)
        ]
    );
    assert_eq!(counted(at(180_000), at(180_000)).await, []);
    let much_later = at(180_000) + crate::ledger::MAX_RATE_TIME;
    assert_eq!(
        counted(at(0), much_later).await,
        [rate(3, Failed, 1)],
        "an unbounded time was counted"
    );
}
