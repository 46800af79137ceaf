//! Creating, validating and limiting webhook subscriptions.

use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::control::{SetMember, SetSubscription, SetWorkspace};

use crate::support::{JONAS, Receiver, SIDE_PROJECTS, STUDIO, SUPPLIERS, Toggl, toggl_body};

fn path(workspace: i64) -> String {
    format!("/webhooks/api/v1/subscriptions/{workspace}")
}

#[tokio::test]
async fn the_callback_is_pinged_and_validated_before_create_returns() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let created = toggl.subscribe(STUDIO, receiver.url()).await;
    let pings = receiver.pings();
    assert_eq!(pings.len(), 1, "the ping must arrive before the answer");
    assert_eq!(pings[0]["validation_code"].as_str().unwrap().len(), 32);
    assert_eq!(pings[0]["subscription_id"], created["subscription_id"]);
    assert!(
        pings[0]["metadata"]["event_user_id"].is_number(),
        "a ping's metadata has numbers"
    );
    assert!(
        !created["validated_at"].is_null(),
        "echoing the code validates at once"
    );
    toggl
        .post(
            &format!(
                "/webhooks/api/v1/ping/{STUDIO}/{}",
                created["subscription_id"]
            ),
            json!({}),
        )
        .await;
    assert!(
        receiver.pings()[1].get("validation_code").is_none(),
        "a validated subscription's pings carry no code"
    );
}

#[tokio::test]
async fn a_callback_that_does_not_echo_can_validate_by_link() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    receiver.echo(false);
    let created = toggl.subscribe(STUDIO, receiver.url()).await;
    assert!(created["validated_at"].is_null());
    let link = receiver.pings()[0]["validation_code_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = reqwest::get(format!("{}x", link)).await.unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().ends_with("was not found\""));
    let open = reqwest::get(&link).await.unwrap();
    assert_eq!(
        (open.status().as_u16(), open.text().await.unwrap().as_str()),
        (200, "OK")
    );
    let again = reqwest::get(&link).await.unwrap();
    let expected = format!(
        "\"subscription {} has already been validated\"",
        created["subscription_id"]
    );
    assert_eq!(
        (again.status().as_u16(), again.text().await.unwrap()),
        (400, expected)
    );
}

#[tokio::test]
async fn a_callback_that_fails_refuses_the_creation_and_leaves_nothing() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    receiver.answer_pings_with(503);
    let (status, text) = toggl
        .refused(Method::POST, &path(STUDIO), toggl_body(receiver.url()))
        .await;
    let expected = format!(
        "\"URL endpoint {} responded with status 503 instead of 200\"",
        receiver.url()
    );
    assert_eq!((status, text), (400, expected));
    let (status, text) = toggl
        .refused(
            Method::POST,
            &path(STUDIO),
            toggl_body("http://127.0.0.1:9/hook"),
        )
        .await;
    assert_eq!(status, 400);
    assert!(
        text.starts_with("\"URL endpoint http://127.0.0.1:9/hook request failed with error: "),
        "{text}"
    );
    assert_eq!(toggl.get(&path(STUDIO)).await, json!([]));
}

#[tokio::test]
async fn every_documented_refusal_has_its_text() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let with = |field: &str, value: Value| {
        let mut body = toggl_body(receiver.url());
        body[field] = value;
        body
    };
    let filter = |entity: &str, action: &str| json!([{ "entity": entity, "action": action }]);
    let many: Vec<Value> = (0..13)
        .map(|_| json!({ "entity": "tag", "action": "*" }))
        .collect();
    for (body, expected) in [
        (with("description", json!("")), "Subscription description must not be empty".to_owned()),
        (with("event_filters", json!([])), "The list of event filters must not be empty".to_owned()),
        (
            with("event_filters", json!(many)),
            "The limit of 12 event filters for your subscription has been exceeded as you're trying to set 13 filters".to_owned(),
        ),
        (
            with("event_filters", json!([many[0], many[0]])),
            "The following event filter appears more than once for your subscription: tag:*".to_owned(),
        ),
        (with("event_filters", filter("", "*")), "The entity field for each subscription event filter must be non-empty".to_owned()),
        (with("event_filters", filter("tag", "")), "The action field for each subscription event filter must be non-empty".to_owned()),
        (
            with("event_filters", filter("a b", "*")),
            "The value 'a b' for the filter entity can only contain letters, numbers and '_' or be '*' to match all entities".to_owned(),
        ),
        (
            with("event_filters", filter("tag", "a-b")),
            "The value 'a-b' for the filter action can only contain letters, numbers and '_' or be '*' to match all actions".to_owned(),
        ),
        (with("event_filters", filter("tag", "started")), "Invalid value 'started' for event filter action".to_owned()),
    ] {
        let (status, text) = toggl.refused(Method::POST, &path(STUDIO), body).await;
        assert_eq!((status, text), (400, serde_json::to_string(&expected).unwrap()));
    }
    assert!(receiver.pings().is_empty(), "what is refused is not pinged");
    toggl.subscribe(STUDIO, receiver.url()).await;
    let (status, text) = toggl
        .refused(Method::POST, &path(STUDIO), toggl_body(receiver.url()))
        .await;
    let expected = format!(
        "\"Subscription description 'test of {}' is already in use for workspace {STUDIO}\"",
        receiver.url()
    );
    assert_eq!((status, text), (400, expected));
    let (status, text) = toggl
        .refused(Method::DELETE, &format!("{}/5", path(STUDIO)), json!({}))
        .await;
    assert_eq!(
        (status, text),
        (
            404,
            format!("\"subscription 5 for workspace {STUDIO} was not found\"")
        )
    );
    let (status, text) = toggl.refused(Method::GET, &path(1), json!({})).await;
    assert_eq!(
        (status, text.as_str()),
        (403, "\"User not found/accessible for workspace\"")
    );
}

