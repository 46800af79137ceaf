//! What Toggl refuses is told in a sentence that helps.

use super::*;

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
fn a_taken_slot_names_who_holds_it() {
    let error = refused(
        "User 1 already reached the limit of 1 enabled subscriptions for workspace 2230580",
    );
    let Error::PlanLimit(message) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("only 1 enabled webhook")
            && !message.contains("1 enabled webhooks")
            && message.contains("Zapier"),
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
