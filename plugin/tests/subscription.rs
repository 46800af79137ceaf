//! What subscribing and disconnecting promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::{CALLBACK, FakeHost, WORKSPACE};
use toggl_integration::capability::Method::{Delete, Get, Patch, Post, Put};
use toggl_integration::model::Error;

const LIST: &str = "/subscriptions/2230580";
const ONE: &str = "/subscriptions/2230580/7";
const LIMITS: &str = "/limits/2230580";
const PING: &str = "/ping/2230580/7";

fn row(change: Value) -> Value {
    let mut row = json!({
        "subscription_id": 7, "workspace_id": WORKSPACE, "user_id": 1, "enabled": true,
        "description": "WorkSights time sync 01234567", "url_callback": CALLBACK,
        "event_filters": filters(3), "validated_at": "2026-03-01T11:00:00Z", "deleted_at": null,
    });
    for (key, value) in change.as_object().unwrap() {
        row[key] = value.clone();
    }
    row
}

fn filters(count: usize) -> Value {
    let all = [
        ("time_entry", "created"),
        ("time_entry", "updated"),
        ("time_entry", "deleted"),
        ("project", "updated"),
        ("client", "updated"),
        ("task", "updated"),
    ];
    all.iter()
        .take(count)
        .map(|(entity, action)| json!({"entity": entity, "action": action}))
        .collect()
}

/// A connected host whose workspace allows this many filters.
fn host(max_events: u32) -> FakeHost {
    let host = FakeHost::connected();
    let limits = json!({"max_webhooks": 1, "max_events_per_webhook": max_events});
    host.on(Get, LIMITS, 200, &limits.to_string());
    host
}

fn list(host: &FakeHost, rows: &[Value]) {
    host.on(Get, LIST, 200, &Value::from(rows.to_vec()).to_string());
}

fn subscribed(host: &FakeHost) {
    let mut webhook = host.state("webhook");
    webhook["subscription_id"] = 7.into();
    webhook["callback_url"] = CALLBACK.into();
    host.set_state("webhook", webhook);
}

fn refused(text: &str) -> Error {
    let host = host(3);
    list(
        &host,
        &[row(
            json!({"subscription_id": 9, "url_callback": "https://zapier.example", "description": "Zapier"}),
        )],
    );
    host.on(Post, LIST, 400, &Value::from(text).to_string());
    host.toggl().subscribe(CALLBACK).unwrap_err()
}

#[test]
fn a_new_subscription_asks_for_what_the_plan_allows() {
    for (allowed, asked) in [(3, 3), (4, 4), (6, 6), (12, 6), (0, 3)] {
        let host = host(allowed);
        host.on(Get, LIST, 200, "null");
        host.on(
            Post,
            LIST,
            200,
            &row(json!({"event_filters": filters(asked)})).to_string(),
        );
        let subscription = host.toggl().subscribe(CALLBACK).unwrap();
        assert_eq!(subscription.id, "7");
        assert!(subscription.enabled && subscription.validated_at.is_some());
        let body = host.last_body(Post);
        assert_eq!(body["event_filters"], filters(asked), "{allowed} allowed");
        assert_eq!(body["secret"], host.secret());
        assert_eq!(body["enabled"], true);
        assert_eq!(host.state("webhook")["subscription_id"], 7);
    }
}

#[test]
fn unknown_limits_do_not_keep_from_subscribing() {
    let host = FakeHost::connected();
    host.on(Get, LIMITS, 500, "oops");
    list(&host, &[]);
    host.on(Post, LIST, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    assert_eq!(host.last_body(Post)["event_filters"], filters(3));
}

#[test]
fn subscribing_again_renews_what_looks_right_with_what_it_has() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({}))]);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    let changes: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("Get"))
        .collect();
    assert_eq!(
        changes.len(),
        1,
        "a subscription that silently reports nothing stays silent: {changes:?}"
    );
    let body = host.last_body(Put);
    assert_eq!(body["url_callback"], CALLBACK);
    assert_eq!(body["event_filters"], filters(3));
    assert_eq!(
        (&body["enabled"], &body["secret"]),
        (&json!(true), &json!(host.secret()))
    );
}

