//! The hourly quota and the leaky bucket.

use reqwest::Method;
use serde_json::json;
use toggl_sandbox::{
    Scenario,
    control::{AdvanceClock, SetSettings},
    scenario::Limits,
};

use crate::support::{SIDE_PROJECTS, STUDIO, Toggl};

fn header(response: &reqwest::Response, name: &str) -> Option<i64> {
    response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn the_thirty_first_me_request_of_an_hour_is_refused_until_the_window_ends() {
    let toggl = Toggl::start().await;
    for left in (0..30).rev() {
        let response = toggl
            .request(Method::GET, "/api/v9/me/logged")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                header(&response, "x-toggl-quota-remaining")
            ),
            (200, Some(left))
        );
    }
    let refused = toggl
        .request(Method::GET, "/api/v9/me")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 402);
    assert!(
        refused.headers().get("retry-after").is_none(),
        "Toggl sends no Retry-After with a 402"
    );
    let resets_in = header(&refused, "x-toggl-quota-resets-in").unwrap();
    let text = refused.text().await.unwrap();
    assert_eq!(
        text,
        format!(
            "You have hit your hourly limit for API calls. Your quota will reset in {resets_in} seconds."
        )
    );
    let other = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/tags"))
        .await;
    assert!(other.is_array(), "an organisation's quota is another");
    toggl
        .sandbox
        .control()
        .advance_clock(AdvanceClock { seconds: 3601 });
    let quota = toggl.get("/api/v9/me/quota").await;
    assert_eq!(
        (
            &quota[0]["organization_id"],
            &quota[0]["remaining"],
            &quota[0]["total"]
        ),
        (&json!(null), &json!(29), &json!(30))
    );
}

#[tokio::test]
async fn the_plan_decides_an_organisations_quota() {
    let toggl = Toggl::start().await;
    let quota = toggl.get("/api/v9/me/quota").await;
    let total = |organization: i64| {
        quota
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["organization_id"] == organization)
            .unwrap()["total"]
            .clone()
    };
    assert_eq!(
        (total(2_108_001), total(2_108_002), total(2_108_003)),
        (json!(600), json!(30), json!(240))
    );
    for _ in 0..30 {
        toggl
            .get(&format!("/api/v9/workspaces/{SIDE_PROJECTS}/tags"))
            .await;
    }
    let (status, text) = toggl
        .refused(
            Method::GET,
            &format!("/webhooks/api/v1/subscriptions/{SIDE_PROJECTS}"),
            json!({}),
        )
        .await;
    assert_eq!(
        status, 402,
        "webhook calls count unless the scenario says otherwise"
    );
    assert!(text.contains("hourly limit"));
}

#[tokio::test]
async fn the_quota_can_be_switched_off() {
    let toggl = Toggl::start().await;
    let limits = Limits {
        hourly_quota: false,
        ..Limits::default()
    };
    toggl
        .sandbox
        .control()
        .set_settings(SetSettings {
            limits: Some(limits),
            ..Default::default()
        })
        .unwrap();
    for _ in 0..40 {
        toggl.get("/api/v9/me/id").await;
    }
    let response = toggl
        .request(Method::GET, "/api/v9/me/id")
        .send()
        .await
        .unwrap();
    assert!(response.headers().get("x-toggl-quota-remaining").is_none());
}

#[tokio::test]
async fn a_burst_overflows_the_bucket_and_time_empties_it() {
    for retry_after in [false, true] {
        let limits = Limits {
            burst: 3,
            requests_per_second: 0.001,
            retry_after,
            ..Limits::default()
        };
        let scenario = Scenario {
            limits,
            ..Scenario::default()
        };
        let toggl = Toggl::with(scenario).await;
        for _ in 0..3 {
            toggl.get("/api/v9/me/id").await;
        }
        let refused = toggl
            .request(Method::GET, "/api/v9/me/id")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (
                refused.status().as_u16(),
                refused.headers().contains_key("retry-after")
            ),
            (429, retry_after)
        );
        toggl
            .sandbox
            .control()
            .advance_clock(AdvanceClock { seconds: 1000 });
        toggl.get("/api/v9/me/id").await;
    }
}