#[tokio::test]
async fn the_plan_limits_webhooks_and_their_filters() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(SIDE_PROJECTS, receiver.url()).await;
    let mut second = toggl_body(receiver.url());
    second["description"] = json!("second");
    let (status, text) = toggl
        .refused(Method::POST, &path(SIDE_PROJECTS), second.clone())
        .await;
    let expected = format!(
        "\"User 9500001 already reached the limit of 1 enabled subscriptions for workspace {SIDE_PROJECTS}\""
    );
    assert_eq!((status, text), (400, expected));
    second["enabled"] = json!(false);
    let disabled = toggl.post(&path(SIDE_PROJECTS), second).await;
    let one = format!("{}/{}", path(SIDE_PROJECTS), disabled["subscription_id"]);
    let (status, _) = toggl
        .refused(Method::PATCH, &one, json!({ "enabled": true }))
        .await;
    assert_eq!(status, 400, "enabling counts too");
}

#[tokio::test]
async fn enabling_and_replacing_ping_again_and_change_nothing_when_that_fails() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let created = toggl.subscribe(STUDIO, receiver.url()).await;
    let one = format!("{}/{}", path(STUDIO), created["subscription_id"]);
    let disabled: Value = toggl
        .send(Method::PATCH, &one, &json!({ "enabled": false }))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&disabled["enabled"], receiver.pings().len()),
        (&json!(false), 1),
        "disabling does not ping"
    );
    receiver.answer_pings_with(500);
    let (status, text) = toggl
        .refused(Method::PATCH, &one, json!({ "enabled": true }))
        .await;
    assert_eq!(status, 400);
    assert!(text.ends_with("instead of 200\""), "{text}");
    let (_, text) = toggl
        .refused(Method::PUT, &one, toggl_body(receiver.url()))
        .await;
    assert!(text.ends_with("instead of 2xx\""), "{text}");
    assert_eq!(toggl.get(&path(STUDIO)).await[0]["enabled"], false);
    receiver.answer_pings_with(200);
    let mut replacement = toggl_body(receiver.url());
    replacement.as_object_mut().unwrap().remove("enabled");
    let replaced: Value = toggl
        .send(Method::PUT, &one, &replacement)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        replaced["enabled"], false,
        "PUT takes the whole object: what is left out is not kept"
    );
    assert_eq!(
        toggl.send(Method::DELETE, &one, &json!({})).await.status(),
        200
    );
    assert_eq!(toggl.get(&path(STUDIO)).await, json!([]));
}

#[tokio::test]
async fn somebody_who_is_no_administrator_sees_only_own_entries() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(SUPPLIERS, receiver.url()).await;
    let control = toggl.sandbox.control();
    for user_id in [JONAS, 9_500_001] {
        control
            .start_timer(toggl_sandbox::control::StartTimer {
                workspace_id: SUPPLIERS,
                user_id,
                ..Default::default()
            })
            .unwrap();
    }
    assert!(control.flush(Default::default()).await.settled);
    let owners: Vec<Value> = receiver
        .events()
        .iter()
        .map(|event| event["payload"]["user_id"].clone())
        .collect();
    assert_eq!(
        owners,
        [json!(9_500_001)],
        "the other member's time must stay unseen"
    );
    control
        .set_member(SetMember {
            workspace_id: SUPPLIERS,
            user_id: 9_500_001,
            role: Some(toggl_sandbox::scenario::Role::Admin),
            ..Default::default()
        })
        .unwrap();
    control
        .stop_timer(toggl_sandbox::control::StopTimer {
            user_id: Some(JONAS),
            ..Default::default()
        })
        .unwrap();
    assert!(control.flush(Default::default()).await.settled);
    assert_eq!(
        receiver.events().last().unwrap()["payload"]["user_id"],
        JONAS,
        "rights are looked at when the event happens"
    );
}

#[tokio::test]
async fn a_subscription_that_is_disabled_unvalidated_or_locked_out_gets_nothing() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let id = toggl.subscribe(STUDIO, receiver.url()).await["subscription_id"]
        .as_i64()
        .unwrap();
    let control = toggl.sandbox.control();
    let set = |enabled, validated| {
        control
            .set_subscription(SetSubscription {
                subscription_id: id,
                enabled: Some(enabled),
                validated: Some(validated),
                ..Default::default()
            })
            .unwrap();
    };
    let log = || {
        control.start_timer(toggl_sandbox::control::StartTimer {
            workspace_id: STUDIO,
            user_id: 9_500_003,
            ..Default::default()
        })
    };
    set(false, true);
    log().unwrap();
    set(true, false);
    log().unwrap();
    set(true, true);
    control
        .set_workspace(SetWorkspace {
            workspace_id: STUDIO,
            suspended: Some(true),
            ..Default::default()
        })
        .unwrap();
    assert!(log().is_err(), "nobody logs time in a suspended workspace");
    control
        .set_workspace(SetWorkspace {
            workspace_id: STUDIO,
            suspended: Some(false),
            ..Default::default()
        })
        .unwrap();
    assert!(control.flush(Default::default()).await.settled);
    assert!(receiver.events().is_empty());
    log().unwrap();
    assert!(control.flush(Default::default()).await.settled);
    assert_eq!(
        receiver.events().len(),
        2,
        "the old timer's stop and the new one's start"
    );
}
