//! Disconnecting leaves nothing behind, here or at Toggl.

use super::*;

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
    host.toggl().disconnect(CALLBACK).unwrap();
    assert!(
        host.calls()
            .contains(&"Delete /webhooks/api/v1/subscriptions/2230580/7".into()),
        "it would stay at Toggl for ever: {:?}",
        host.calls()
    );
}

#[test]
fn what_was_never_bound_needs_no_request_to_be_removed() {
    let host = FakeHost::new();
    host.on(Get, LIST, 503, "");
    host.toggl().disconnect(CALLBACK).unwrap();
    assert!(host.calls().is_empty());
}

#[test]
fn one_that_comes_into_being_late_is_found_by_a_later_call() {
    let host = host(3);
    list(&host, &[]);
    list(&host, &[row(json!({}))]);
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect(CALLBACK).unwrap();
    assert!(!host.calls().iter().any(|call| call.starts_with("Delete")));
    host.toggl().disconnect(CALLBACK).unwrap();
    assert!(
        host.calls()
            .contains(&"Delete /webhooks/api/v1/subscriptions/2230580/7".into()),
        "it would stay at Toggl for ever: {:?}",
        host.calls()
    );
}

#[test]
fn one_that_the_list_leaves_out_is_removed_by_its_id() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect(CALLBACK).unwrap();
    assert!(
        host.calls()
            .contains(&"Delete /webhooks/api/v1/subscriptions/2230580/7".into()),
        "it would stay at Toggl for ever: {:?}",
        host.calls()
    );
    // It is gone indeed: whatever Toggl says of an id that it does not know.
    for status in [403, 404, 410] {
        host.reset(Delete, ONE);
        host.on(Delete, ONE, status, "");
        host.toggl().disconnect(CALLBACK).unwrap();
    }
    host.reset(Delete, ONE);
    host.on(Delete, ONE, 500, "");
    host.toggl()
        .disconnect(CALLBACK)
        .expect_err("nobody knows whether it is gone");
}

#[test]
fn what_an_earlier_hook_of_this_host_was_made_for_is_removed_and_nothing_else() {
    let host = host(3);
    let earlier = "https://time.example.com/hooks/fedcba9876543210";
    list(
        &host,
        &[
            row(json!({"url_callback": earlier})),
            row(json!({"subscription_id": 8, "url_callback": "https://time.example.com/other/0"})),
            row(json!({"subscription_id": 9, "url_callback": "https://zapier.example/hooks/1"})),
            row(json!({"subscription_id": 10, "url_callback": "https://time.example.com/hooks/"})),
        ],
    );
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect(CALLBACK).unwrap();
    let deleted: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| call.starts_with("Delete"))
        .collect();
    assert_eq!(deleted, ["Delete /webhooks/api/v1/subscriptions/2230580/7"]);
}

#[test]
fn disconnecting_removes_the_subscription_and_may_be_repeated() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({}))]);
    list(&host, &[]);
    host.on(Delete, ONE, 200, "{}");
    host.toggl().disconnect(CALLBACK).unwrap();
    assert_eq!(
        host.calls()
            .iter()
            .filter(|call| call.starts_with("Delete"))
            .count(),
        1
    );
    host.toggl().disconnect(CALLBACK).unwrap();
}

#[test]
fn a_row_that_survives_its_deletion_is_enabled_and_deleted_again() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"enabled": false}))]);
    host.on(Delete, ONE, 200, "{}");
    host.on(Patch, ONE, 200, &row(json!({})).to_string());
    host.toggl().disconnect(CALLBACK).unwrap();
    let changes: Vec<_> = host
        .calls()
        .into_iter()
        .filter(|call| !call.starts_with("Get"))
        .collect();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert!(changes[1].starts_with("Patch"));
}

#[test]
fn a_dead_token_leaves_the_webhook_and_says_where_to_delete_it() {
    // 402 without a quota: the plan has no webhooks any more.
    for status in [401, 402, 403] {
        let host = host(3);
        subscribed(&host);
        host.on(Get, LIST, status, "");
        let error = host.toggl().disconnect(CALLBACK).unwrap_err();
        let is_known = matches!(
            error,
            Error::Unauthorized(_) | Error::Forbidden(_) | Error::PlanLimit(_)
        );
        assert!(is_known, "{error:?}");
        for part in ["stays at Toggl", "under Integrations"] {
            assert!(error.message().contains(part), "{error}");
        }
    }
    let gone = host(3);
    subscribed(&gone);
    gone.on(Get, LIST, 404, "");
    gone.toggl()
        .disconnect(CALLBACK)
        .expect("the workspace is gone, and its webhooks with it");
    // Nothing was ever made there.
    let new = host(3);
    new.on(Get, LIST, 401, "");
    new.toggl().disconnect(CALLBACK).unwrap();
    let host = host(3);
    subscribed(&host);
    host.on(Get, LIST, 500, "");
    assert!(host.toggl().disconnect(CALLBACK).is_err());
}
