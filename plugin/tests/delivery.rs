//! What deliveries promise: nothing untrusted is parsed, nothing genuine is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::{CALLBACK, FakeHost, WORKSPACE, signed};
use toggl_integration::model::{Activity, DeliveryOutcome, DeliveryResult, TimeLog};
use toggl_integration::time::Timestamp;

const CREATED: &str = include_str!("fixtures/delivery-time-entry-created.json");
const PING: &str = include_str!("fixtures/delivery-ping-with-validation.json");
const VECTOR: &[u8] = include_bytes!("fixtures/signature-vector.body");
const VECTOR_SECRET: &str = "PGuRrhCFajIyEvFlreKL";
const VECTOR_SIGNATURE: &str =
    "sha256=bf829606cda0ca6923defb5ca70a43135adc7e8887486a201a19cb50ca6006b1";

/// The recorded delivery, as if it had been sent to this test's connection.
fn created() -> Value {
    let mut delivery: Value = serde_json::from_str(CREATED).unwrap();
    delivery["url_callback"] = CALLBACK.into();
    for key in ["workspace_id", "wid"] {
        delivery["payload"][key] = WORKSPACE.into();
    }
    delivery["metadata"]["workspace_id"] = WORKSPACE.to_string().into();
    delivery
}

fn deliver(host: &FakeHost, body: &Value) -> DeliveryResult {
    let requests = host.requests.borrow().len();
    let result = host
        .toggl()
        .handle_webhook(&host.signed(body.to_string().as_bytes()))
        .unwrap();
    assert_eq!(
        host.requests.borrow().len(),
        requests,
        "a delivery makes no request"
    );
    result
}

fn accepted(host: &FakeHost, body: &Value) -> Activity {
    let result = deliver(host, body);
    assert_eq!(
        result.outcome,
        DeliveryOutcome::Accepted,
        "{}",
        result.detail
    );
    assert_eq!(result.response.status, 200);
    result.changes.activities.into_iter().next().unwrap()
}

fn content(host: &FakeHost, body: &Value) -> TimeLog {
    accepted(host, body).content.unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn the_documented_signature_is_accepted() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["secret"] = VECTOR_SECRET.into();
    host.set_state("webhook", webhook);
    let mut request = signed(VECTOR_SECRET, VECTOR);
    assert_eq!(request.headers[0].value, VECTOR_SIGNATURE);
    request.callback_url = "https://callback-url.com".into();
    let result = host.toggl().handle_webhook(&request).unwrap();
    assert_eq!(result.outcome, DeliveryOutcome::Ping);
}

#[test]
fn what_is_not_signed_rightly_is_refused() {
    let host = FakeHost::connected();
    let body = created().to_string();
    let good = host.signed(body.as_bytes());
    let signature = good.headers[0].value.clone();
    let wrong = [
        None,
        Some(String::new()),
        Some("sha256=".into()),
        Some(signature.replace("sha256=", "")),
        Some(signature.replace("sha256=", "sha1=")),
        Some(signature[..signature.len() - 2].into()),
        Some(format!("{signature}00")),
        Some(signature.replace("sha256=", "sha256=zz")),
        Some(signed("another", body.as_bytes()).headers[0].value.clone()),
    ];
    for value in wrong {
        let mut request = good.clone();
        match &value {
            Some(value) => request.headers[0].value = value.clone(),
            None => request.headers.clear(),
        }
        let result = host.toggl().handle_webhook(&request).unwrap();
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Refused, 401),
            "{value:?}"
        );
        assert_eq!(result.changes, Default::default());
    }
    let mut twice = good.clone();
    twice.headers.push(good.headers[0].clone());
    assert_eq!(
        host.toggl().handle_webhook(&twice).unwrap().response.status,
        401
    );
    let mut altered = good;
    altered.body.push(b' ');
    assert_eq!(
        host.toggl()
            .handle_webhook(&altered)
            .unwrap()
            .response
            .status,
        401
    );
}

#[test]
fn without_a_secret_everything_is_refused() {
    let host = FakeHost::new();
    let result = host
        .toggl()
        .handle_webhook(&signed("", created().to_string().as_bytes()))
        .unwrap();
    assert_eq!(
        (result.outcome, result.response.status),
        (DeliveryOutcome::Refused, 401)
    );
}

