use super::*;
use jiff::SignedDuration;

pub(super) fn delivery(id: &str, status: DeliveryStatus) -> DeliveryRecord {
    DeliveryRecord {
        id: DeliveryId::new(id),
        received_at: time(1),
        handled_at: time(1),
        elapsed_us: 250,
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

fn bounded(retention: Retention) -> SqliteLedger {
    ledger().with_retention(retention)
}

#[tokio::test]
async fn the_log_is_bounded_and_what_can_be_replayed_goes_last() {
    let ledger = bounded(Retention {
        rows: 100,
        ..Retention::default()
    });
    let (busy, quiet) = (connect(&ledger, "43").await, connect(&ledger, "44").await);
    record(&ledger, &quiet, delivery("quiet", DeliveryStatus::Accepted)).await;
    record(&ledger, &busy, failed("failed", 10)).await;
    for number in 0..1000 {
        let id = number.to_string();
        record(&ledger, &busy, delivery(&id, DeliveryStatus::Accepted)).await;
        let kept = all(&ledger, None).await.len();
        assert!(kept <= 102, "{kept} deliveries are kept");
        assert!(
            kept > 98.min(number),
            "only {kept} of {number} deliveries are kept"
        );
    }
    for id in ["quiet", "failed", "999", "910"] {
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
async fn what_was_just_recorded_stays_however_many_failed_ones_are_kept() {
    let ledger = bounded(Retention {
        rows: 1,
        ..Retention::default()
    });
    let id = connect(&ledger, "43").await;
    for number in 0..20 {
        record(&ledger, &id, failed(&format!("failed-{number}"), 10)).await;
    }
    record(&ledger, &id, delivery("last", DeliveryStatus::Accepted)).await;
    let kept = all(&ledger, None).await;
    assert_eq!((kept.len(), kept[0].record.id.as_str()), (21, "last"));
}

#[tokio::test]
async fn requests_kept_for_replay_are_bounded_in_number_and_bytes() {
    let ledger = bounded(Retention {
        requests: 50,
        request_bytes: 10_000,
        ..Retention::default()
    });
    let id = connect(&ledger, "43").await;
    let kept = async || {
        let (deliveries, count) = ledger
            .failed_deliveries(None, time(10), MAX_PAGE)
            .await
            .unwrap();
        assert_eq!(deliveries.len() as u64, count);
        deliveries
            .into_iter()
            .map(|delivery| delivery.record.id.to_string())
            .collect::<Vec<_>>()
    };
    let names = |from: u32, to: u32| {
        (from..to)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    };
    for number in 0..55 {
        record(&ledger, &id, failed(&number.to_string(), 10)).await;
    }
    assert_eq!(kept().await, names(5, 55), "the oldest go first");
    for number in 55..70 {
        record(&ledger, &id, failed(&number.to_string(), 1_000)).await;
    }
    assert_eq!(kept().await, names(60, 70), "bytes count too");
    record(&ledger, &id, failed("huge", 10_001)).await;
    assert_eq!(
        kept().await,
        names(60, 70),
        "what can never be kept pushes nothing out"
    );
}

#[tokio::test]
async fn smaller_settings_take_effect_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    let before = SqliteLedger::new(database.clone());
    let id = connect(&before, "43").await;
    for number in 0..1_000 {
        let record = failed(&number.to_string(), 10);
        before
            .apply(&id, &Changes::default(), Some(record))
            .await
            .unwrap();
    }
    let after = SqliteLedger::new(database).with_retention(Retention {
        rows: 20,
        requests: 10,
        ..Retention::default()
    });
    let (mut rows, mut steps) = (1_000, 0);
    while rows > 32 {
        steps += 1;
        record(&after, &id, failed(&format!("later-{steps}"), 10)).await;
        let left = all(&after, None).await.len();
        assert!(rows <= left + 201, "{} removed at once", rows - left);
        assert!(steps < 20, "{left} deliveries are kept");
        rows = left;
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

#[tokio::test]
async fn what_is_too_old_is_removed() {
    let ledger = bounded(Retention {
        age: SignedDuration::from_mins(100),
        request_age: SignedDuration::from_mins(10),
        ..Retention::default()
    });
    let id = connect(&ledger, "43").await;
    for minute in 0..1_000_i64 {
        let received = DeliveryRecord {
            received_at: time(minute),
            ..failed(&minute.to_string(), 10)
        };
        record(&ledger, &id, received).await;
    }
    let mut steps = 0;
    while ledger.prune_deliveries(time(999)).await.unwrap() {
        steps += 1;
    }
    assert!(steps > 2, "everything was removed at once");
    let left = all(&ledger, None).await;
    let replayable = left.iter().filter(|delivery| delivery.replayable).count();
    assert_eq!(
        (left.len(), replayable),
        (101, 11),
        "those of the last 100 and 10 minutes stay"
    );
}

#[tokio::test]
async fn a_failed_delivery_whose_event_arrived_again_is_superseded() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let unread = |name: &str| DeliveryRecord {
        event_id: None,
        ..failed(name, 10)
    };
    let status = async |name: &str| {
        let found = ledger.delivery(&DeliveryId::new(name)).await.unwrap();
        let found = found.unwrap();
        assert!(!found.replayable || found.record.status == DeliveryStatus::Failed);
        found.record.status
    };
    record(&ledger, &id, unread("first")).await;
    record(&ledger, &id, unread("lonely")).await;
    record(&ledger, &id, delivery("again", DeliveryStatus::Accepted)).await;
    record(&ledger, &id, delivery("first", DeliveryStatus::Accepted)).await;
    assert_eq!(status("first").await, DeliveryStatus::Superseded);
    let other = DeliveryRecord {
        event_id: Some("7".to_owned()),
        ..delivery("lonely", DeliveryStatus::Accepted)
    };
    record(&ledger, &id, other).await;
    assert_eq!(status("lonely").await, DeliveryStatus::Accepted);
    assert_eq!(status("again").await, DeliveryStatus::Accepted);

    // Of two replays at a time, the one that failed does not undo the other.
    record(&ledger, &id, delivery("lonely", DeliveryStatus::Failed)).await;
    assert_eq!(status("lonely").await, DeliveryStatus::Accepted);
}

#[tokio::test]
async fn what_was_tried_least_is_replayed_first() {
    let ledger = ledger();
    let (one, other) = (connect(&ledger, "43").await, connect(&ledger, "44").await);
    for name in ["a", "b", "c"] {
        record(&ledger, &one, failed(name, 10)).await;
    }
    record(&ledger, &other, failed("d", 10)).await;
    let again = DeliveryRecord {
        handled_at: time(5),
        ..delivery("a", DeliveryStatus::Failed)
    };
    record(&ledger, &one, again).await;
    let listed = async |connection: Option<&ConnectionId>, before, limit| {
        let (deliveries, count) = ledger
            .failed_deliveries(connection, before, limit)
            .await
            .unwrap();
        let names: Vec<_> = deliveries
            .into_iter()
            .map(|delivery| delivery.record.id.to_string())
            .collect();
        (names.join(""), count)
    };
    assert_eq!(listed(None, time(9), 10).await, ("bcda".to_owned(), 4));
    assert_eq!(listed(None, time(9), 2).await, ("bc".to_owned(), 4));
    assert_eq!(listed(Some(&one), time(9), 9).await, ("bca".to_owned(), 3));
    assert_eq!(listed(Some(&one), time(5), 9).await, ("bc".to_owned(), 2));
}
