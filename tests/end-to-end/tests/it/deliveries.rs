//! What arrives at a hook: genuine deliveries are recorded once, everything else leaves no trace.

use end_to_end::{NORTHWIND, Setup, TOMAS, delivery, finished_entry};
use integration_host_contract::limits::Limits;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::DeliveryFault;
use toggl_sandbox::control::{StartTimer, StopTimer};

/// A connected setup with what is needed to make deliveries by hand.
struct Hook {
    setup: Setup,
    callback: String,
    secret: String,
    subscription: i64,
}

impl Hook {
    async fn connected() -> Self {
        let setup = Setup::builder().start().await.unwrap();
        setup.connect(NORTHWIND).await.unwrap();
        let subscription = setup.toggl().subscriptions().remove(0);
        Self {
            setup,
            callback: subscription.url_callback,
            secret: subscription.secret,
            subscription: subscription.id,
        }
    }

    /// A delivery like Toggl's, with a field of the envelope or the payload replaced.
    fn event(&self, event_id: Value, payload: Value) -> Value {
        let entry = payload["id"].clone();
        json!({
            "event_id": event_id,
            "created_at": "2026-03-02T10:00:00.5Z",
            "creator_id": TOMAS,
            "metadata": {
                "action": "created", "model": "time_entry", "event_user_id": TOMAS.to_string(),
                "model_owner_id": TOMAS.to_string(), "request_type": "POST",
                "time_entry_id": entry.to_string(), "workspace_id": NORTHWIND.to_string()
            },
            "payload": payload,
            "subscription_id": self.subscription,
            "timestamp": "2026-03-02T10:00:01.123456789Z",
            "url_callback": self.callback,
        })
    }

    async fn send(&self, body: &Value) -> StatusCode {
        let (signature, body) = delivery(&self.secret, body);
        self.setup
            .host
            .deliver(&self.callback, Some(&signature), body)
            .await
            .unwrap()
    }

    async fn deliveries(&self) -> usize {
        let list = self.setup.host.get("/deliveries?limit=1000").await.unwrap();
        list["deliveries"].as_array().unwrap().len()
    }
}

/// A finished entry.
fn entry(id: u64) -> Value {
    json!({
        "at": "2026-03-02T10:00:00+00:00", "billable": false, "description": "By hand",
        "duration": 3600, "duronly": true, "id": id, "project_id": null, "server_deleted_at": null,
        "start": "2026-03-02T09:00:00Z", "stop": "2026-03-02T10:00:00Z", "tag_ids": null,
        "tags": null, "task_id": null, "uid": TOMAS, "user_id": TOMAS, "wid": NORTHWIND,
        "workspace_id": NORTHWIND
    })
}

#[tokio::test]
async fn what_is_not_signed_by_toggl_is_refused_and_leaves_no_trace() {
    let hook = Hook::connected().await;
    let before = hook.deliveries().await;
    let body = hook.event(json!(7), entry(1)).to_string();
    let (genuine, _) = delivery(&hook.secret, &hook.event(json!(7), entry(1)));
    let (other_secret, _) = delivery("another secret", &hook.event(json!(7), entry(1)));
    let hex = genuine.trim_start_matches("sha256=").to_owned();
    for (signature, why) in [
        (None, "no signature"),
        (Some(String::new()), "an empty one"),
        (Some(hex.clone()), "no algorithm"),
        (Some(format!("sha1={hex}")), "another algorithm"),
        (Some(format!("sha256={}", &hex[..62])), "one that is cut"),
        (Some("sha256=zz".into()), "no hexadecimal"),
        (Some(other_secret), "another secret"),
    ] {
        let status = hook
            .setup
            .host
            .deliver(&hook.callback, signature.as_deref(), body.clone())
            .await;
        assert_eq!(status.unwrap(), StatusCode::UNAUTHORIZED, "{why}");
    }
    let changed = body.replace("By hand", "By hook");
    let status = hook
        .setup
        .host
        .deliver(&hook.callback, Some(&genuine), changed)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a changed body");
    let unknown = format!("{}/hooks/{}", hook.setup.host.url, "0".repeat(32));
    let status = hook
        .setup
        .host
        .deliver(&unknown, Some(&genuine), body.clone())
        .await
        .unwrap();
    assert_eq!(
        status,
        StatusCode::UNAUTHORIZED,
        "an unknown hook looks like a wrong signature"
    );

    assert_eq!(hook.deliveries().await, before);
    assert!(hook.setup.activity(1).await.unwrap().is_null());
    let status = hook
        .setup
        .host
        .deliver(&hook.callback, Some(&genuine), body)
        .await
        .unwrap();
    assert_eq!(
        status,
        StatusCode::OK,
        "the genuine one is accepted all the same"
    );
}

