//! Making, renewing and repairing the subscription.

use super::*;

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
fn one_that_cannot_be_enabled_because_its_secret_is_another_is_replaced_as_a_whole() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[row(json!({"enabled": false}))]);
    let refused = format!("\"URL endpoint {CALLBACK} responded with status 401 instead of 200\"");
    host.on(Patch, ONE, 400, &refused);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    assert!(host.toggl().subscribe(CALLBACK).unwrap().enabled);
    assert!(host.last_body(Put)["secret"].is_string());
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
        let description = body["description"].as_str().unwrap();
        assert!(
            description.starts_with("WorkSights time sync "),
            "{description}"
        );
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
fn a_list_that_leaves_it_out_makes_no_second_one() {
    let host = host(3);
    subscribed(&host);
    list(&host, &[]);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    assert_eq!(host.toggl().subscribe(CALLBACK).unwrap().id, "7");
    assert!(
        !host.calls().iter().any(|call| call.starts_with("Post")),
        "two webhooks report now: {:?}",
        host.calls()
    );
}

#[test]
fn one_that_does_not_work_is_removed_again() {
    let host = host(3);
    list(&host, &[]);
    list(&host, &[row(json!({"validated_at": null}))]);
    host.on(
        Post,
        LIST,
        200,
        &row(json!({"validated_at": null})).to_string(),
    );
    host.on(Post, PING, 200, r#"{"status":"ok"}"#);
    host.on(Delete, ONE, 200, "{}");
    let error = host.toggl().subscribe(CALLBACK).unwrap_err();
    assert!(matches!(error, Error::InvalidInput(_)), "{error:?}");
    assert!(
        host.calls()
            .contains(&"Delete /webhooks/api/v1/subscriptions/2230580/7".into()),
        "{:?}",
        host.calls()
    );
}

#[test]
fn what_an_earlier_hook_left_is_taken_over_where_the_plan_has_one_webhook() {
    let host = host(3);
    let earlier = "https://time.example.com/hooks/fedcba9876543210";
    list(&host, &[row(json!({"url_callback": earlier}))]);
    host.on(Put, ONE, 200, &row(json!({})).to_string());
    assert_eq!(host.toggl().subscribe(CALLBACK).unwrap().id, "7");
    assert_eq!(host.last_body(Put)["url_callback"], CALLBACK);
    assert_eq!(host.last_body(Put)["secret"], host.secret());
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
