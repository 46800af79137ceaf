//! Tokens that Toggl accepts no more, and connecting again.

use end_to_end::{NORTHWIND, TOMAS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::CallFault;
use toggl_sandbox::control::SetToken;

use super::support::{Connected, JONAS, MARA, forgetful};

/// Another workspace of the same account.
const OTHER: i64 = 7_400_002;

fn reset_token(connected: &Connected) {
    let token = SetToken {
        user_id: MARA,
        token: "another".into(),
    };
    connected.setup.toggl().set_token(token).unwrap();
}

async fn disconnect(connected: &Connected) -> (StatusCode, Value) {
    let path = format!("/connections/{}", connected.id);
    let host = &connected.setup.host;
    host.call(Method::DELETE, &path, Value::Null).await.unwrap()
}

#[tokio::test]
async fn disconnecting_with_a_refused_token_says_what_stays_and_where_to_delete_it() {
    let connected = Connected::start(forgetful(), "").await;
    reset_token(&connected);
    let (status, answer) = disconnect(&connected).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let stays = answer["stays"].as_str().unwrap();
    for part in ["rejected the API token", "stays at Toggl", "Integrations"] {
        assert!(stays.contains(part), "{part}: {stays}");
    }
    assert_eq!(connected.setup.toggl().subscriptions().len(), 1);
}

#[tokio::test]
async fn of_two_connections_with_one_token_both_say_that_it_is_refused() {
    // The other one would be looked at in an hour.
    let connected = Connected::start(forgetful(), "").await;
    let other = connected.setup.connect(OTHER).await.unwrap();
    reset_token(&connected);
    let path = format!("/connections/{}/check", connected.id);
    let host = &connected.setup.host;
    host.call(Method::POST, &path, Value::Null).await.unwrap();
    let path = format!("/connections/{}", other["id"].as_str().unwrap());
    connected
        .until("only one of two connections says so", async || {
            let other = host.get(&path).await.unwrap();
            other["attention"]["code"] == "unauthorized"
        })
        .await;
}

#[tokio::test]
async fn connecting_again_takes_the_name_that_is_given() {
    let connected = Connected::start(forgetful(), "").await;
    let connect = async |name: Value| {
        assert_eq!(disconnect(&connected).await.0, StatusCode::NO_CONTENT);
        let secrets = connected.setup.secrets();
        let body = json!({"secrets": secrets, "scope_id": NORTHWIND.to_string(), "name": name});
        let host = &connected.setup.host;
        let (status, made) = host.call(Method::POST, "/connections", body).await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["name"].clone()
    };
    assert_eq!(connect(json!("Studio Berlin")).await, "Studio Berlin");
    assert_eq!(connect(Value::Null).await, "Studio Berlin");
}

/// Nearly nothing is left of one quota when a gap opens.
async fn gap_with(user: i64, organization: i64) -> Connected {
    let mut connected = Connected::start(
        forgetful(),
        "outage_ms = 1\nstart_delay_ms = 50\nupkeep_ms = 600000\nretry_ms = 300",
    )
    .await;
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();
    let quotas = json!([
        {"organization_id": null, "remaining": user, "resets_in_secs": 1_800, "total": 30},
        {"organization_id": 2_108_001, "remaining": organization, "resets_in_secs": 1_800, "total": 30},
    ]);
    let toggl = connected.setup.toggl();
    toggl.fail_calls(CallFault {
        count: u32::MAX,
        path: Some("/api/v9/me/quota".into()),
        status: Some(200),
        body: Some(quotas.to_string()),
        ..CallFault::default()
    });
    connected.log_time(JONAS);
    connected.start_timer(TOMAS);
    connected.setup.restart().await.unwrap();
    connected.until_logged("gap-noticed", 1).await;
    connected
}

#[tokio::test]
async fn a_gap_does_not_wait_for_a_quota_that_reading_does_not_need() {
    let connected = gap_with(3, 25).await;
    connected.until_logged("gap-reconciled", 1).await;
    assert_eq!(connected.connection().await["gap"], Value::Null);
}

#[tokio::test]
async fn a_gap_that_waits_says_until_when_and_is_read_when_somebody_asks() {
    let connected = gap_with(3, 2).await;
    connected
        .until("nobody is told that the gap waits", async || {
            !connected.connection().await["gap"]["waits_for"].is_null()
        })
        .await;
    let connection = connected.connection().await;
    let wait = &connection["gap"]["waits_for"];
    assert!(
        wait["until"].is_string() && wait["quota"].is_string(),
        "{connection}"
    );
    let path = format!("/connections/{}/gap/read", connected.id);
    let host = &connected.setup.host;
    let (status, answer) = host.call(Method::POST, &path, Value::Null).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    connected.until_logged("gap-reconciled", 1).await;
}