#[test]
fn a_renewal_that_cannot_reach_the_callback_says_what_to_check() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({}))]);
    let refusal = "URL endpoint https://host.example/hooks/1 request failed with error: timeout";
    host.on(Put, ONE, 400, &Value::from(refusal).to_string());
    let error = host.toggl().subscribe(CALLBACK).unwrap_err();
    assert!(matches!(error, Error::InvalidInput(_)), "{error:?}");
}

#[test]
fn a_leftover_is_adopted_with_our_secret_and_others_like_it_are_removed() {
    let host = host(3);
    list(
        &host,
        &[
            row(json!({"subscription_id": 8, "enabled": false, "validated_at": null})),
            row(json!({})),
            row(json!({"subscription_id": 9, "url_callback": "https://zapier.example"})),
        ],
    );
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    host.on(Delete, "/subscriptions/2230580/8", 200, "{}");
    assert_eq!(host.toggl().subscribe(CALLBACK).unwrap().id, "7");
    assert_eq!(host.last_body(Put)["secret"], host.secret());
    let changes: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("Get"))
        .collect();
    assert_eq!(
        changes,
        [
            "Delete /webhooks/api/v1/subscriptions/2230580/8",
            "Put /webhooks/api/v1/subscriptions/2230580/7"
        ]
    );
}

#[test]
fn a_disabled_subscription_is_enabled() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"enabled": false}))]);
    host.on(Patch, ONE, 200, &row(json!({})).to_string());
    assert!(host.toggl().subscribe(CALLBACK).unwrap().enabled);
    assert_eq!(host.last_body(Patch), json!({"enabled": true}));
}

#[test]
fn a_moved_callback_or_missing_filters_are_replaced_as_a_whole() {
    for change in [
        json!({"url_callback": "https://old.example"}),
        json!({"event_filters": filters(1)}),
    ] {
        let host = host(3);
        subscribed(&host);
        list(&host, &[row(change)]);
        host.on(Put, ONE, 200, &row(json!({})).to_string());
        host.toggl().subscribe(CALLBACK).unwrap();
        let body = host.last_body(Put);
        assert_eq!(body["url_callback"], CALLBACK);
        assert_eq!(body["event_filters"], filters(3));
        assert_eq!(
            body["enabled"], true,
            "omitting it disables the subscription"
        );
        assert_eq!(body["description"], "WorkSights time sync 01234567");
    }
}

#[test]
fn a_subscription_updated_with_the_new_secret_ends_the_old_one() {
    let host = host(3);
    subscribed(&host);
    let mut webhook = host.state("webhook");
    webhook["previous_secret"] = "previous".into();
    host.set_state("webhook", webhook);
    list(&host, &[row(json!({}))]);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    assert_eq!(host.state("webhook")["previous_secret"], Value::Null);
}

#[test]
fn an_unvalidated_subscription_is_pinged_once() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"validated_at": null}))]);
    list(&host, &[row(json!({"validated_at": null}))]);
    list(&host, &[row(json!({}))]);
    host.on(Post, PING, 200, r#"{"status":"ok"}"#);
    assert!(
        host.toggl()
            .subscribe(CALLBACK)
            .unwrap()
            .validated_at
            .is_some()
    );
    assert!(
        host.calls()
            .contains(&"Post /webhooks/api/v1/ping/2230580/7".into())
    );
}

#[test]
fn a_callback_that_stays_unvalidated_is_explained() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"validated_at": null}))]);
    host.on(Post, PING, 200, r#"{"status":"ok"}"#);
    let error = host.toggl().subscribe(CALLBACK).unwrap_err();
    assert!(matches!(error, Error::InvalidInput(_)), "{error:?}");
}

#[test]
fn a_subscription_gone_meanwhile_is_made_anew() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"enabled": false}))]);
    host.on(
        Patch,
        ONE,
        404,
        "\"subscription 7 for workspace 2230580 was not found\"",
    );
    host.on(
        Post,
        LIST,
        200,
        &row(json!({"subscription_id": 11})).to_string(),
    );
    assert_eq!(host.toggl().subscribe(CALLBACK).unwrap().id, "11");
    assert_eq!(host.state("webhook")["subscription_id"], 11);
}