#[test]
fn the_previous_secret_is_accepted_until_the_subscription_is_updated() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["previous_secret"] = "previous".into();
    host.set_state("webhook", webhook);
    let request = signed("previous", created().to_string().as_bytes());
    assert_eq!(
        host.toggl().handle_webhook(&request).unwrap().outcome,
        DeliveryOutcome::Accepted
    );
}

#[test]
fn every_ping_is_answered_with_its_code() {
    let host = FakeHost::connected();
    let mut ping: Value = serde_json::from_str(PING).unwrap();
    ping["url_callback"] = CALLBACK.into();
    for _ in 0..2 {
        let result = deliver(&host, &ping);
        assert_eq!(
            (result.outcome, result.event_id.as_deref()),
            (DeliveryOutcome::Ping, None)
        );
        let answer: Value = serde_json::from_slice(&result.response.body).unwrap();
        assert_eq!(
            answer,
            json!({"validation_code": "89627dd73f2044f2f73815d665bbce33"})
        );
        assert_eq!(
            result.response.content_type.as_deref(),
            Some("application/json")
        );
    }
    ping.as_object_mut()
        .unwrap()
        .retain(|key, _| !key.starts_with("validation"));
    let result = deliver(&host, &ping);
    assert_eq!(
        (result.outcome, result.response.body.as_slice()),
        (DeliveryOutcome::Ping, &b"{}"[..])
    );
}

#[test]
fn a_ping_of_a_new_subscription_is_answered_although_another_is_stored() {
    let host = FakeHost::connected();
    let mut webhook = host.state("webhook");
    webhook["subscription_id"] = 10_713.into();
    host.set_state("webhook", webhook);
    let mut ping: Value = serde_json::from_str(PING).unwrap();
    ping["url_callback"] = CALLBACK.into();
    assert_eq!(deliver(&host, &ping).outcome, DeliveryOutcome::Ping);
    let mut event = created();
    assert_eq!(deliver(&host, &event).outcome, DeliveryOutcome::Accepted);
    event["subscription_id"] = 10_714.into();
    assert_eq!(deliver(&host, &event).outcome, DeliveryOutcome::Refused);
}

#[test]
fn a_recorded_start_becomes_a_running_activity() {
    let host = FakeHost::connected();
    let activity = accepted(&host, &created());
    assert_eq!(activity.id, "3050537739");
    assert_eq!(activity.event_id.as_deref(), Some("8023169274704072"));
    assert_eq!(
        activity.revision,
        "2023-07-17T11:43:32Z/2023-07-17T11:43:32.827000000Z/00008023169274704072"
    );
    assert!(!activity.deleted);
    let expected = TimeLog {
        remote_user_id: "9547721".into(),
        subject: None,
        description: "test".into(),
        start: time("2023-07-17T11:43:32Z"),
        stop: None,
        billable: false,
        tags: vec![],
    };
    assert_eq!(activity.content.unwrap(), expected);
}

#[test]
fn what_is_meant_for_another_connection_is_refused() {
    let host = FakeHost::connected();
    let with = |path: &[&str], value: Value| {
        let mut delivery = created();
        let mut place = &mut delivery;
        for key in path {
            place = &mut place[*key];
        }
        *place = value;
        delivery
    };
    let foreign = [
        with(&["payload", "workspace_id"], 1.into()),
        with(&["payload", "wid"], 1.into()),
        with(&["metadata", "workspace_id"], "1".into()),
        with(&["metadata", "workspace_id"], 1.into()),
        with(&["url_callback"], "https://evil.example.com/".into()),
    ];
    for delivery in foreign {
        let result = deliver(&host, &delivery);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Refused, 403),
            "{delivery}"
        );
        assert_eq!(result.changes, Default::default());
    }
}

#[test]
fn what_is_genuine_but_not_recorded_is_answered_with_success() {
    let host = FakeHost::connected();
    let mut unknown_model = created();
    unknown_model["metadata"]["model"] = "tag".into();
    let mut nothing = created();
    nothing["payload"] = Value::Null;
    nothing["metadata"] = Value::Null;
    for delivery in [unknown_model, nothing, json!([]), json!(7)] {
        let result = deliver(&host, &delivery);
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Ignored, 200),
            "{delivery}"
        );
    }
    for garbage in [&b"{\"event_id\":"[..], b"", b"\xff\xfe", b"{}{}"] {
        let result = host.toggl().handle_webhook(&host.signed(garbage)).unwrap();
        assert_eq!(
            (result.outcome, result.response.status),
            (DeliveryOutcome::Ignored, 200)
        );
    }
}