#[tokio::test]
async fn what_is_signed_but_meant_for_another_connection_is_not_taken_in() {
    let hook = Hook::connected().await;
    let mut callback = hook.event(json!(7), entry(1));
    callback["url_callback"] = json!("https://example.com/hooks/1");
    let status = hook.send(&callback).await;
    assert!(status.is_client_error(), "another callback: {status}");
    assert!(hook.setup.activity(1).await.unwrap().is_null());

    // An entry that was moved there: refused, it would come again until Toggl disables the webhook.
    let mut workspace = hook.event(json!(8), entry(2));
    workspace["metadata"]["workspace_id"] = json!("1");
    workspace["payload"]["workspace_id"] = json!(1);
    workspace["payload"]["wid"] = json!(1);
    assert_eq!(hook.send(&workspace).await, StatusCode::OK);
    let activity = hook.setup.activity(2).await.unwrap();
    assert!(
        activity.is_null() || activity["deleted"] == true,
        "{activity}"
    );

    // A second webhook of this host's, which calls the same URL and signs with the same secret.
    let mut subscription = hook.event(json!(9), entry(3));
    subscription["subscription_id"] = json!(1);
    assert_eq!(hook.send(&subscription).await, StatusCode::OK);
    assert!(!hook.setup.activity(3).await.unwrap().is_null());
}

#[tokio::test]
async fn whatever_toggl_may_send_is_answered_and_understood() {
    let hook = Hook::connected().await;
    let host = &hook.setup.host;

    // Ids beyond 2^53, as number and as text, stay exact.
    assert_eq!(
        hook.send(&hook.event(json!(18_446_744_073_709_551_615_u64), entry(10)))
            .await,
        200
    );
    let activity = hook.setup.activity(10).await.unwrap();
    assert_eq!(activity["source"]["event_id"], "18446744073709551615");
    assert_eq!(activity["tags"], json!([]), "null tags are none");
    assert_eq!(activity["duration_seconds"], 3600);
    assert_eq!(
        hook.send(&hook.event(json!("9007199254740993"), entry(11)))
            .await,
        200
    );
    let activity = hook.setup.activity(11).await.unwrap();
    assert_eq!(activity["source"]["event_id"], "9007199254740993");

    // Running: a negative duration, or −1. A duration of 0 without stop is a finished entry.
    for (id, duration, running) in [
        (20, -1_772_442_000_i64, true),
        (21, -1, true),
        (22, 0, false),
    ] {
        let mut payload = entry(id);
        payload["duration"] = json!(duration);
        payload["stop"] = Value::Null;
        assert_eq!(hook.send(&hook.event(json!(20 + id), payload)).await, 200);
        assert_eq!(
            hook.setup.activity(id.try_into().unwrap()).await.unwrap()["running"],
            running,
            "{duration}"
        );
    }

    // A deletion may come with nothing but the id, and before anything else.
    let mut deletion = hook.event(
        json!(30),
        json!({ "id": 30, "wid": NORTHWIND, "uid": TOMAS }),
    );
    deletion["metadata"]["action"] = json!("deleted");
    assert_eq!(hook.send(&deletion).await, 200);
    assert_eq!(hook.setup.activity(30).await.unwrap()["deleted"], true);
    let mut earlier = hook.event(json!(29), entry(30));
    earlier["created_at"] = json!("2026-03-02T09:59:00Z");
    earlier["payload"]["at"] = json!("2026-03-02T09:59:00Z");
    assert_eq!(hook.send(&earlier).await, 200);
    let activity = hook.setup.activity(30).await.unwrap();
    assert_eq!(
        (&activity["deleted"], &activity["title"]),
        (&json!(true), &json!(["By hand"]))
    );

    // What is not known is acknowledged and ignored, or Toggl would send it again and again.
    let before = host
        .get("/activities?include=unmapped,deleted")
        .await
        .unwrap();
    let mut entity = hook.event(json!(40), json!({ "id": 1, "wid": NORTHWIND }));
    entity["metadata"]["model"] = json!("invoice");
    assert_eq!(hook.send(&entity).await, 200);
    let (signature, body) = (
        toggl_sandbox::signature::sign(&hook.secret, b"not json"),
        b"not json".to_vec(),
    );
    let status = host
        .deliver(&hook.callback, Some(&signature), body)
        .await
        .unwrap();
    assert!(status.is_success(), "{status}");
    assert_eq!(
        host.get("/activities?include=unmapped,deleted")
            .await
            .unwrap(),
        before
    );

    // Pings are answered every time, with the code when they carry one.
    for code in [json!("abc"), Value::Null, Value::Null] {
        let mut ping = json!({
            "event_id": 0, "created_at": "2026-03-02T10:00:00Z", "creator_id": 6,
            "metadata": { "request_type": "POST", "event_user_id": 6 }, "payload": "ping",
            "subscription_id": hook.subscription, "timestamp": "2026-03-02T10:00:00Z",
            "url_callback": hook.callback,
        });
        if !code.is_null() {
            ping["validation_code"] = code;
        }
        assert_eq!(hook.send(&ping).await, 200);
    }
}

