//! The control API over HTTP, and failures on order.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::{Activity, CallFault};

use crate::support::{JONAS, Receiver, STUDIO, Toggl};

async fn control(toggl: &Toggl, path: &str, body: Value) -> (u16, Value) {
    let response = toggl
        .bare(Method::POST, &format!("/sandbox/{path}"))
        .json(&body)
        .send()
        .await
        .unwrap();
    (
        response.status().as_u16(),
        response.json().await.unwrap_or_default(),
    )
}

#[tokio::test]
async fn every_step_of_a_test_can_be_scripted_over_http() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let (status, started) = control(
        &toggl,
        "entries/start",
        json!({ "workspace_id": STUDIO, "user_id": JONAS, "tags": ["design"] }),
    )
    .await;
    assert_eq!(status, 200);
    let id = started["id"].clone();
    assert_eq!(
        control(
            &toggl,
            "entries/edit",
            json!({ "entry_id": id, "description": "Edited" })
        )
        .await
        .0,
        200
    );
    assert_eq!(
        control(&toggl, "entries/stop", json!({ "user_id": JONAS }))
            .await
            .0,
        200
    );
    assert_eq!(
        control(&toggl, "entries/delete", json!({ "entry_id": id }))
            .await
            .0,
        200
    );
    let logged = json!({ "workspace_id": STUDIO, "user_id": JONAS, "start": "2026-11-02T09:00:00Z", "stop": "2026-11-02T10:00:00Z" });
    assert_eq!(
        control(&toggl, "entries/log", logged).await.1["duration"],
        3600
    );
    assert_eq!(
        control(&toggl, "flush", json!({})).await.1,
        json!({ "settled": true, "pending": 0 })
    );
    assert_eq!(receiver.events().len(), 5);
    let state: Value = toggl
        .bare(Method::GET, "/sandbox/state")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let entry = state["time_entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["id"] == id)
        .unwrap();
    assert!(
        entry["deleted_at"].is_string(),
        "the state shows entries as they truly are"
    );
    let deliveries: Value = toggl
        .bare(Method::GET, "/sandbox/deliveries")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(deliveries[0]["attempts"][0]["status"], 200);
    let requests: Value = toggl
        .bare(Method::GET, "/sandbox/requests")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        requests.as_array().unwrap().len(),
        1,
        "only Toggl calls are counted: {requests}"
    );
    for (path, body) in [
        (
            "names/create",
            json!({ "kind": "client", "workspace_id": STUDIO, "name": "Lighthouse" }),
        ),
        (
            "members",
            json!({ "workspace_id": STUDIO, "user_id": JONAS, "role": "admin" }),
        ),
        ("users", json!({ "id": 42, "name": "Newcomer" })),
        (
            "plan",
            json!({ "organization_id": 2_108_001, "plan": "free" }),
        ),
        ("token", json!({ "user_id": JONAS, "token": "x" })),
        (
            "workspaces",
            json!({ "workspace_id": STUDIO, "suspended": true }),
        ),
        ("settings", json!({ "limits": { "burst": 5 } })),
        ("clock", json!({ "seconds": 60 })),
        ("faults/calls", json!({ "status": 500 })),
        ("faults/deliveries", json!({ "kind": "drop", "count": 1 })),
        ("faults/clear", json!({})),
        ("requests/clear", json!({})),
        ("activity/stop", json!({})),
    ] {
        assert_eq!(
            control(&toggl, path, body).await.0,
            200,
            "POST /sandbox/{path}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_a_sentence() {
    let toggl = Toggl::start().await;
    for (path, body, word) in [
        (
            "entries/stop",
            json!({ "user_id": JONAS }),
            "nothing is running",
        ),
        (
            "entries/start",
            json!({ "workspce_id": STUDIO }),
            "workspce_id",
        ),
        (
            "subscriptions",
            json!({ "subscription_id": 1 }),
            "no subscription 1",
        ),
        (
            "activity",
            json!({ "per_second": 0, "wait": true }),
            "per_second",
        ),
    ] {
        let (status, answer) = control(&toggl, path, body).await;
        assert_eq!(status, 422);
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[tokio::test]
async fn calls_fail_as_ordered_and_only_as_often() {
    let toggl = Toggl::start().await;
    let control = toggl.sandbox.control();
    let fault = |fault: CallFault| {
        control.fail_calls(CallFault {
            path: Some("/api/v9/me*".to_owned()),
            ..fault
        })
    };
    fault(CallFault {
        status: Some(503),
        body: Some("busy".to_owned()),
        headers: [("Retry-After".to_owned(), "7".to_owned())].into(),
        ..Default::default()
    });
    toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/tags"))
        .await;
    let failed = toggl
        .request(Method::GET, "/api/v9/me")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            failed.status().as_u16(),
            failed.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "7")
    );
    toggl.get("/api/v9/me").await;
    fault(CallFault {
        html: true,
        ..Default::default()
    });
    let page = toggl
        .request(Method::GET, "/api/v9/me")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            page.status().as_u16(),
            page.headers()["content-type"].to_str().unwrap()
        ),
        (502, "text/html")
    );
    fault(CallFault {
        truncate: true,
        ..Default::default()
    });
    let cut = toggl
        .request(Method::GET, "/api/v9/me")
        .send()
        .await
        .unwrap();
    assert!(
        cut.bytes().await.is_err(),
        "half a body must not look like a whole one"
    );
    fault(CallFault {
        delay_ms: 60_000,
        ..Default::default()
    });
    let late = toggl
        .request(Method::GET, "/api/v9/me")
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(late.unwrap_err().is_timeout());
    toggl.get("/api/v9/me").await;
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_call_took_effect() {
    let toggl = Toggl::start().await;
    toggl.sandbox.control().fail_calls(CallFault {
        status: Some(504),
        after_effect: true,
        method: Some("POST".to_owned()),
        ..Default::default()
    });
    let body = json!({ "name": "Made all the same" });
    assert_eq!(
        toggl
            .refused(
                Method::POST,
                &format!("/api/v9/workspaces/{STUDIO}/clients"),
                body
            )
            .await
            .0,
        504
    );
    let clients = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/clients?name=made"))
        .await;
    assert_eq!(clients.as_array().unwrap().len(), 1);
    let statuses: Vec<u16> = toggl
        .sandbox
        .control()
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [504, 200]);
}

#[tokio::test]
async fn generated_activity_arrives_whole_and_in_a_believable_order() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let control = toggl.sandbox.control();
    let activity = Activity {
        per_second: 10_000.0,
        events: Some(300),
        seed: Some(7),
        ..Activity::default()
    };
    let made = control.activity(activity).await.unwrap();
    assert!(made > 250, "only {made} of 300 changes were possible");
    assert!(control.flush(Default::default()).await.settled);
    let state = control.state();
    for event in receiver.events().iter().rev().take(50) {
        assert!(
            state
                .time_entries
                .iter()
                .any(|entry| event["payload"]["id"] == entry.id)
        );
    }
    let running = state.time_entries.iter().filter(|entry| entry.is_running());
    let mut people: Vec<i64> = running.map(|entry| entry.user_id).collect();
    let timers = people.len();
    people.sort_unstable();
    people.dedup();
    assert_eq!(people.len(), timers, "nobody runs two timers");
}

#[tokio::test]
async fn a_stopped_sandbox_no_longer_answers() {
    let toggl = Toggl::start().await;
    toggl.get("/api/v9/me").await;
    let url = format!("{}/api/v9/me", toggl.sandbox.base_url());
    toggl.sandbox.stop().await;
    assert!(reqwest::get(url).await.unwrap_err().is_connect());
}
