//! How events reach a callback: signed, retried, and disturbed on order.

use serde_json::{Value, json};
use toggl_sandbox::{
    DeliveryFault, DeliveryState, Scenario,
    control::{
        CreateName, DeleteEntry, Flush, NameKind, Rename, SetMember, SetSettings, StartTimer,
        StopTimer,
    },
    model::TimeEntry,
    scenario::{Behaviour, Role},
    signature,
};

use crate::support::{JONAS, Receiver, STUDIO, Toggl, fixture};

fn start(toggl: &Toggl, description: &str) -> TimeEntry {
    let timer = StartTimer {
        workspace_id: STUDIO,
        user_id: JONAS,
        description: Some(description.to_owned()),
        ..Default::default()
    };
    toggl.sandbox.control().start_timer(timer).unwrap()
}

async fn flush(toggl: &Toggl) {
    let flushed = toggl.sandbox.control().flush(Flush::default()).await;
    assert!(
        flushed.settled,
        "{} deliveries never settled",
        flushed.pending
    );
}

#[test]
fn the_documented_signature_vector_reproduces() {
    let signature = signature::sign("PGuRrhCFajIyEvFlreKL", &fixture("signature-vector-1.body"));
    assert_eq!(
        signature,
        "sha256=bf829606cda0ca6923defb5ca70a43135adc7e8887486a201a19cb50ca6006b1"
    );
}