#[tokio::test]
async fn the_longest_entry_is_taken_as_far_as_it_can_be() {
    let hook = Hook::connected().await;
    let subscription = hook.setup.toggl().subscriptions().remove(0);
    let mut body = finished_entry(&subscription, 1, 77_000_001);
    let tags: Vec<String> = (0..50_000)
        .map(|tag| format!("A tag of many, {tag}"))
        .collect();
    body["payload"]["tags"] = tags.into();
    body["payload"]["tag_ids"] = (10_000_000..10_050_000).collect::<Vec<u32>>().into();
    assert!(body.to_string().len() > 1 << 20, "this shows nothing");
    assert_eq!(
        hook.send(&body).await,
        200,
        "it is delivered again until Toggl switches the webhook off"
    );
    let activity = hook.setup.activity(77_000_001).await.unwrap();
    let tags = activity["tags"].as_array().unwrap();
    assert_eq!(
        (&tags[0], tags.last().unwrap()),
        (&json!("A tag of many, 0"), &json!("…"))
    );
}

#[tokio::test]
async fn a_body_that_no_entry_has_is_too_large() {
    let hook = Hook::connected().await;
    let body = vec![b'a'; Limits::default().delivery_bytes + 1];
    let signature = toggl_sandbox::signature::sign(&hook.secret, &body);
    let status = hook
        .setup
        .host
        .deliver(&hook.callback, Some(&signature), body)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn repeated_and_reordered_deliveries_are_recorded_once_in_their_last_state() {
    let hook = Hook::connected().await;
    let toggl = hook.setup.toggl();
    toggl.fail_deliveries(DeliveryFault::Reorder { count: 4 });
    toggl.fail_deliveries(DeliveryFault::Duplicate {
        count: 2,
        copies: 3,
    });
    let start = || StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    let mut entries = Vec::new();
    for _ in 0..3 {
        // Each start stops the timer before it.
        entries.push(toggl.start_timer(start()).unwrap().id);
    }
    toggl
        .stop_timer(StopTimer {
            user_id: Some(TOMAS),
            ..StopTimer::default()
        })
        .unwrap();
    hook.setup.settle().await.unwrap();
    for id in entries {
        let activity = hook.setup.activity(id).await.unwrap();
        let truth = toggl.entry(id).unwrap();
        assert_eq!(activity["running"], false, "{activity}");
        assert_eq!(activity["stop"], truth.stop.unwrap().to_string());
    }
}

#[tokio::test]
async fn reconciling_brings_what_deliveries_did_not() {
    let hook = Hook::connected().await;
    let toggl = hook.setup.toggl();
    let log = |start: &str, stop: &str| {
        toggl
            .log_time(toggl_sandbox::NewEntry {
                workspace_id: NORTHWIND,
                user_id: TOMAS,
                start: Some(start.parse().unwrap()),
                stop: Some(stop.parse().unwrap()),
                ..toggl_sandbox::NewEntry::default()
            })
            .unwrap()
    };
    let day = jiff::Timestamp::now().to_string()[..10].to_owned();
    let kept = log(&format!("{day}T00:00:00Z"), &format!("{day}T00:00:10Z"));
    hook.setup.settle().await.unwrap();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 2 });
    let lost = log(&format!("{day}T00:00:20Z"), &format!("{day}T00:00:30Z"));
    toggl
        .delete_entry(toggl_sandbox::control::DeleteEntry {
            entry_id: kept.id,
            ..Default::default()
        })
        .unwrap();
    hook.setup.settle().await.unwrap();
    assert!(hook.setup.activity(lost.id).await.unwrap().is_null());

    let connection = hook.setup.host.get("/connections").await.unwrap();
    let id = connection["connections"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/connections/{id}/reconcile");
    let range = json!({ "from": format!("{day}T00:00:00Z"), "to": format!("{day}T23:59:59Z") });
    let (status, result) = hook
        .setup
        .host
        .call(Method::POST, &path, range)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{result}");
    assert!(
        !hook.setup.activity(lost.id).await.unwrap().is_null(),
        "{result}"
    );
    assert_eq!(
        (
            &result["missing"],
            &hook.setup.activity(kept.id).await.unwrap()["deleted"]
        ),
        (&json!(1), &json!(false)),
        "one list that does not show an entry is no deletion: {result}"
    );
}
