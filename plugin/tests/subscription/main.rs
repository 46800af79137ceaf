//! What subscribing and disconnecting promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod copies;
mod disconnecting;
mod refusals;
mod subscribing;
#[path = "../support/mod.rs"]
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