#[test]
fn a_taken_slot_names_who_holds_it() {
    let error = refused(
        "User 1 already reached the limit of 1 enabled subscriptions for workspace 2230580",
    );
    let Error::PlanLimit(message) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("only 1") && message.contains("Zapier"),
        "{message}"
    );
}

#[test]
fn an_unreachable_callback_says_what_to_check() {
    for text in [
        format!("URL endpoint {CALLBACK} responded with status 502 instead of 200"),
        format!("URL endpoint {CALLBACK} request failed with error: no such host"),
    ] {
        let error = refused(&text);
        let Error::InvalidInput(message) = error else {
            panic!("{error:?}")
        };
        assert!(message.contains("public URL"), "{message}");
    }
}

#[test]
fn too_many_filters_are_reduced_once() {
    let text = "The limit of 3 event filters for your subscription has been exceeded as you're trying to set 6 filters";
    let host = host(6);
    list(&host, &[]);
    host.on(Post, LIST, 400, text);
    host.on(Post, LIST, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    assert_eq!(host.last_body(Post)["event_filters"], filters(3));
    assert!(matches!(refused(text), Error::PlanLimit(_)));
}

#[test]
fn a_description_in_use_is_changed_once() {
    let text =
        "Subscription description 'WorkSights time sync' is already in use for workspace 2230580";
    let host = host(3);
    list(&host, &[]);
    host.on(Post, LIST, 400, text);
    host.on(Post, LIST, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    assert!(
        host.last_body(Post)["description"]
            .as_str()
            .unwrap()
            .ends_with(" (2)")
    );
    assert!(matches!(refused(text), Error::Conflict(_)));
}

#[test]
fn a_lost_answer_is_found_again_by_the_callback() {
    let host = host(3);
    list(&host, &[]);
    list(&host, &[row(json!({}))]);
    host.on(
        Post,
        LIST,
        400,
        "Subscription description 'x' is already in use for workspace 2230580",
    );
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    assert_eq!(host.toggl().subscribe(CALLBACK).unwrap().id, "7");
}

#[test]
fn a_lost_answer_does_not_double_the_subscription() {
    for (status, body) in [(500, "oops"), (200, "<html>"), (200, "{}"), (302, "")] {
        let host = host(3);
        list(&host, &[]);
        list(&host, &[row(json!({}))]);
        host.on(Post, LIST, status, body);
        let subscription = host.toggl().subscribe(CALLBACK).unwrap();
        assert_eq!(subscription.id, "7", "after {status} {body}");
        let created = host
            .calls()
            .into_iter()
            .filter(|call| call.starts_with("Post"));
        assert_eq!(
            created.count(),
            1,
            "a second one would take the plan's last webhook"
        );
    }
}

#[test]
fn a_subscription_whose_creation_was_never_answered_is_removed() {
    let host = host(3);
    let ping = json!({
        "event_id": 0, "payload": "ping", "subscription_id": 7, "url_callback": CALLBACK,
        "validation_code": "code", "metadata": {"workspace_id": WORKSPACE},
    });
    let ping = host.signed(ping.to_string().as_bytes());
    host.toggl().handle_webhook(&ping).unwrap();
    list(&host, &[row(json!({}))]);
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect().unwrap();
    assert!(
        host.calls()
            .contains(&"Delete /webhooks/api/v1/subscriptions/2230580/7".into()),
        "it would stay at Toggl for ever: {:?}",
        host.calls()
    );
    assert!(host.storage.borrow().is_empty());
}

#[test]
fn what_was_never_created_needs_no_request_to_be_removed() {
    let host = host(3);
    host.on(Get, LIST, 503, "");
    host.toggl().disconnect().unwrap();
    assert!(host.calls().is_empty());
    assert!(host.storage.borrow().is_empty());
}

#[test]
fn replacing_the_token_replaces_the_signing_secret_without_a_gap() {
    let host = host(3);
    subscribed(&host);
    let old = host.secret();
    host.toggl().connect(&WORKSPACE.to_string()).unwrap();
    let new = host.secret();
    assert_ne!(new, old, "who had the token may know the signing secret");
    assert_eq!(host.state("webhook")["previous_secret"], old);
    host.toggl().connect(&WORKSPACE.to_string()).unwrap();
    assert_eq!(host.secret(), new, "Toggl may have it already");
    assert_eq!(
        host.state("webhook")["previous_secret"],
        old,
        "Toggl signs with it until it has the new one"
    );
    list(&host, &[row(json!({}))]);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    host.toggl().subscribe(CALLBACK).unwrap();
    assert_eq!(host.last_body(Put)["secret"], new);
    assert_eq!(host.state("webhook")["previous_secret"], Value::Null);
}

#[test]
fn a_used_up_quota_stops_requests_that_draw_on_it() {
    let host = host(3);
    subscribed(&host);
    host.on(
        Get,
        LIST,
        402,
        "You have hit your hourly limit for API calls. Your quota will reset in 1838 seconds.",
    );
    let exhausted = |host: &FakeHost| {
        let error = host.toggl().subscribe(CALLBACK).unwrap_err();
        matches!(
            error,
            Error::QuotaExhausted {
                resets_in_seconds: 1838,
                ..
            }
        )
    };
    assert!(exhausted(&host));
    host.requests.borrow_mut().clear();
    assert!(exhausted(&host));
    assert!(host.calls().is_empty(), "{:?}", host.calls());
    assert!(
        host.toggl().test().is_ok(),
        "the account has a quota of its own"
    );
}

#[test]
fn the_last_request_of_a_quota_stops_the_next() {
    let host = host(3);
    subscribed(&host);
    let headers = [
        ("x-toggl-quota-remaining", "0"),
        ("x-toggl-quota-resets-in", "60"),
    ];
    let rows = Value::from(vec![row(json!({}))]).to_string();
    host.on_with(Get, LIST, 200, &headers, &rows);
    host.requests.borrow_mut().clear();
    assert!(host.toggl().subscribe(CALLBACK).is_err());
    let calls = host.calls();
    assert!(calls.last().unwrap().ends_with(LIST), "{calls:?}");
    assert!(host.toggl().subscribe(CALLBACK).is_err());
    assert_eq!(host.calls(), calls);
}

#[test]
fn other_refusals_keep_their_meaning() {
    let host = host(3);
    host.on(
        Get,
        LIST,
        403,
        "\"User not found/accessible for workspace\"",
    );
    assert!(matches!(
        host.toggl().subscribe(CALLBACK).unwrap_err(),
        Error::Forbidden(_)
    ));
    assert!(matches!(
        refused("Invalid value"),
        Error::Upstream { status: 400, .. }
    ));
    assert!(matches!(
        host.toggl().subscribe("ftp://x").unwrap_err(),
        Error::InvalidInput(_)
    ));
    assert!(matches!(
        FakeHost::new().toggl().subscribe(CALLBACK).unwrap_err(),
        Error::NotFound(_)
    ));
}

#[test]
fn disconnecting_removes_the_subscription_and_all_state() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({}))]);
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    for id in 0..1200 {
        host.set_state(
            &format!("project/{id}"),
            json!({"name": "x", "revision": ""}),
        );
    }
    host.toggl().disconnect().unwrap();
    assert!(host.storage.borrow().is_empty());
    assert_eq!(
        host.calls()
            .iter()
            .filter(|call| call.starts_with("Delete"))
            .count(),
        1
    );
    host.toggl().disconnect().unwrap();
}

#[test]
fn a_row_that_survives_its_deletion_is_enabled_and_deleted_again() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"enabled": false}))]);
    host.on(Delete, ONE, 200, "{}");
    host.on(Patch, ONE, 200, &row(json!({})).to_string());
    host.toggl().disconnect().unwrap();
    let changes: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("Get"))
        .collect();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!(changes[1].starts_with("Patch"));
}

#[test]
fn a_dead_token_does_not_keep_from_disconnecting() {
    // 402 without a quota: the plan has no webhooks any more; 404: the workspace is gone.
    for status in [401, 402, 403, 404] {
        let host = host(3);
        subscribed(&host);
        host.on(Get, LIST, status, "");
        host.toggl().disconnect().unwrap();
        assert!(host.storage.borrow().is_empty());
    }
    let host = host(3);
    subscribed(&host);
    host.on(Get, LIST, 500, "");
    assert!(host.toggl().disconnect().is_err());
}
