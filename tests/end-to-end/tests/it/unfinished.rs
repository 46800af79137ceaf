//! An attempt to connect that could not be undone leaves nothing at Toggl once Toggl answers again.

use end_to_end::{NORTHWIND, Setup, eventually, unlimited_scenario};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::CallFault;
use toggl_sandbox::control::SetSubscription;
use toggl_sandbox::scenario::Plan;
use tokio::task::JoinHandle;

/// A host that waits two seconds for Toggl and soon tries again.
const CONFIGURATION: &str = "[limits]\nhttp_timeout_ms = 2000\nhttp_attempts = 1\n\
                             [background]\nretry_ms = 200\n";

/// What a person who connects is answered; `None`: the host is gone.
type Connecting = JoinHandle<Option<(StatusCode, Value)>>;

/// A host in the middle of connecting: Toggl has made the webhook and does not say so.
async fn connecting() -> (Setup, Connecting) {
    let setup = Setup::builder()
        .unlimited()
        .configuration(CONFIGURATION)
        .start()
        .await
        .unwrap();
    setup.toggl().fail_calls(CallFault {
        method: Some("POST".into()),
        path: Some("*/subscriptions/*".into()),
        stall: true,
        ..CallFault::default()
    });
    let body =
        json!({ "secrets": setup.secrets(), "scope_id": NORTHWIND.to_string(), "name": null });
    let request = setup.host.request(Method::POST, "/connections").json(&body);
    let answer = tokio::spawn(async move {
        let answer = request.send().await.ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    });
    // Toggl keeps it only once its ping was answered.
    eventually("Toggl made no webhook", async || {
        let made = setup.toggl().subscriptions();
        made.iter().any(|webhook| webhook.validated_at.is_some())
    })
    .await
    .unwrap();
    setup.toggl().fail_calls(CallFault {
        count: u32::MAX,
        status: Some(503),
        ..CallFault::default()
    });
    (setup, answer)
}

/// Waits until the host has failed to undo it so often, has Toggl answer again, and connects.
async fn assert_is_undone(setup: &Setup, failures: usize) {
    eventually("the host does not try to undo it", async || {
        let log = setup.host.log().unwrap();
        log.matches("undoing an unfinished connection did not succeed")
            .count()
            >= failures
    })
    .await
    .unwrap();
    setup.toggl().clear_faults();
    eventually(
        "a webhook stays at Toggl, and the workspace taken, until the next start",
        async || setup.toggl().subscriptions().is_empty(),
    )
    .await
    .unwrap();
    // It is gone at Toggl a moment before it is here.
    eventually("the workspace stays taken", async || {
        let connected = setup.connect(NORTHWIND).await;
        if let Err(error) = &connected {
            assert!(error.to_string().contains("409"), "{error}");
        }
        connected
    })
    .await
    .unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 1);
}

#[tokio::test]
async fn a_start_at_which_toggl_is_out_of_reach_undoes_an_interrupted_attempt_later() {
    let (mut setup, answer) = connecting().await;
    setup.host.kill().await.unwrap();
    assert_eq!(answer.await.unwrap(), None, "it was killed too late");
    setup.restart().await.unwrap();
    assert_is_undone(&setup, 2).await;
}

#[tokio::test]
async fn an_attempt_that_fails_with_toggl_out_of_reach_is_undone_later() {
    let (setup, answer) = connecting().await;
    let (status, problem) = answer.await.unwrap().unwrap();
    assert!(status.is_server_error(), "{status} {problem}");
    // Once by the attempt itself.
    assert_is_undone(&setup, 2).await;
}

/// A webhook is looked for after 70, 350 and 2,100 ms, and after 100 s.
const LOOKING: &str = "[limits]\nhttp_timeout_ms = 1000\nhttp_attempts = 1\n\
                       [background]\nretry_ms = 200\nunsettled_ms = 100000\n";

/// Toggl makes a webhook, does not say so, and for some time does not list it.
async fn unlisted(configuration: &str) -> (Setup, StatusCode) {
    let setup = Setup::builder()
        .unlimited()
        .configuration(configuration)
        .start()
        .await
        .unwrap();
    setup.toggl().fail_calls(CallFault {
        method: Some("POST".into()),
        path: Some("*/subscriptions/*".into()),
        stall: true,
        ..CallFault::default()
    });
    setup.toggl().fail_calls(CallFault {
        // Before it is made, after its answer was lost, and by the undoing.
        count: 3,
        method: Some("GET".into()),
        path: Some("*/subscriptions/*".into()),
        status: Some(200),
        body: Some("[]".into()),
        ..CallFault::default()
    });
    // Nor is it known by the id that its ping told.
    setup.toggl().fail_calls(CallFault {
        method: Some("DELETE".into()),
        path: Some("*/subscriptions/*".into()),
        status: Some(404),
        ..CallFault::default()
    });
    let body =
        json!({ "secrets": setup.secrets(), "scope_id": NORTHWIND.to_string(), "name": null });
    let (status, _) = setup
        .host
        .call(Method::POST, "/connections", body)
        .await
        .unwrap();
    (setup, status)
}

#[tokio::test]
async fn a_webhook_that_toggl_does_not_list_yet_is_looked_for_again() {
    let (setup, status) = unlisted(LOOKING).await;
    assert!(status.is_server_error(), "{status}");
    assert_eq!(
        setup.toggl().subscriptions().len(),
        1,
        "it was made, so this shows nothing"
    );
    eventually("a webhook stays at Toggl for ever", async || {
        setup.toggl().subscriptions().is_empty()
    })
    .await
    .unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 1);
}

#[tokio::test]
async fn a_kill_does_not_end_the_search_for_a_webhook() {
    let (mut setup, _) = unlisted(LOOKING).await;
    setup.host.kill().await.unwrap();
    setup.toggl().clear_faults();
    assert_eq!(setup.toggl().subscriptions().len(), 1);
    setup.restart().await.unwrap();
    eventually("a webhook stays at Toggl for ever", async || {
        setup.toggl().subscriptions().is_empty()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_is_left_of_an_attempt_does_not_take_a_free_plans_only_webhook() {
    let mut scenario = unlimited_scenario();
    for organization in &mut scenario.organizations {
        organization.plan = Plan::Free;
    }
    let setup = Setup::builder()
        .scenario(scenario)
        .configuration(LOOKING)
        .start()
        .await
        .unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    // An earlier hook of this host, of which it knows nothing any more.
    let left = &setup.toggl().subscriptions()[0];
    let (base, _) = left.url_callback.rsplit_once('/').unwrap();
    let id = connection["id"].as_str().unwrap();
    let deleting = CallFault {
        method: Some("DELETE".into()),
        status: Some(200),
        body: Some("{}".into()),
        count: 8,
        path: Some("*/subscriptions/*".into()),
        ..CallFault::default()
    };
    setup.toggl().fail_calls(deleting);
    let (status, _) = setup
        .host
        .call(Method::DELETE, &format!("/connections/{id}"), Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT);
    setup.toggl().clear_faults();
    setup
        .toggl()
        .set_subscription(SetSubscription {
            subscription_id: left.id,
            url_callback: Some(format!("{base}/ffffffffffffffffffffffffffffffff")),
            ..SetSubscription::default()
        })
        .unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 1, "this shows nothing");
    setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.toggl().subscriptions().len(), 1);
    setup.ensure_deliveries_arrive().await.unwrap();
}
