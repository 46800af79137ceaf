//! Gaps and logs survive; the log is bounded.

use super::*;
use crate::ledger::{ConnectionEvent, Continuity as _, CoverageChange, EventKind, MAX_EVENTS};

fn event(minute: i64, message: &str) -> ConnectionEvent {
    ConnectionEvent {
        at: time(minute),
        kind: EventKind::GapNoticed,
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn an_open_gap_survives_a_restart_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.sqlite");
    let open = || SqliteLedger::new(SqliteDatabase::open(&path).unwrap());
    let ledger = open();
    let id = connect(&ledger, "43").await;
    let confirmed = CoverageChange::Confirmed { until: time(30) };
    ledger.change_coverage(&id, confirmed).await.unwrap();
    let noticed = CoverageChange::GapNoticed {
        from: None,
        reason: "the webhook was disabled".into(),
        at: time(60),
    };
    let coverage = ledger.change_coverage(&id, noticed).await.unwrap();
    ledger.close().await;

    let found = open().connection(&id).await.unwrap().unwrap().coverage;
    assert_eq!(found, coverage, "the gap was forgotten");
    assert_eq!(found.gap.unwrap().from, time(30));
    assert_eq!(found.connected_at, time(0));
}

#[tokio::test]
async fn connecting_again_forgets_the_gap_of_the_time_without_connection() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let noticed = CoverageChange::GapNoticed {
        from: None,
        reason: "the token was rejected".into(),
        at: time(60),
    };
    ledger.change_coverage(&id, noticed).await.unwrap();
    let disconnected = ConnectionUpdate {
        state: Some(ConnectionState::Disconnected),
        ..Default::default()
    };
    ledger
        .update_connection(&id, disconnected, time(70))
        .await
        .unwrap();
    ledger
        .create_connection(new_connection("43"))
        .await
        .unwrap();
    let active = ConnectionUpdate {
        state: Some(ConnectionState::Active),
        ..Default::default()
    };
    let revived = ledger
        .update_connection(&id, active, time(500))
        .await
        .unwrap();
    assert_eq!(revived.coverage.gap, None);
    assert_eq!(revived.coverage.covered_until, time(500));
}

#[tokio::test]
async fn the_heartbeat_tells_when_a_host_last_ran() {
    let ledger = ledger();
    assert_eq!(ledger.heartbeat(time(1)).await.unwrap(), None);
    assert_eq!(ledger.heartbeat(time(2)).await.unwrap(), Some(time(1)));
    assert_eq!(ledger.heartbeat(time(9)).await.unwrap(), Some(time(2)));
}

#[tokio::test]
async fn the_log_is_paged_bounded_and_without_repetition() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let other = connect(&ledger, "44").await;
    ledger
        .record_event(&other, event(0, "other"))
        .await
        .unwrap();
    for minute in 0..i64::try_from(MAX_EVENTS).unwrap() + 20 {
        let message = minute.to_string();
        ledger
            .record_event(&id, event(minute, &message))
            .await
            .unwrap();
        ledger
            .record_event(&id, event(minute + 1, &message))
            .await
            .unwrap();
    }
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = ledger.events(&id, cursor.as_deref(), 7).await.unwrap();
        seen.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(
        seen.len(),
        MAX_EVENTS,
        "the log must not grow without bound"
    );
    assert_eq!(
        seen.first().unwrap().message,
        "219",
        "the newest comes first"
    );
    let mut messages: Vec<_> = seen.iter().map(|event| &event.message).collect();
    messages.dedup();
    assert_eq!(messages.len(), MAX_EVENTS, "a repeated event is said once");
    assert_eq!(ledger.events(&other, None, 9).await.unwrap().items.len(), 1);
    assert!(ledger.events(&id, Some("nonsense"), 9).await.is_err());
}

#[tokio::test]
async fn running_entries_are_found_by_when_they_began() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let activities = vec![
        entry("old", "1", log("7", None, 10, None)),
        entry("new", "1", log("7", None, 90, None)),
        entry("stopped", "1", log("7", None, 10, Some(20))),
    ];
    apply(&ledger, &id, activities, Vec::new()).await;
    let found = ledger.running_ids(&id, time(60), 100).await.unwrap();
    assert_eq!(found, ["old"]);
}

#[tokio::test]
async fn only_accepted_deliveries_make_the_rhythm() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    for (minute, status) in [
        (1, DeliveryStatus::Accepted),
        (2, DeliveryStatus::Ping),
        (3, DeliveryStatus::Failed),
        (4, DeliveryStatus::Accepted),
    ] {
        let record = DeliveryRecord {
            id: DeliveryId::generate(),
            received_at: time(minute),
            handled_at: time(minute),
            elapsed_us: 0,
            event_id: None,
            status,
            detail: String::new(),
            size_bytes: 1,
            sealed_request: None,
        };
        ledger
            .apply(&id, &Changes::default(), Some(record))
            .await
            .unwrap();
    }
    let times = ledger.delivery_times(&id, 10).await.unwrap();
    assert_eq!(times, [time(4), time(1)]);
}

#[tokio::test]
async fn reading_again_what_was_delivered_changes_nothing_that_is_seen() {
    let ledger = ledger();
    let id = connect(&ledger, "43").await;
    let told = entry("1", "1", log("7", None, 10, Some(20)));
    assert_eq!(apply(&ledger, &id, vec![told], Vec::new()).await.changed, 1);
    // The remote service's two interfaces tell of one state with different precision.
    let mut read = entry("1", "2", log("7", None, 10, Some(20)));
    read.event_id = None;
    let again = apply(&ledger, &id, vec![read], Vec::new()).await;
    assert_eq!((again.applied, again.changed), (1, 0));
    let edited = entry("1", "3", log("7", None, 10, Some(30)));
    let edited = apply(&ledger, &id, vec![edited], Vec::new()).await;
    assert_eq!(edited.changed, 1, "an edit that was missed is a difference");
    let gone = apply(&ledger, &id, vec![deletion("1", "4")], Vec::new()).await;
    assert_eq!(gone.changed, 1, "so is a deletion");
}
