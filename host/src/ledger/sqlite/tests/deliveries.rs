use super::*;
use crate::ledger::sqlite::deliveries::{MAX_DELIVERIES, MAX_REQUESTS};

pub(super) fn delivery(id: &str, status: DeliveryStatus) -> DeliveryRecord {
    DeliveryRecord {
        id: DeliveryId::new(id),
        received_at: time(1),
        event_id: Some("18446744073709551615".to_owned()),
        status,
        detail: "Recorded.".to_owned(),
        size_bytes: 100,
        sealed_request: None,
    }
}

fn failed(id: &str, bytes: usize) -> DeliveryRecord {
    DeliveryRecord {
        sealed_request: Some(vec![1; bytes]),
        ..delivery(id, DeliveryStatus::Failed)
    }
}

async fn record(ledger: &SqliteLedger, id: &ConnectionId, record: DeliveryRecord) {
    ledger
        .apply(id, &Changes::default(), Some(record))
        .await
        .unwrap();
}

async fn all(ledger: &SqliteLedger, status: Option<DeliveryStatus>) -> Vec<Delivery> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = ledger
            .deliveries(None, status, cursor.as_deref(), MAX_PAGE)
            .await
            .unwrap();
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
    }
}

const MAX_PAGE: usize = crate::ledger::MAX_PAGE;

#[tokio::test]
async fn a_failed_delivery_is_kept_until_its_replay_succeeds() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    record(&ledger, &id, failed("d", 3)).await;
    assert_eq!(
        ledger
            .connection(&id)
            .await
            .unwrap()
            .unwrap()
            .last_delivery_at,
        None
    );
    let kept = ledger
        .delivery(&DeliveryId::new("d"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((kept.record, kept.attempts), (failed("d", 3), 1));

    record(&ledger, &id, delivery("d", DeliveryStatus::Failed)).await;
    let kept = ledger
        .delivery(&DeliveryId::new("d"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (kept.record, kept.attempts),
        (failed("d", 3), 2),
        "a replay that failed lost the request"
    );

    record(&ledger, &id, delivery("d", DeliveryStatus::Accepted)).await;
    let done = ledger
        .delivery(&DeliveryId::new("d"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (done.record, done.attempts),
        (delivery("d", DeliveryStatus::Accepted), 3)
    );
    assert_eq!(
        ledger
            .connection(&id)
            .await
            .unwrap()
            .unwrap()
            .last_delivery_at,
        Some(time(1))
    );

    let other = connect(&ledger, "44").await;
    let stolen = ledger
        .apply(&other, &Changes::default(), Some(failed("d", 3)))
        .await;
    assert!(matches!(stolen, Err(LedgerError::Invalid(_))));
}

#[tokio::test]
async fn the_log_is_listed_newest_first_and_filtered() {
    let ledger = ledger();
    let (one, other) = (connect(&ledger, "43").await, connect(&ledger, "44").await);
    for number in 0..30 {
        let id = if number % 3 == 0 { &other } else { &one };
        let status = DeliveryStatus::ALL[number % 4];
        record(&ledger, id, delivery(&number.to_string(), status)).await;
    }
    for connection in [None, Some(&one), Some(&other)] {
        for status in [
            None,
            Some(DeliveryStatus::Ping),
            Some(DeliveryStatus::Failed),
        ] {
            let expected: Vec<String> = (0..30)
                .rev()
                .filter(|number| connection.is_none_or(|id| (number % 3 == 0) == (*id == other)))
                .filter(|number| {
                    status.is_none_or(|status| DeliveryStatus::ALL[number % 4] == status)
                })
                .map(|number| number.to_string())
                .collect();
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let page = ledger
                    .deliveries(connection, status, cursor.as_deref(), 4)
                    .await
                    .unwrap();
                found.extend(
                    page.items
                        .into_iter()
                        .map(|delivery| delivery.record.id.to_string()),
                );
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected);
        }
    }
    let malformed = ledger.deliveries(None, None, Some("first"), 4).await;
    assert!(matches!(malformed, Err(LedgerError::Invalid(_))));
}

#[tokio::test]
async fn the_log_is_bounded_and_what_can_be_replayed_goes_last() {
    let ledger = ledger();
    let (busy, quiet) = (connect(&ledger, "43").await, connect(&ledger, "44").await);
    record(&ledger, &quiet, delivery("quiet", DeliveryStatus::Accepted)).await;
    record(&ledger, &busy, failed("failed", 10)).await;
    for number in 0..MAX_DELIVERIES + 300 {
        record(
            &ledger,
            &busy,
            delivery(&number.to_string(), DeliveryStatus::Accepted),
        )
        .await;
    }
    let kept = all(&ledger, None).await;
    assert!(
        kept.len() <= MAX_DELIVERIES + 1,
        "{} deliveries are kept",
        kept.len()
    );
    assert!(
        kept.len() > MAX_DELIVERIES - 200,
        "only {} deliveries are kept",
        kept.len()
    );
    assert_eq!(
        kept[0].record.id.as_str(),
        (MAX_DELIVERIES + 299).to_string()
    );
    for id in ["quiet", "failed"] {
        assert!(
            ledger
                .delivery(&DeliveryId::new(id))
                .await
                .unwrap()
                .is_some(),
            "{id} was removed"
        );
    }
}

#[tokio::test]
async fn requests_kept_for_replay_are_bounded_in_number_and_bytes() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    for number in 0..MAX_REQUESTS + 5 {
        record(&ledger, &id, failed(&number.to_string(), 10)).await;
    }
    let has_request = async |id: String| {
        let delivery = ledger
            .delivery(&DeliveryId::new(id))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            delivery.replayable,
            delivery.record.sealed_request.is_some()
        );
        delivery.replayable
    };
    for (number, kept) in [(0, false), (4, false), (5, true), (MAX_REQUESTS + 4, true)] {
        assert_eq!(
            has_request(number.to_string()).await,
            kept,
            "request {number}"
        );
    }
    for number in 0..70 {
        record(&ledger, &id, failed(&format!("large-{number}"), 1 << 20)).await;
    }
    for (number, kept) in [(0, false), (5, false), (6, true), (69, true)] {
        assert_eq!(
            has_request(format!("large-{number}")).await,
            kept,
            "large request {number}"
        );
    }
}

#[tokio::test]
async fn a_kept_request_is_replaced_only_while_it_is_as_it_was_given_out() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    for name in ["a", "b", "c"] {
        record(&ledger, &id, failed(name, 3)).await;
    }
    let first = ledger.kept_requests(0, 2).await.unwrap();
    let names = |kept: &[KeptRequest]| -> Vec<String> {
        kept.iter()
            .map(|kept| kept.delivery_id.to_string())
            .collect()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let rest = ledger.kept_requests(first[1].place, 2).await.unwrap();
    assert_eq!(names(&rest), ["c"]);

    // One is handled and one fails again meanwhile.
    record(&ledger, &id, delivery("a", DeliveryStatus::Accepted)).await;
    record(&ledger, &id, failed("b", 4)).await;
    for kept in first.iter().chain(&rest) {
        ledger.replace_kept_request(kept, vec![2; 3]).await.unwrap();
    }
    let now = ledger.kept_requests(0, 10).await.unwrap();
    let sealed: Vec<_> = now.iter().map(|kept| kept.sealed.clone()).collect();
    assert_eq!(names(&now), ["b", "c"], "a handled delivery came back");
    assert_eq!(sealed, [vec![1; 4], vec![2; 3]], "a newer request was lost");
}
