//! What holds for all inputs: no panic, and the same ledger from any order of deliveries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{CALLBACK, FakeHost, WORKSPACE};
use toggl_integration::capability::Method::{Get, Post};
use toggl_integration::model::{Activity, Selection, SoughtActivity, TimeLog, TimeRange};
use toggl_integration::time::Timestamp;

/// The contract's ledger: the greatest content, and the greatest deletion.
#[derive(Debug, Default, PartialEq)]
struct Ledger(BTreeMap<String, (String, Option<TimeLog>, String)>);

impl Ledger {
    fn apply(&mut self, activity: &Activity) {
        let entry = self.0.entry(activity.id.clone()).or_default();
        if let Some(content) = &activity.content
            && (entry.1.is_none() || activity.revision > entry.0)
        {
            (entry.0, entry.1) = (activity.revision.clone(), Some(content.clone()));
        }
        if activity.deleted && activity.revision > entry.2 {
            entry.2 = activity.revision.clone();
        }
    }

    fn is_deleted(&self, id: &str) -> bool {
        let (content, _, deletion) = &self.0[id];
        !deletion.is_empty() && deletion >= content
    }
}

fn event(number: u64, second: i64, kind: u8) -> Value {
    let at = Timestamp::from_seconds(1_760_000_000 + second);
    let text = |time: Timestamp| {
        jiff::Timestamp::from_nanosecond(time.nanoseconds().into())
            .unwrap()
            .to_string()
    };
    let whole = json!({
        "id": 1, "at": text(at), "user_id": 3, "wid": WORKSPACE, "description": format!("state {number}"),
        "start": text(at), "stop": null, "duration": -1, "server_deleted_at": null, "tags": null, "billable": null,
    });
    let (action, payload) = match kind {
        0 => ("deleted", json!({"id": 1})),
        1 => ("deleted", whole),
        2 => ("created", whole),
        _ => ("updated", whole),
    };
    json!({
        "event_id": 8_023_169_274_704_000_u64 + number, "url_callback": CALLBACK, "subscription_id": 7,
        // Events of one second are told apart by when they were made.
        "created_at": text(Timestamp::from_nanoseconds(at.nanoseconds() + i64::try_from(number).unwrap())),
        "metadata": {"action": action, "model": "time_entry", "workspace_id": WORKSPACE.to_string()},
        "payload": payload,
    })
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "ping",
            "deleted",
            "2026-01-01T00:00:00Z",
            "-1",
            "9999999999999999999999"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A delivery of which some values are replaced by anything.
fn mangled_delivery() -> impl Strategy<Value = Value> {
    let keys = vec![
        "event_id",
        "created_at",
        "metadata",
        "payload",
        "subscription_id",
        "url_callback",
        "validation_code",
    ];
    let inner = vec![
        "id",
        "at",
        "user_id",
        "wid",
        "start",
        "stop",
        "duration",
        "server_deleted_at",
        "tags",
        "project_id",
        "task_id",
        "name",
        "client_id",
    ];
    let model = prop::sample::select(vec!["time_entry", "project", "client", "task", "tag"]);
    (
        prop::collection::vec((prop::sample::select(keys), arbitrary_json()), 0..2),
        prop::collection::vec((prop::sample::select(inner), arbitrary_json()), 0..5),
        model,
        0_u8..4,
    )
        .prop_map(|(outer, inner, model, kind)| {
            let mut delivery = event(1, 0, kind);
            delivery["metadata"]["model"] = model.into();
            for (key, value) in inner {
                delivery["payload"][key] = value;
            }
            for (key, value) in outer {
                delivery[key] = value;
            }
            delivery
        })
}

proptest! {
    #[test]
    fn any_order_and_repetition_of_deliveries_leads_to_the_same_ledger(
        (told, heard) in prop::collection::vec((0_i64..6, 0_u8..5), 1..10).prop_flat_map(|steps| {
            let told: Vec<Value> = steps.iter().enumerate()
                .map(|(number, (second, kind))| event(number as u64 + 1, *second, *kind)).collect();
            let twice: Vec<Value> = told.iter().chain(&told).cloned().collect();
            (Just(told), Just(twice).prop_shuffle())
        }),
    ) {
        let host = FakeHost::connected();
        let ledger = |deliveries: &[Value]| {
            let mut ledger = Ledger::default();
            for delivery in deliveries {
                let request = host.signed(delivery.to_string().as_bytes());
                let result = host.toggl().handle_webhook(&request).unwrap();
                result.changes.activities.iter().for_each(|activity| ledger.apply(activity));
            }
            ledger
        };
        let (expected, actual) = (ledger(&told), ledger(&heard));
        prop_assert_eq!(expected.is_deleted("1"), actual.is_deleted("1"));
        prop_assert_eq!(expected, actual);
    }

    #[test]
    fn no_body_makes_a_delivery_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let host = FakeHost::connected();
        host.toggl().handle_webhook(&host.signed(&body)).unwrap();
    }

    #[test]
    fn no_json_makes_a_delivery_panic(delivery in mangled_delivery()) {
        let host = FakeHost::connected();
        let result = host.toggl().handle_webhook(&host.signed(delivery.to_string().as_bytes())).unwrap();
        for activity in result.changes.activities {
            prop_assert!(activity.deleted || activity.content.is_some());
        }
    }

    #[test]
    fn no_header_makes_a_delivery_panic(value in ".{0,80}") {
        let host = FakeHost::connected();
        let mut request = host.signed(b"{}");
        request.headers[0].value = value;
        prop_assert_eq!(host.toggl().handle_webhook(&request).unwrap().response.status, 401);
    }

    #[test]
    fn no_answer_of_toggl_makes_a_call_panic(json in arbitrary_json(), status in 100_u16..600, is_list: bool) {
        let host = FakeHost::connected();
        let body = if is_list { Value::from(vec![json]) } else { json }.to_string();
        host.reset(Get, "/api/v9/me");
        host.reset(Get, "/me/workspaces");
        for method in [Get, Post] {
            host.on(method, "", status, &body);
        }
        let toggl = host.toggl();
        let _ = toggl.test();
        let _ = toggl.map_users();
        let _ = toggl.refresh_names();
        let _ = toggl.check(CALLBACK);
        let _ = toggl.subscribe(CALLBACK);
        let range = Selection::Range(TimeRange {
            since: Timestamp::UNIX_EPOCH,
            until: host.now.get(),
            connected_at: Timestamp::UNIX_EPOCH,
        });
        let _ = toggl.reconcile(&range, None);
        let _ = toggl.reconcile(&Selection::Changed(Timestamp::UNIX_EPOCH), None);
        let sought = SoughtActivity {
            id: "7".into(),
            remote_user_id: Some("3".into()),
            start: None,
            outdated: None,
        };
        let _ = toggl.reconcile(&Selection::Activities(vec![sought]), None);
        let _ = toggl.disconnect(CALLBACK);
    }
}
