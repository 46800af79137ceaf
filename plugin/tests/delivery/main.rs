//! What deliveries promise: nothing untrusted is parsed, nothing genuine is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod entries;
mod names;
mod pings;
mod signatures;
#[path = "../support/mod.rs"]
mod support;

use serde_json::{Value, json};
use support::{CALLBACK, FakeHost, WORKSPACE, signed};
use toggl_integration::model::{Activity, DeliveryOutcome, DeliveryResult, Error, TimeLog};
use toggl_integration::time::Timestamp;

const CREATED: &str = include_str!("../fixtures/delivery-time-entry-created.json");

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
fn nothing_personal_is_logged() {
    let host = FakeHost::connected();
    deliver(&host, &created());
    assert!(host.logged.borrow().is_empty());
}