#[test]
fn an_unknown_action_with_the_whole_entry_is_an_update() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["metadata"]["action"] = "started".into();
    assert_eq!(content(&host, &delivery).description, "test");
}

#[test]
fn event_ids_are_exact_beyond_what_a_float_holds() {
    let host = FakeHost::connected();
    let mut delivery = created();
    for id in [json!(u64::MAX), json!(u64::MAX.to_string())] {
        delivery["event_id"] = id;
        let activity = accepted(&host, &delivery);
        assert_eq!(activity.event_id.as_deref(), Some("18446744073709551615"));
        assert!(activity.revision.ends_with("/18446744073709551615"));
    }
}

#[test]
fn only_a_negative_duration_runs() {
    let host = FakeHost::connected();
    let mut delivery = created();
    let start = time("2023-07-17T11:43:32Z");
    let cases = [
        (json!(-1_689_594_212), Value::Null, None),
        (json!(-1), Value::Null, None),
        (json!(0), Value::Null, Some(start)),
        (json!(60), Value::Null, Some(start.after(60))),
        (
            json!(60),
            json!("2023-07-17T11:45:32+00:00"),
            Some(start.after(120)),
        ),
    ];
    for (duration, stop, expected) in cases {
        delivery["payload"]["duration"] = duration.clone();
        delivery["payload"]["stop"] = stop;
        assert_eq!(
            content(&host, &delivery).stop,
            expected,
            "duration {duration}"
        );
    }
}

#[test]
fn the_owner_is_the_entrys_and_not_whoever_acted() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["creator_id"] = 1.into();
    delivery["metadata"]["event_user_id"] = "1".into();
    delivery["payload"]["user_id"] = 2.into();
    assert_eq!(content(&host, &delivery).remote_user_id, "2");
    delivery["payload"]
        .as_object_mut()
        .unwrap()
        .remove("user_id");
    delivery["payload"]["uid"] = 3.into();
    assert_eq!(content(&host, &delivery).remote_user_id, "3");
    delivery["payload"].as_object_mut().unwrap().remove("uid");
    delivery["metadata"]["model_owner_id"] = "4".into();
    assert_eq!(content(&host, &delivery).remote_user_id, "4");
}

#[test]
fn tags_come_in_every_form() {
    let host = FakeHost::connected();
    let mut delivery = created();
    for (tags, expected) in [
        (json!(["a", "b"]), vec!["a", "b"]),
        (Value::Null, vec![]),
        (json!(["a", null, {"id": 1}]), vec!["a"]),
    ] {
        delivery["payload"]["tags"] = tags;
        assert_eq!(content(&host, &delivery).tags, expected);
    }
    delivery["payload"].as_object_mut().unwrap().remove("tags");
    assert!(content(&host, &delivery).tags.is_empty());
}

#[test]
fn a_deletion_is_understood_with_and_without_the_entry() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["metadata"]["action"] = "deleted".into();
    delivery["payload"]["server_deleted_at"] = "2023-07-17T12:00:00Z".into();
    let whole = accepted(&host, &delivery);
    assert!(whole.deleted && whole.content.is_some());
    assert!(
        whole.revision.starts_with("2023-07-17T12:00:00Z/"),
        "{}",
        whole.revision
    );

    delivery["payload"] = json!({"id": 3_050_537_739_u64, "wid": WORKSPACE, "uid": 9_547_721});
    let bare = accepted(&host, &delivery);
    assert!(bare.deleted && bare.content.is_none());
    assert_eq!(bare.id, "3050537739");
    assert!(
        bare.revision.starts_with("2023-07-17T11:43:32Z/"),
        "{}",
        bare.revision
    );

    delivery["payload"] = Value::Null;
    assert_eq!(
        accepted(&host, &delivery).id,
        "3050537739",
        "the id is in the metadata, too"
    );
}

