//! Any order and repetition of deliveries leads to the same ledger: the one Toggl's own state asks for.
//!
//! Thousands of generated histories go through the real component and the real ledger.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use end_to_end::{Embedded, NORTHWIND, delivery};
use integration_host::contract::Header;
use integration_host::id::HookId;
use integration_host::ledger::LedgerActivity;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const HISTORIES: u32 = 2_000;

/// What somebody does to an entry.
#[derive(Clone, Debug)]
enum Action {
    Start,
    Log { seconds: i64 },
    Stop,
    Describe { text: String },
    Tag { tags: Vec<String> },
    Delete { with_content: bool },
}

#[derive(Clone, Debug)]
struct Step {
    entry: usize,
    /// Milliseconds since the step before it: often within the same second.
    later_ms: i64,
    action: Action,
}

/// A history and the order in which its deliveries arrive, some more than once.
#[derive(Clone, Debug)]
struct History {
    steps: Vec<Step>,
    arrivals: Vec<prop::sample::Index>,
    order: Vec<u32>,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Start),
        (0..7200_i64).prop_map(|seconds| Action::Log { seconds }),
        Just(Action::Stop),
        "[a-z]{0,6}".prop_map(|text| Action::Describe { text }),
        prop::collection::vec("[a-z]{1,4}", 0..3).prop_map(|tags| Action::Tag { tags }),
        any::<bool>().prop_map(|with_content| Action::Delete { with_content }),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let step = (0..3_usize, 1..1500_i64, action()).prop_map(|(entry, later_ms, action)| Step {
        entry,
        later_ms,
        action,
    });
    (
        prop::collection::vec(step, 1..14),
        prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        prop::collection::vec(any::<u32>(), 24),
    )
        .prop_map(|(steps, arrivals, order)| History {
            steps,
            arrivals,
            order,
        })
}

/// An entry as Toggl has it.
#[derive(Clone, Debug)]
struct Truth {
    start: Timestamp,
    stop: Option<Timestamp>,
    description: String,
    tags: Vec<String>,
    deleted: bool,
}

/// Plays a history and returns what Toggl would deliver, and what it has at the end.
fn play(
    history: &History,
    first_id: i64,
    envelope: &Value,
) -> (Vec<Value>, BTreeMap<String, Truth>) {
    let mut now = "2026-03-02T08:00:00Z".parse::<Timestamp>().unwrap();
    let mut truth: BTreeMap<String, Truth> = BTreeMap::new();
    let mut events = Vec::new();
    for (number, step) in history.steps.iter().enumerate() {
        now += SignedDuration::from_millis(step.later_ms);
        let at = Timestamp::from_second(now.as_second()).unwrap();
        let id = (first_id + step.entry as i64).to_string();
        let name = match (&step.action, truth.get_mut(&id)) {
            (_, Some(entry)) if entry.deleted => continue,
            (Action::Start | Action::Log { .. }, Some(_)) => continue,
            (Action::Start, None) => {
                truth.insert(id.clone(), new_entry(at, None));
                "created"
            }
            (Action::Log { seconds }, None) => {
                let start = at - SignedDuration::from_secs(*seconds);
                truth.insert(id.clone(), new_entry(start, Some(at)));
                "created"
            }
            (_, None) => continue,
            (Action::Stop, Some(entry)) => {
                entry.stop = entry.stop.or(Some(at));
                "updated"
            }
            (Action::Describe { text }, Some(entry)) => {
                entry.description.clone_from(text);
                "updated"
            }
            (Action::Tag { tags }, Some(entry)) => {
                entry.tags.clone_from(tags);
                "updated"
            }
            (Action::Delete { .. }, Some(entry)) => {
                entry.deleted = true;
                "deleted"
            }
        };
        let bare = matches!(
            step.action,
            Action::Delete {
                with_content: false
            }
        );
        let payload = payload(&id, &truth[&id], at, bare);
        let mut event = envelope.clone();
        event["event_id"] = json!(9_000_000_000_000_000_u64 + number as u64);
        event["created_at"] = json!(now.to_string());
        event["metadata"]["action"] = json!(name);
        event["metadata"]["time_entry_id"] = json!(id);
        event["payload"] = payload;
        events.push(event);
    }
    (events, truth)
}

