//! What refreshing names promises: everything is found in the end, and the quota is spared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::FakeHost;
use toggl_integration::capability::Method::Get;
use toggl_integration::model::Error;

const CLIENTS: &str = "/clients?status=both";
const PROJECTS: &str = "/projects?active=both&per_page=200&page=1";
const TASKS: &str = "/tasks?active=both&per_page=200&page=1";
const NO_TASKS: &str = r#"{"data":[],"total_count":0,"per_page":200,"page":1}"#;

/// A host whose names were all fetched just now.
fn filled() -> FakeHost {
    let host = FakeHost::connected();
    let now = host.now.get().seconds();
    host.set_state(
        "names/progress",
        json!({"stage": "complete", "page": 1, "completed_at_seconds": now}),
    );
    host
}

#[test]
fn a_first_refresh_fetches_all_names_and_reports_them_once() {
    let host = FakeHost::connected();
    host.on(Get, CLIENTS, 200, include_str!("fixtures/clients.json"));
    host.on(Get, PROJECTS, 200, include_str!("fixtures/projects.json"));
    host.on(Get, TASKS, 200, r#"{"data":[{"id":9,"name":"Task","project_id":63334144,"at":"2026-01-01T00:00:00Z"}],"total_count":1}"#);
    let refresh = host.toggl().refresh_names().unwrap();
    assert_eq!(refresh.again_in_seconds, None);
    let ids: Vec<_> = refresh
        .subjects
        .iter()
        .map(|subject| (subject.id.as_str(), subject.parent.as_deref()))
        .collect();
    assert_eq!(
        ids,
        [
            ("client/64890399", None),
            ("project/63334144", Some("client/64890399")),
            ("task/9", Some("project/63334144")),
        ]
    );
    let requests = host.requests.borrow().len();
    assert_eq!(host.toggl().refresh_names().unwrap().subjects, []);
    assert_eq!(
        host.requests.borrow().len(),
        requests,
        "within a day nothing is asked again"
    );
    host.now.set(host.now.get().after(25 * 3600));
    assert_eq!(
        host.toggl().refresh_names().unwrap().subjects,
        [],
        "nothing changed"
    );
    assert!(host.requests.borrow().len() > requests);
}

#[test]
fn a_large_workspace_is_filled_over_several_calls() {
    let host = FakeHost::connected();
    host.on(Get, CLIENTS, 200, "null");
    host.on(Get, TASKS, 403, "");
    for page in 1..=12 {
        let rows = if page == 12 { 1 } else { 200 };
        let row =
            |index| json!({"id": page * 1000 + index, "name": "P", "at": "2026-01-01T00:00:00Z"});
        let body: Value = (0..rows).map(row).collect();
        host.on(
            Get,
            &format!("/projects?active=both&per_page=200&page={page}"),
            200,
            &body.to_string(),
        );
    }
    let first = host.toggl().refresh_names().unwrap();
    assert_eq!(host.requests.borrow().len(), 8);
    assert!(first.again_in_seconds.is_some());
    let second = host.toggl().refresh_names().unwrap();
    assert_eq!(second.again_in_seconds, None);
    assert_eq!(first.subjects.len() + second.subjects.len(), 11 * 200 + 1);
}

#[test]
fn a_reserve_of_the_quota_is_left() {
    let host = FakeHost::connected();
    let quota = [
        ("x-toggl-quota-remaining", "10"),
        ("x-toggl-quota-resets-in", "1200"),
    ];
    host.on_with(Get, CLIENTS, 200, &quota, "[]");
    let refresh = host.toggl().refresh_names().unwrap();
    assert_eq!(refresh.again_in_seconds, Some(1200));
    assert_eq!(host.requests.borrow().len(), 1);
    host.now.set(host.now.get().after(200));
    assert_eq!(
        host.toggl().refresh_names().unwrap().again_in_seconds,
        Some(1000)
    );
    assert_eq!(
        host.requests.borrow().len(),
        1,
        "the reserve is remembered between calls"
    );
    host.now.set(host.now.get().after(1000));
    host.on(Get, PROJECTS, 200, "[]");
    host.on(Get, TASKS, 200, NO_TASKS);
    assert_eq!(host.toggl().refresh_names().unwrap().again_in_seconds, None);
}

#[test]
fn an_exhausted_quota_says_when_to_go_on() {
    let host = FakeHost::connected();
    host.on(
        Get,
        CLIENTS,
        402,
        include_str!("fixtures/quota-exhausted.txt"),
    );
    assert_eq!(
        host.toggl().refresh_names().unwrap().again_in_seconds,
        Some(1838)
    );
}

#[test]
fn a_missing_task_leads_to_its_project_and_client() {
    let host = filled();
    host.set_state("missing/task/9", json!({"project": 42, "unknown": false}));
    host.on(
        Get,
        "/projects/42/tasks/9",
        200,
        r#"{"id":9,"name":"Task","project_id":42,"at":"2026-01-01T00:00:00Z"}"#,
    );
    host.on(
        Get,
        "/projects/42",
        200,
        r#"{"id":42,"name":"Project","client_id":5,"at":"2026-01-01T00:00:00Z"}"#,
    );
    host.on(
        Get,
        "/clients/5",
        200,
        r#"{"id":5,"name":"Client","at":"2026-01-01T00:00:00Z"}"#,
    );
    let refresh = host.toggl().refresh_names().unwrap();
    let ids: Vec<_> = refresh
        .subjects
        .iter()
        .map(|subject| subject.id.as_str())
        .collect();
    assert_eq!(ids, ["task/9", "project/42", "client/5"]);
    assert_eq!(refresh.again_in_seconds, None);
    assert!(
        host.storage
            .borrow()
            .keys()
            .all(|key| !key.starts_with("missing/"))
    );
}

#[test]
fn what_toggl_does_not_give_is_not_asked_for_again_for_a_while() {
    let host = filled();
    host.set_state("missing/project/42", json!({"project": null}));
    host.on(Get, "/projects/42", 403, "");
    assert_eq!(host.toggl().refresh_names().unwrap().again_in_seconds, None);
    assert_eq!(host.state("missing/project/42")["unknown"], true);
    assert_eq!(
        host.expiries.borrow()["missing/project/42"],
        host.now.get().after(6 * 3600)
    );
    host.toggl().refresh_names().unwrap();
    assert_eq!(host.requests.borrow().len(), 1);
}

#[test]
fn many_missing_names_are_asked_for_at_once() {
    let host = filled();
    for id in 1..=7 {
        host.set_state(&format!("missing/project/{id}"), json!({"project": null}));
    }
    let rows: Value = (1..=6)
        .map(|id| json!({"id": id, "name": "P", "at": "2026-01-01T00:00:00Z"}))
        .collect();
    host.on(Get, "project_ids=1,2,3,4,5,6,7", 200, &rows.to_string());
    assert_eq!(host.toggl().refresh_names().unwrap().subjects.len(), 6);
    assert_eq!(host.requests.borrow().len(), 1);
    assert_eq!(host.state("missing/project/7")["unknown"], true);
}

#[test]
fn a_failure_at_once_is_an_error_and_one_half_way_keeps_what_was_found() {
    let host = FakeHost::connected();
    host.on(Get, CLIENTS, 500, "");
    assert!(matches!(
        host.toggl().refresh_names(),
        Err(Error::Upstream { status: 500, .. })
    ));
    host.reset(Get, CLIENTS);
    host.on(Get, CLIENTS, 200, include_str!("fixtures/clients.json"));
    host.on(Get, PROJECTS, 200, "<html>");
    let refresh = host.toggl().refresh_names().unwrap();
    assert_eq!(
        (refresh.subjects.len(), refresh.again_in_seconds),
        (1, Some(60))
    );
}
