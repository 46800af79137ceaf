//! Toggl says numbers that make no sense, or fails at everything.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use toggl_sandbox::CallFault;
use toggl_sandbox::control::SetSubscription;

use super::support::{Connected, forgetful};

async fn check(connected: &Connected) -> reqwest::Response {
    let path = format!("/connections/{}/check", connected.id);
    let request = connected.setup.host.request(Method::POST, &path);
    request.send().await.unwrap()
}

#[tokio::test]
async fn no_number_keeps_a_person_from_having_a_webhook_repaired() {
    let connected = Connected::start(forgetful(), "").await;
    let toggl = connected.setup.toggl();
    let answers = [
        (
            402,
            "Your quota will reset in 99999999999 seconds.",
            "",
            "*",
        ),
        (
            402,
            "Your quota will reset in -5 seconds, hourly limit",
            "",
            "*",
        ),
        (429, "", "86400", "*"),
        (429, "", "99999999999999999999", "*"),
        (429, "", "Fri, 31 Dec 9999 23:59:59 GMT", "*"),
        (429, "", "-1", "*"),
        (429, "", "soon", "*"),
        (
            200,
            r#"[{"organization_id":null,"remaining":1,"resets_in_secs":99999999999,"total":30}]"#,
            "",
            "/api/v9/me/quota",
        ),
        (
            200,
            r#"[{"organization_id":null,"remaining":-99999999999,"resets_in_secs":-1,"total":99999999999}]"#,
            "",
            "/api/v9/me/quota",
        ),
    ];
    for (status, body, retry_after, path) in answers {
        let what = format!("{status} {body}{retry_after}");
        let mut fault = CallFault {
            count: 8,
            path: Some(path.into()),
            status: Some(status),
            body: Some(body.into()),
            ..CallFault::default()
        };
        if !retry_after.is_empty() {
            fault
                .headers
                .insert("retry-after".into(), retry_after.into());
        }
        toggl.fail_calls(fault);
        let answer = check(&connected).await;
        if status != 200 {
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{what}");
            let wait = answer.headers()["retry-after"].to_str().unwrap();
            assert!(wait.parse::<u32>().unwrap() <= 3_600, "{what}: {wait}");
        }
        toggl.clear_faults();
        toggl
            .set_subscription(SetSubscription {
                subscription_id: toggl.subscriptions()[0].id,
                deleted: true,
                ..SetSubscription::default()
            })
            .unwrap();
        let answer = check(&connected).await;
        assert_eq!(answer.status(), StatusCode::OK, "{what}");
        let health: Value = answer.json().await.unwrap();
        assert_eq!(health["healthy"], true, "{what}: {health}");
        assert_eq!(toggl.subscriptions().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_service_that_fails_at_everything_is_spared() {
    let connected = Connected::start(
        forgetful(),
        "upkeep_ms = 100\nretry_ms = 20\nsilence_ms = 100\nverify_ms = 100",
    )
    .await;
    let toggl = connected.setup.toggl();
    toggl.fail_calls(CallFault {
        count: u32::MAX,
        status: Some(503),
        ..CallFault::default()
    });
    connected
        .until("it is not noticed that Toggl fails", async || {
            let log = connected.setup.host.log().unwrap();
            log.contains("the remote service fails; background work pauses")
        })
        .await;
    toggl.clear_requests();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // After pauses of 1, 2 and 4 seconds.
    let sent = toggl.requests().len();
    assert!(
        sent <= 4,
        "{sent} requests in ten seconds to a service that is down"
    );
    toggl.clear_faults();
    let before = connected.connection().await["covered_until"].clone();
    connected
        .until("the host does not go on", async || {
            connected.connection().await["covered_until"] != before
        })
        .await;
}
