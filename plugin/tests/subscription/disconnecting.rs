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
