//! A Free plan has 30 requests an hour, and people want some of them.

use std::time::Duration;

use end_to_end::eventually;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use toggl_sandbox::Scenario;
use toggl_sandbox::scenario::Plan;

use super::support::{Connected, JONAS};

/// A host that works does something every second or two: it is paced at one request a second.
const QUIET: Duration = Duration::from_secs(10);

#[tokio::test]
async fn background_work_never_uses_up_the_quota_of_a_free_plan() {
    let mut scenario = Scenario::default();
    for organization in &mut scenario.organizations {
        organization.plan = Plan::Free;
    }
    // A hundred times as often as in earnest, so that the quota is what holds it back.
    let background = "upkeep_ms = 300\nretry_ms = 200\nsilence_ms = 300\nverify_ms = 1000";
    let connected = Connected::start(scenario, background).await;
    for _ in 0..12 {
        connected.log_time(JONAS);
    }
    let toggl = connected.setup.toggl();
    eventually("the host never comes to rest", async || {
        let seen = toggl.requests().len();
        tokio::time::sleep(QUIET).await;
        toggl.requests().len() == seen
    })
    .await
    .unwrap();
    let requests = toggl.requests();
    let refused = requests
        .iter()
        .filter(|request| request.status == 402)
        .count();
    assert_eq!(refused, 0, "the quota was used up by the host itself");
    let (of_user, of_organization): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|request| request.path.starts_with("/api/v9/me"));
    assert!(
        of_user.len() > 15 || of_organization.len() > 15,
        "the host did nothing, so this shows nothing: {} requests",
        requests.len()
    );
    assert!(
        of_user.len() < 30 && of_organization.len() < 30,
        "{} and {} of 30 requests",
        of_user.len(),
        of_organization.len()
    );

    let path = format!("/connections/{}/check", connected.id);
    let (status, health) = connected
        .setup
        .host
        .call(Method::POST, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(
        (status, &health["healthy"]),
        (StatusCode::OK, &Value::Bool(true)),
        "nothing is left for a person who wants to look: {health}"
    );
    let connection = connected.connection().await;
    assert_eq!(connection["status"], "active", "a quota is nobody's fault");
}
