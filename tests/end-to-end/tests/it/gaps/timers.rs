//! Timers that ran when somebody disconnected, and clocks that differ.

use end_to_end::{NORTHWIND, TOMAS};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::{StartTimer, StopTimer};
use toggl_sandbox::{DeliveryFault, NewEntry};

use super::support::{Connected, JONAS, MARA, forgetful};

/// Starts a timer by a clock that is ahead, and stops it by one that is right.
fn stop_before_the_start(connected: &Connected, user_id: i64) -> i64 {
    let toggl = connected.setup.toggl();
    let entry = toggl
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id,
            start: Some(Timestamp::now() + SignedDuration::from_secs(260)),
            ..StartTimer::default()
        })
        .unwrap();
    let stopped = toggl
        .stop_timer(StopTimer {
            entry_id: Some(entry.id),
            ..StopTimer::default()
        })
        .unwrap();
    assert!(stopped.duration < 0, "this shows nothing: {stopped:?}");
    entry.id
}

async fn disconnect(connected: &Connected) {
    let path = format!("/connections/{}", connected.id);
    let (status, answer) = connected
        .setup
        .host
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
}

#[tokio::test]
async fn a_timer_that_was_stopped_before_it_began_does_not_run_for_ever() {
    let connected = Connected::start(forgetful(), "").await;
    let delivered = stop_before_the_start(&connected, TOMAS);
    connected.setup.settle().await.unwrap();
    let toggl = connected.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    let read = stop_before_the_start(&connected, JONAS);
    let path = format!("/connections/{}/reconcile", connected.id);
    let hour = SignedDuration::from_hours(1);
    let range = json!({"from": Timestamp::now() - hour, "to": Timestamp::now() + hour});
    let (status, answer) = connected
        .setup
        .host
        .call(Method::POST, &path, range)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    for entry in [delivered, read] {
        let activity = connected.setup.activity(entry).await.unwrap();
        assert_eq!(
            (&activity["running"], &activity["duration_seconds"]),
            (&json!(false), &json!(0)),
            "it counts for ever, or takes time away: {activity}"
        );
    }
}

#[tokio::test]
async fn what_ran_when_somebody_disconnected_is_frozen_and_looked_up_afterwards() {
    let connected = Connected::start(forgetful(), "retry_ms = 300").await;
    let stopped = connected.start_timer(TOMAS);
    let still_running = connected.start_timer(JONAS);
    connected.setup.settle().await.unwrap();
    let feed = "/activities/changes?limit=1000";
    let before = connected.setup.host.get(feed).await.unwrap();
    disconnect(&connected).await;

    let cursor = before["next"].as_str().unwrap();
    let feed = format!("{feed}&after={cursor}");
    let changes = connected.setup.host.get(&feed).await.unwrap();
    for entry in [stopped, still_running] {
        let activity = connected.setup.activity(entry).await.unwrap();
        assert_eq!(
            (&activity["running"], &activity["frozen"]),
            (&json!(false), &json!(true)),
            "it goes on counting: {activity}"
        );
        let told = changes["activities"].as_array().unwrap();
        assert!(
            told.iter().any(
                |one| one["source"]["entry_id"] == *entry.to_string().as_str()
                    && one["frozen"] == true
            ),
            "whoever follows the feed goes on counting: {changes}"
        );
    }
    let toggl = connected.setup.toggl();
    toggl
        .stop_timer(StopTimer {
            entry_id: Some(stopped),
            ..StopTimer::default()
        })
        .unwrap();
    let now = Timestamp::now();
    let between = toggl
        .log_time(NewEntry {
            workspace_id: NORTHWIND,
            user_id: MARA,
            start: Some(now - SignedDuration::from_secs(2)),
            stop: Some(now - SignedDuration::from_secs(1)),
            ..NewEntry::default()
        })
        .unwrap()
        .id;

    connected.setup.connect(NORTHWIND).await.unwrap();
    connected
        .until("a timer that was stopped meanwhile runs on", async || {
            let activity = connected.setup.activity(stopped).await.unwrap();
            activity["running"] == false && !activity["stop"].is_null()
        })
        .await;
    let activity = connected.setup.activity(still_running).await.unwrap();
    assert_eq!(
        (&activity["running"], &activity["frozen"]),
        (&json!(true), &json!(false)),
        "{activity}"
    );

    // The time in between is offered, and read when somebody asks for it.
    assert!(!connected.has(between).await, "nobody asked for it yet");
    let connection = connected.connection().await;
    let range = &connection["unread"];
    assert!(range["from"].is_string(), "{connection}");
    let path = format!("/connections/{}/reconcile", connected.id);
    let (status, answer) = connected
        .setup
        .host
        .call(Method::POST, &path, range.clone())
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(connected.has(between).await, "{answer}");
    let connection = connected.connection().await;
    assert_eq!(connection["unread"], Value::Null, "it is offered for ever");
}
