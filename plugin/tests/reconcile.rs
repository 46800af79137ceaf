//! What reconciling promises: every entry of the range once, and in the deliveries' order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::FakeHost;
use toggl_integration::capability::Method::Post;
use toggl_integration::model::{Error, Selection};
use toggl_integration::time::Timestamp;

const SEARCH: &str = "/reports/api/v3/workspace/2230580/search/time_entries";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn range(from: &str, to: &str) -> Selection {
    Selection::Range(time(from), time(to))
}

fn row(id: u64, start: &str, stop: &str) -> Value {
    json!({
        "user_id": 3, "username": "x", "email": "x@example.com", "project_id": 42, "project_name": "Site",
        "task_id": null, "task_name": null, "billable": true, "description": "Work", "tag_ids": [1], "tag_names": ["deep"],
        "time_entries": [{"id": id, "seconds": 60, "start": start, "stop": stop, "at": "2026-02-10T12:30:00.25+01:00"}],
    })
}

#[test]
fn rows_become_activities_with_their_names() {
    let host = FakeHost::connected();
    let rows = json!([
        row(1, "2026-02-10T09:00:00+01:00", "2026-02-10T10:00:00+01:00"),
        row(2, "2026-02-12T09:00:00Z", "2026-02-12T10:00:00Z"),
    ]);
    host.on(Post, SEARCH, 200, &rows.to_string());
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let result = host.toggl().reconcile(&selection, None).unwrap();
    assert_eq!(result.next, None);
    assert_eq!(
        result.changes.activities.len(),
        1,
        "the other is outside the range"
    );
    let activity = &result.changes.activities[0];
    assert_eq!(
        activity.revision,
        "2026-02-10T11:30:00Z/2026-02-10T11:30:00.250000000Z/00000000000000000000"
    );
    assert_eq!(activity.event_id, None);
    let content = activity.content.as_ref().unwrap();
    assert_eq!(
        (
            content.remote_user_id.as_str(),
            content.billable,
            content.tags.as_slice()
        ),
        ("3", true, &["deep".to_owned()][..])
    );
    assert_eq!(content.subject.as_deref(), Some("project/42"));
    assert_eq!(content.start, time("2026-02-10T08:00:00Z"));
    let subject = &result.changes.subjects[0];
    assert_eq!(
        (subject.name.as_deref(), subject.revision.as_str()),
        (Some("Site"), "")
    );
    assert!(
        host.storage.borrow().contains_key("missing/project/42"),
        "its client is looked for"
    );

    let body = host.last_body(Post);
    assert_eq!(
        (body["start_date"].as_str(), body["end_date"].as_str()),
        (Some("2026-02-09"), Some("2026-02-12"))
    );
    assert_eq!(body["enrich_response"], true);
    assert!(host.requests.borrow()[0].idempotent);
}

#[test]
fn an_entry_of_the_ranges_first_second_belongs_to_it() {
    let host = FakeHost::connected();
    let rows = json!([row(1, "2026-02-10T09:00:00Z", "2026-02-10T09:00:00Z")]);
    host.on(Post, SEARCH, 200, &rows.to_string());
    let selection = range("2026-02-10T09:00:00.7Z", "2026-02-11T00:00:00Z");
    let result = host.toggl().reconcile(&selection, None).unwrap();
    assert_eq!(result.changes.activities.len(), 1, "the entry stays lost");
}

#[test]
fn pages_and_years_are_read_one_call_each() {
    let host = FakeHost::connected();
    host.on_with(
        Post,
        SEARCH,
        200,
        &[("x-next-row-number", "201"), ("x-next-id", "77")],
        "[]",
    );
    host.on(Post, SEARCH, 200, "[]");
    let selection = range("2024-01-01T12:00:00Z", "2025-06-01T12:00:00Z");
    let mut cursor = None;
    let mut windows = Vec::new();
    for _ in 0..10 {
        let result = host
            .toggl()
            .reconcile(&selection, cursor.as_deref())
            .unwrap();
        let body = host.last_body(Post);
        windows.push((
            body["start_date"].clone(),
            body["end_date"].clone(),
            body["first_row_number"].clone(),
        ));
        cursor = result.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(
        windows,
        [
            (json!("2023-12-31"), json!("2024-12-29"), Value::Null),
            (json!("2023-12-31"), json!("2024-12-29"), json!(201)),
            (json!("2024-12-30"), json!("2025-06-02"), Value::Null),
        ]
    );
}

#[test]
fn a_page_that_leads_nowhere_ends_the_reading() {
    let host = FakeHost::connected();
    host.on_with(Post, SEARCH, 200, &[("x-next-row-number", "201")], "[]");
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let first = host.toggl().reconcile(&selection, None).unwrap();
    let second = host
        .toggl()
        .reconcile(&selection, first.next.as_deref())
        .unwrap();
    assert_eq!(second.next, None);
}

#[test]
fn a_quota_is_told_from_a_plan() {
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let host = FakeHost::connected();
    host.on(
        Post,
        SEARCH,
        402,
        "Workspace needs to have this feature enabled",
    );
    assert!(matches!(
        host.toggl().reconcile(&selection, None),
        Err(Error::PlanLimit(_))
    ));
    let host = FakeHost::connected();
    host.on(
        Post,
        SEARCH,
        402,
        include_str!("fixtures/quota-exhausted.txt"),
    );
    assert!(matches!(
        host.toggl().reconcile(&selection, None),
        Err(Error::QuotaExhausted {
            resets_in_seconds: 1838,
            ..
        })
    ));
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let host = FakeHost::connected();
    host.on(Post, SEARCH, 200, "[]");
    let good = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let backwards = range("2026-02-11T00:00:00Z", "2026-02-10T00:00:00Z");
    let too_many = Selection::Activities((1..=101).map(|id| id.to_string()).collect());
    let no_id = Selection::Activities(vec!["x".into()]);
    for (selection, cursor) in [
        (&good, Some("x")),
        (&good, Some(r#"{"from":1}"#)),
        (&backwards, None),
        (&too_many, None),
        (&no_id, None),
    ] {
        assert!(
            matches!(
                host.toggl().reconcile(selection, cursor),
                Err(Error::InvalidInput(_))
            ),
            "{selection:?}"
        );
    }
    let ends_of_time = Selection::Range(
        Timestamp::from_seconds(i64::MIN),
        Timestamp::from_seconds(i64::MAX),
    );
    host.toggl().reconcile(&ends_of_time, None).unwrap();
}

#[test]
fn activities_that_no_longer_exist_are_deleted() {
    let host = FakeHost::connected();
    host.on(
        Post,
        SEARCH,
        200,
        &json!([row(1, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z")]).to_string(),
    );
    host.on(Post, SEARCH, 200, "[]");
    let selection = Selection::Activities(vec!["1".into(), "2".into()]);
    let result = host.toggl().reconcile(&selection, None).unwrap();
    let found: Vec<_> = result
        .changes
        .activities
        .iter()
        .map(|activity| (activity.id.as_str(), activity.deleted))
        .collect();
    assert_eq!(found, [("1", false), ("2", true)]);
    assert!(
        result.changes.activities[1]
            .revision
            .starts_with("2026-03-01T12:00:00Z/")
    );
    assert_eq!(
        host.requests.borrow().len(),
        3,
        "older years are searched for what is not found"
    );
}
