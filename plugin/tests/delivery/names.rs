//! Names that arrive with deliveries, and those that are missing.

use super::*;

#[test]
fn a_missing_name_is_noted_once_and_can_be_looked_for() {
    let host = FakeHost::connected();
    let mut delivery = created();
    delivery["payload"]["project_id"] = 42.into();
    delivery["payload"]["task_id"] = 9.into();
    let result = deliver(&host, &delivery);
    assert!(result.names_missing);
    let subjects = &result.changes.subjects;
    assert_eq!(subjects[0].id, "task/9");
    assert_eq!(subjects[0].parent.as_deref(), Some("project/42"));
    assert_eq!(
        (subjects[1].id.as_str(), subjects[1].name.as_deref()),
        ("project/42", None)
    );
    assert_eq!(subjects[1].revision, "");
    assert_eq!(host.state("missing/task/9")["project"], 42);
    assert_eq!(
        result.changes.activities[0]
            .content
            .as_ref()
            .unwrap()
            .subject
            .as_deref(),
        Some("task/9")
    );

    let later = host.now.get().after(60).seconds();
    let asked = json!({"project": 42, "asked": 1, "again_at_seconds": later});
    host.set_state("missing/project/42", asked.clone());
    host.set_state("missing/task/9", asked);
    assert!(
        !deliver(&host, &delivery).names_missing,
        "Toggl was asked and does not know"
    );
}

#[test]
fn known_names_are_handed_on_up_to_the_client() {
    let host = FakeHost::connected();
    host.set_state(
        "project/42",
        json!({"name": "Site", "parent": 5, "revision": "r1"}),
    );
    host.set_state(
        "client/5",
        json!({"name": "Acme", "parent": null, "revision": "r2"}),
    );
    let mut delivery = created();
    delivery["payload"]["project_id"] = 42.into();
    let result = deliver(&host, &delivery);
    assert!(!result.names_missing);
    let names: Vec<_> = result
        .changes
        .subjects
        .iter()
        .map(|subject| (subject.name.as_deref(), subject.revision.as_str()))
        .collect();
    assert_eq!(names, [(Some("Site"), "r1"), (Some("Acme"), "r2")]);
    assert_eq!(
        result.changes.subjects[0].parent.as_deref(),
        Some("client/5")
    );
}

fn project_event(id: u64, event: u64, at: &str, payload: Value) -> Value {
    let mut body = json!({
        "event_id": event, "created_at": at, "creator_id": 1, "url_callback": CALLBACK, "subscription_id": 1,
        "metadata": {"action": "updated", "model": "project", "workspace_id": WORKSPACE.to_string(), "project_id": id.to_string()},
        "payload": {"id": id, "wid": WORKSPACE, "at": at},
    });
    for (key, value) in payload.as_object().unwrap() {
        body["payload"][key] = value.clone();
    }
    body
}

#[test]
fn a_rename_reaches_the_cache_and_an_older_one_does_not_undo_it() {
    let host = FakeHost::connected();
    let new = project_event(
        42,
        2,
        "2026-01-02T00:00:00Z",
        json!({"name": "New", "client_id": 5}),
    );
    let old = project_event(
        42,
        1,
        "2026-01-01T00:00:00Z",
        json!({"name": "Old", "client_id": 4}),
    );
    let result = deliver(&host, &new);
    assert_eq!(result.outcome, DeliveryOutcome::Accepted);
    assert!(result.names_missing, "client 5 is not known yet");
    assert_eq!(result.changes.subjects[0].name.as_deref(), Some("New"));
    deliver(&host, &old);
    assert_eq!(host.state("project/42")["name"], "New");
    assert_eq!(host.state("project/42")["parent"], 5);

    let without_client = project_event(42, 3, "2026-01-03T00:00:00Z", json!({"name": "Newer"}));
    let renamed = deliver(&host, &without_client);
    assert_eq!(renamed.detail, "A project was renamed.");
    assert_eq!(
        host.state("project/42")["parent"],
        5,
        "a client that is not mentioned stays"
    );
    let client_removed = project_event(
        42,
        4,
        "2026-01-04T00:00:00Z",
        json!({"name": "Newer", "client_id": null}),
    );
    let moved = deliver(&host, &client_removed);
    assert_eq!(moved.detail, "A project was updated.");
    assert_eq!(host.state("project/42")["parent"], Value::Null);

    let mut deleted = project_event(42, 5, "2026-01-05T00:00:00Z", json!({"name": "Newer"}));
    deleted["metadata"]["action"] = "deleted".into();
    assert_eq!(deliver(&host, &deleted).outcome, DeliveryOutcome::Ignored);
    assert_eq!(
        host.state("project/42")["name"],
        "Newer",
        "activities keep the name"
    );
}

#[test]
fn a_change_without_a_name_makes_it_be_looked_for() {
    let host = FakeHost::connected();
    let result = deliver(
        &host,
        &project_event(42, 1, "2026-01-01T00:00:00Z", json!({})),
    );
    assert!(result.names_missing);
    assert!(host.storage.borrow().contains_key("missing/project/42"));
}