#[tokio::test]
async fn pings_and_events_are_signed_over_the_raw_body() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    start(&toggl, "Ærlig \"talt\" \u{1F600}");
    flush(&toggl).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for (headers, body) in received {
        assert_eq!(
            headers[signature::SIGNATURE_HEADER],
            signature::sign("correct horse", &body).as_str()
        );
        assert_eq!(headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_retry_repeats_the_event_and_only_its_timestamp_changes() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    receiver.answer_events_with([500, 302]);
    start(&toggl, "first");
    start(&toggl, "second");
    flush(&toggl).await;
    let events = receiver.events();
    let kept = |event: &Value| {
        (
            event["event_id"].clone(),
            event["created_at"].clone(),
            event["payload"].clone(),
        )
    };
    assert_eq!(kept(&events[0]), kept(&events[1]));
    assert_eq!(kept(&events[0]), kept(&events[2]));
    assert_ne!(events[0]["timestamp"], events[1]["timestamp"]);
    assert_eq!(
        events.len(),
        5,
        "three attempts, then the stop of the first entry and the start of the second, in order"
    );
    let deliveries = toggl.sandbox.control().deliveries();
    let answers: Vec<Option<u16>> = deliveries[0]
        .attempts
        .iter()
        .map(|attempt| attempt.status)
        .collect();
    assert_eq!(
        (answers, deliveries[0].state),
        (
            vec![Some(500), Some(302), Some(200)],
            DeliveryState::Delivered
        )
    );
}

#[tokio::test]
async fn an_event_is_given_up_after_the_last_retry() {
    let mut scenario = Scenario::default();
    scenario.delivery.retry_delays_ms = vec![1, 1];
    let toggl = Toggl::with(scenario).await;
    let receiver = Receiver::start().await;
    let id = toggl.subscribe(STUDIO, receiver.url()).await["subscription_id"].clone();
    receiver.answer_events_with([500, 500, 500]);
    start(&toggl, "lost");
    flush(&toggl).await;
    assert_eq!(
        toggl.sandbox.control().deliveries()[0].state,
        DeliveryState::GivenUp
    );
    let list = toggl
        .get(&format!(
            "/webhooks/api/v1/subscriptions/{STUDIO}/{id}/events"
        ))
        .await;
    assert_eq!(
        (
            &list["total"],
            &list["events"][0]["failed_delivery_attempts"]
        ),
        (&json!(1), &json!(3))
    );
}

#[tokio::test]
async fn event_ids_can_exceed_what_javascript_holds() {
    let mut scenario = Scenario::default();
    scenario.delivery.large_event_ids = true;
    let toggl = Toggl::with(scenario).await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    start(&toggl, "large");
    flush(&toggl).await;
    assert!(receiver.events()[0]["event_id"].as_u64().unwrap() > 1 << 53);
}

#[tokio::test]
async fn the_next_deliveries_can_be_dropped_duplicated_delayed_and_reordered() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let control = toggl.sandbox.control();
    control.fail_deliveries(DeliveryFault::Drop { count: 1 });
    control.fail_deliveries(DeliveryFault::Duplicate {
        count: 1,
        copies: 2,
    });
    let entry = start(&toggl, "dropped");
    let stop = || StopTimer {
        user_id: Some(JONAS),
        ..Default::default()
    };
    control.stop_timer(stop()).unwrap();
    flush(&toggl).await;
    let ids: Vec<Value> = receiver
        .events()
        .iter()
        .map(|event| event["event_id"].clone())
        .collect();
    assert_eq!(
        ids,
        vec![ids[0].clone(); 3],
        "copies share the event id, the dropped event is not among them"
    );
    assert_eq!(control.deliveries()[0].state, DeliveryState::Dropped);
    control.fail_deliveries(DeliveryFault::Reorder { count: 2 });
    start(&toggl, "again");
    control
        .delete_entry(DeleteEntry {
            entry_id: entry.id,
            ..Default::default()
        })
        .unwrap();
    flush(&toggl).await;
    let actions = |events: &[Value]| {
        events
            .iter()
            .map(|event| event["metadata"]["action"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(actions(&receiver.events()[3..]), ["deleted", "created"]);
    control.fail_deliveries(DeliveryFault::Delay {
        count: 1,
        delay_ms: 100,
    });
    control.stop_timer(stop()).unwrap();
    start(&toggl, "overtakes");
    flush(&toggl).await;
    assert_eq!(actions(&receiver.events()[5..]), ["created", "updated"]);
}

#[tokio::test]
async fn a_lost_reordering_is_released_by_a_flush() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    toggl
        .sandbox
        .control()
        .fail_deliveries(DeliveryFault::Reorder { count: 5 });
    start(&toggl, "held");
    flush(&toggl).await;
    assert_eq!(receiver.events().len(), 1);
}

#[tokio::test]
async fn deleted_entries_come_whole_or_as_ids_only() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let control = toggl.sandbox.control();
    let whole = start(&toggl, "whole");
    control
        .delete_entry(DeleteEntry {
            entry_id: whole.id,
            acting_user_id: Some(9_500_001),
        })
        .unwrap();
    let behaviour = Behaviour {
        delete_payload_ids_only: true,
        ..Behaviour::default()
    };
    control
        .set_settings(SetSettings {
            behaviour: Some(behaviour),
            ..Default::default()
        })
        .unwrap();
    let short = start(&toggl, "short");
    control
        .delete_entry(DeleteEntry {
            entry_id: short.id,
            ..Default::default()
        })
        .unwrap();
    flush(&toggl).await;
    let deleted: Vec<Value> = receiver
        .events()
        .into_iter()
        .filter(|event| event["metadata"]["action"] == "deleted")
        .collect();
    assert!(deleted[0]["payload"]["server_deleted_at"].is_string());
    assert_eq!(
        (&deleted[0]["creator_id"], &deleted[0]["payload"]["user_id"]),
        (&json!(9_500_001), &json!(JONAS))
    );
    assert_eq!(
        deleted[1]["payload"],
        json!({ "id": short.id, "wid": STUDIO, "uid": JONAS })
    );
    assert_eq!(
        deleted[1]["metadata"]["time_entry_id"],
        short.id.to_string()
    );
}

#[tokio::test]
async fn changes_of_names_and_people_are_events_too() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let everything = json!({ "url_callback": receiver.url(), "event_filters": [{ "entity": "*", "action": "*" }], "enabled": true, "description": "all" });
    toggl
        .post(
            &format!("/webhooks/api/v1/subscriptions/{STUDIO}"),
            everything,
        )
        .await;
    let control = toggl.sandbox.control();
    let new = |kind, project_id| CreateName {
        kind,
        workspace_id: STUDIO,
        name: "New".to_owned(),
        client_id: None,
        project_id,
        private: false,
    };
    let project = control.create_name(new(NameKind::Project, None)).unwrap();
    control
        .create_name(new(NameKind::Task, Some(project)))
        .unwrap();
    control.create_name(new(NameKind::Tag, None)).unwrap();
    let client = control.create_name(new(NameKind::Client, None)).unwrap();
    control
        .rename(Rename {
            kind: NameKind::Client,
            id: client,
            name: "Renamed".to_owned(),
        })
        .unwrap();
    control
        .set_member(SetMember {
            workspace_id: STUDIO,
            user_id: JONAS,
            role: Some(Role::Admin),
            ..Default::default()
        })
        .unwrap();
    flush(&toggl).await;
    let seen: Vec<String> = receiver
        .events()
        .iter()
        .map(|event| {
            format!(
                "{} {}",
                event["metadata"]["model"].as_str().unwrap(),
                event["metadata"]["action"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "project created",
            "task created",
            "tag created",
            "client created",
            "client updated",
            "workspace_user updated"
        ]
    );
    assert_eq!(
        receiver.events()[1]["metadata"]["project_id"],
        project.to_string()
    );
}
