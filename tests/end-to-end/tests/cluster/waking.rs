//! A host that stood still until others had taken over, and goes on with what it was at.

use end_to_end::cluster::Cluster;
use end_to_end::{NORTHWIND, PATIENCE, eventually, unlimited_scenario};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use toggl_sandbox::CallFault;
use toggl_sandbox::control::SetWorkspace;
use tokio::time::timeout;

/// Leases that run out soon, and an answer that comes while the host stands still.
const CONFIGURATION: &str = "[background]
lease_ms = 1500
";
const LATE: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_found_out_before_it_stood_still_does_not_undo_what_others_did_since() {
    let cluster = Cluster::start(2, unlimited_scenario(), CONFIGURATION).await;
    let Some(mut cluster) = cluster.unwrap() else {
        return;
    };
    let connection = cluster.connect(NORTHWIND).await.unwrap();
    let path = format!("/connections/{}", connection["id"].as_str().unwrap());

    // The last answer of a check is on its way when the host stops. All that is left to do is to record it.
    cluster.sandbox.control().fail_calls(CallFault {
        method: Some("GET".into()),
        path: Some("*/subscriptions/*".into()),
        delay_ms: LATE,
        ..CallFault::default()
    });
    let asked = cluster.questions_of(0, "subscriptions");
    let check = cluster.host(0).unwrap();
    let check = check.request(Method::POST, &format!("{path}/check"));
    let check = tokio::spawn(check.send());
    eventually("the host asks nothing", async || {
        cluster.questions_of(0, "subscriptions") > asked
    })
    .await
    .unwrap();
    cluster.pause(0).await.unwrap();

    // Meanwhile the workspace is renamed, which the other host finds out as soon as the lease has run out.
    let renamed = SetWorkspace {
        workspace_id: NORTHWIND,
        name: Some("Northwind & Daughters".into()),
        ..SetWorkspace::default()
    };
    cluster.sandbox.control().set_workspace(renamed).unwrap();
    let other = cluster.host(1).unwrap();
    let check_there = format!("{path}/check");
    let (status, health) = other
        .call(Method::POST, &check_there, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{health}");
    let before = other.get(&path).await.unwrap();
    assert_eq!(before["scope"]["name"], "Northwind & Daughters");

    cluster.wake(0).await.unwrap();
    let answer = timeout(PATIENCE, check).await.unwrap();
    let answer = answer.unwrap().unwrap();
    let (status, problem) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(
        problem.contains("taken over"),
        "the person does not learn why: {problem}"
    );
    let seen = cluster.host(1).unwrap().get(&path).await.unwrap();
    assert_eq!(
        seen, before,
        "the host that woke wrote down what it had seen before it stood still"
    );
}