#[test]
fn a_missing_name_is_noted_once_and_can_be_looked_for() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["payload"]["project_id"] = 42.into();
    delivery["payload"]["task_id"] = 9.into();
    let result = deliver(&host, &delivery);
    assert!(result.names_missing);
    let subjects = &result.changes.subjects;
    assert_eq!(subjects[0].id, "task/9");
    assert_eq!(subjects[0].parent.as_deref(), Some("project/42"));
    assert_eq!(
        (subjects[1].id.as_str(), subjects[1].name.as_deref()),
        ("project/42", None)
    );
    assert_eq!(subjects[1].revision, "");
    assert_eq!(host.state("missing/task/9")["project"], 42);
    assert_eq!(
        result.changes.activities[0]
            .content
            .as_ref()
            .unwrap()
            .subject
            .as_deref(),
        Some("task/9")
    );

    host.set_state(
        "missing/project/42",
        json!({"project": null, "unknown": true}),
    );
    host.set_state("missing/task/9", json!({"project": 42, "unknown": true}));
    assert!(
        !deliver(&host, &delivery).names_missing,
        "Toggl was asked and does not know"
    );
}

#[test]
fn known_names_are_handed_on_up_to_the_client() {
    let host = FakeHost::connected();
    host.set_state(
        "project/42",
        json!({"name": "Site", "parent": 5, "revision": "r1"}),
    );
    host.set_state(
        "client/5",
        json!({"name": "Acme", "parent": null, "revision": "r2"}),
    );
    let mut delivery = created();
    delivery["payload"]["project_id"] = 42.into();
    let result = deliver(&host, &delivery);
    assert!(!result.names_missing);
    let names: Vec<_> = result
        .changes
        .subjects
        .iter()
        .map(|subject| (subject.name.as_deref(), subject.revision.as_str()))
        .collect();
    assert_eq!(names, [(Some("Site"), "r1"), (Some("Acme"), "r2")]);
    assert_eq!(
        result.changes.subjects[0].parent.as_deref(),
        Some("client/5")
    );
}

fn project_event(id: u64, event: u64, at: &str, payload: Value) -> Value {
    let mut body = json!({
        "event_id": event, "created_at": at, "creator_id": 1, "url_callback": CALLBACK, "subscription_id": 1,
        "metadata": {"action": "updated", "model": "project", "workspace_id": WORKSPACE.to_string(), "project_id": id.to_string()},
        "payload": {"id": id, "wid": WORKSPACE, "at": at},
    });
    for (key, value) in payload.as_object().unwrap() {
        body["payload"][key] = value.clone();
    }
    body
}

#[test]
fn a_rename_reaches_the_cache_and_an_older_one_does_not_undo_it() {
    let host = FakeHost::connected();
    let new = project_event(
        42,
        2,
        "2026-01-02T00:00:00Z",
        json!({"name": "New", "client_id": 5}),
    );
    let old = project_event(
        42,
        1,
        "2026-01-01T00:00:00Z",
        json!({"name": "Old", "client_id": 4}),
    );
    let result = deliver(&host, &new);
    assert_eq!(result.outcome, DeliveryOutcome::Accepted);
    assert!(result.names_missing, "client 5 is not known yet");
    assert_eq!(result.changes.subjects[0].name.as_deref(), Some("New"));
    deliver(&host, &old);
    assert_eq!(host.state("project/42")["name"], "New");
    assert_eq!(host.state("project/42")["parent"], 5);

    let without_client = project_event(42, 3, "2026-01-03T00:00:00Z", json!({"name": "Newer"}));
    deliver(&host, &without_client);
    assert_eq!(
        host.state("project/42")["parent"],
        5,
        "a client that is not mentioned stays"
    );
    let client_removed = project_event(
        42,
        4,
        "2026-01-04T00:00:00Z",
        json!({"name": "Newer", "client_id": null}),
    );
    deliver(&host, &client_removed);
    assert_eq!(host.state("project/42")["parent"], Value::Null);

    let mut deleted = project_event(42, 5, "2026-01-05T00:00:00Z", json!({"name": "Newer"}));
    deleted["metadata"]["action"] = "deleted".into();
    assert_eq!(deliver(&host, &deleted).outcome, DeliveryOutcome::Ignored);
    assert_eq!(
        host.state("project/42")["name"],
        "Newer",
        "activities keep the name"
    );
}

#[test]
fn a_change_without_a_name_makes_it_be_looked_for() {
    let host = FakeHost::connected();
    let result = deliver(
        &host,
        &project_event(42, 1, "2026-01-01T00:00:00Z", json!({})),
    );
    assert!(result.names_missing);
    assert!(host.storage.borrow().contains_key("missing/project/42"));
}

#[test]
fn nothing_personal_is_logged() {
    let host = FakeHost::connected();
    deliver(&host, &created());
    assert!(host.logged.borrow().is_empty());
}