fn new_entry(start: Timestamp, stop: Option<Timestamp>) -> Truth {
    Truth {
        start,
        stop,
        description: "new".into(),
        tags: Vec::new(),
        deleted: false,
    }
}

fn payload(id: &str, entry: &Truth, at: Timestamp, bare: bool) -> Value {
    let id: i64 = id.parse().unwrap();
    if bare {
        return json!({ "id": id, "uid": 9_500_002, "wid": NORTHWIND });
    }
    let duration = match entry.stop {
        Some(stop) => stop.as_second() - entry.start.as_second(),
        None => -entry.start.as_second(),
    };
    json!({
        "id": id, "at": at.to_string(), "start": entry.start.to_string(),
        "stop": entry.stop.map(|stop| stop.to_string()), "duration": duration,
        "description": entry.description, "tags": entry.tags, "billable": false,
        "project_id": null, "task_id": null, "server_deleted_at": entry.deleted.then(|| at.to_string()),
        "uid": 9_500_002, "user_id": 9_500_002, "wid": NORTHWIND, "workspace_id": NORTHWIND
    })
}

/// The events in the order in which they arrive: every one at least once.
fn arrivals(history: &History, events: &[Value]) -> Vec<Value> {
    let mut all: Vec<&Value> = events.iter().collect();
    if !events.is_empty() {
        all.extend(history.arrivals.iter().map(|index| index.get(events)));
    }
    let mut ordered: Vec<_> = all.into_iter().zip(history.order.iter().cycle()).collect();
    ordered.sort_by_key(|(_, order)| **order);
    ordered
        .into_iter()
        .map(|(event, _)| event.clone())
        .collect()
}

fn assert_same(activity: Option<&LedgerActivity>, truth: &Truth, id: &str) {
    let activity = activity.unwrap_or_else(|| panic!("entry {id} was lost"));
    assert_eq!(activity.deleted, truth.deleted, "entry {id}");
    if activity.deleted {
        return;
    }
    assert_eq!(activity.start, Some(truth.start), "entry {id}");
    assert_eq!(activity.stop, truth.stop, "entry {id}");
    assert_eq!(activity.tags, truth.tags, "entry {id}");
    let title: &[_] = if truth.description.is_empty() {
        &[]
    } else {
        std::slice::from_ref(&truth.description)
    };
    assert_eq!(activity.title, title, "entry {id}");
}

#[test]
fn histories_converge_whatever_the_order_of_deliveries() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let connected = runtime.block_on(Connected::new());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: HISTORIES,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let first_id = std::cell::Cell::new(1_000_i64);
    runner
        .run(&history(), |history| {
            first_id.set(first_id.get() + 10);
            runtime.block_on(connected.check(&history, first_id.get()));
            Ok(())
        })
        .unwrap();
}

/// A connected host inside the test.
struct Connected {
    embedded: Embedded,
    hook: HookId,
    secret: String,
    envelope: Value,
}

impl Connected {
    async fn new() -> Self {
        let embedded = Embedded::start(&end_to_end::component().unwrap())
            .await
            .unwrap();
        let (connection, subscription) = embedded.connect().await.unwrap();
        let envelope = json!({
            "creator_id": 9_500_002, "subscription_id": subscription.id,
            "timestamp": "2026-03-02T10:00:01Z", "url_callback": subscription.url_callback,
            "metadata": { "model": "time_entry", "workspace_id": NORTHWIND.to_string() },
        });
        Self {
            embedded,
            hook: connection.hook,
            secret: subscription.secret,
            envelope,
        }
    }

    async fn check(&self, history: &History, first_id: i64) {
        let before = self.embedded.service.last_change().await.unwrap();
        let (events, truth) = play(history, first_id, &self.envelope);
        for event in arrivals(history, &events) {
            let (signature, body) = delivery(&self.secret, &event);
            let header = Header {
                name: "x-webhook-signature-256".into(),
                value: signature,
            };
            let answer = self
                .embedded
                .service
                .handle_delivery(&self.hook, vec![header], body)
                .await;
            assert_eq!(answer.response.status, 200, "{event}");
        }
        let changed = self.embedded.service.changes(before, 100).await.unwrap();
        for (id, truth) in &truth {
            let activity = changed.iter().find(|activity| activity.entry_id == *id);
            assert_same(activity, truth, id);
        }
    }
}
