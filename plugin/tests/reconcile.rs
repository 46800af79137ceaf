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
use toggl_integration::capability::Method::{Get, Post};
use toggl_integration::model::{Error, Selection, SoughtActivity, TimeRange};
use toggl_integration::time::Timestamp;

const SEARCH: &str = "/reports/api/v3/workspace/2230580/search/time_entries";

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A range of a connection that is older than anything.
fn range(from: &str, to: &str) -> Selection {
    between(time(from), time(to))
}

fn between(since: Timestamp, until: Timestamp) -> Selection {
    Selection::Range(TimeRange {
        since,
        until,
        connected_at: Timestamp::from_seconds(i64::MIN),
    })
}

fn sought(ids: &[&str], person: &str) -> Selection {
    let sought = ids.iter().map(|id| SoughtActivity {
        id: (*id).into(),
        remote_user_id: Some(person.into()),
        start: None,
        outdated: None,
    });
    Selection::Activities(sought.collect())
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
fn a_name_that_came_with_an_entry_as_another_is_looked_up() {
    let host = FakeHost::connected();
    host.on(
        Get,
        "/projects/42",
        200,
        r#"{"id": 42, "name": "New site", "client_id": 5, "at": "2026-02-01T00:00:00Z"}"#,
    );
    host.on(
        Get,
        "/clients/5",
        200,
        r#"{"id": 5, "name": "Client", "at": "2026-02-01T00:00:00Z"}"#,
    );
    let known = |name: &str, client: Option<u64>| json!({"name": name, "parent": client, "revision": "2026-01-01T00:00:00Z"});
    let told = |project: Option<&str>, client: Option<&str>| {
        let mut row = row(1, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
        row["project_name"] = json!(project);
        row["client_name"] = json!(client);
        json!([row]).to_string()
    };
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let now = host.now.get().seconds();
    let complete = json!({"stage": "complete", "page": 1, "completed_at_seconds": now});
    let cases = [
        (Some("Site"), Some("Client"), false),
        (None, None, false),
        (Some("New site"), Some("Client"), true),
        (Some("Site"), Some("Another client"), true),
        (Some("Site"), None, true),
    ];
    for (project, client, is_looked_up) in cases {
        host.set_state("project/42", known("Site", Some(5)));
        host.set_state("client/5", known("Client", None));
        host.set_state("names/progress", complete.clone());
        host.reset(Post, SEARCH);
        host.on(Post, SEARCH, 200, &told(project, client));
        host.toggl().reconcile(&selection, None).unwrap();
        let is_missing = host.storage.borrow().contains_key("missing/project/42");
        assert_eq!(is_missing, is_looked_up, "{project:?} of {client:?}");
        host.toggl().refresh_names().unwrap();
        let is_missing = host.storage.borrow().contains_key("missing/project/42");
        assert!(!is_missing, "it is looked up for ever");
    }
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
fn a_stop_before_the_start_is_a_stop_and_no_running_timer() {
    let host = FakeHost::connected();
    let mut ahead = row(1, "2026-02-10T06:42:57Z", "2026-02-10T06:38:37Z");
    ahead["time_entries"][0]["seconds"] = json!(-260);
    host.on(Post, SEARCH, 200, &json!([ahead]).to_string());
    let selection = range("2026-02-10T06:40:00Z", "2026-02-11T00:00:00Z");
    let result = host.toggl().reconcile(&selection, None).unwrap();
    let stops: Vec<_> = (result.changes.activities.iter())
        .map(|activity| activity.content.as_ref().unwrap().stop)
        .collect();
    assert_eq!(
        stops,
        [Some(time("2026-02-10T06:38:37Z"))],
        "it counts for ever, or is lost"
    );
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
    let ids: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    let too_many = sought(&ids.iter().map(String::as_str).collect::<Vec<_>>(), "3");
    let no_id = sought(&["x"], "3");
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
    let ends_of_time = between(
        Timestamp::from_seconds(i64::MIN),
        Timestamp::from_seconds(i64::MAX),
    );
    host.toggl().reconcile(&ends_of_time, None).unwrap();
}

#[test]
fn activities_that_are_not_listed_are_missing_and_no_more() {
    let host = FakeHost::connected();
    host.on(
        Post,
        SEARCH,
        200,
        &json!([row(1, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z")]).to_string(),
    );
    host.on(Post, SEARCH, 200, "[]");
    let result = host
        .toggl()
        .reconcile(&sought(&["1", "2"], "3"), None)
        .unwrap();
    let found: Vec<_> = result
        .changes
        .activities
        .iter()
        .map(|activity| (activity.id.as_str(), activity.deleted))
        .collect();
    assert_eq!(
        found,
        [("1", false)],
        "an empty answer deletes what somebody logged"
    );
    assert_eq!(result.missing, ["2"]);
    assert_eq!(
        host.requests.borrow().len(),
        3,
        "older years are searched for what is not found"
    );
}

#[test]
fn an_answer_that_is_null_says_no_more_than_an_empty_one() {
    let host = FakeHost::connected();
    host.on(Post, SEARCH, 200, "null");
    let result = host.toggl().reconcile(&sought(&["2"], "3"), None).unwrap();
    assert_eq!(
        (result.changes.activities.len(), result.missing),
        (0, vec!["2".to_owned()])
    );
}

#[test]
fn what_is_older_than_three_years_is_looked_for_where_it_was() {
    let host = FakeHost::connected();
    host.on(Post, SEARCH, 200, "[]");
    let selection = Selection::Activities(vec![SoughtActivity {
        id: "2".into(),
        remote_user_id: None,
        start: Some(time("2019-06-01T12:00:00Z")),
        outdated: None,
    }]);
    host.toggl().reconcile(&selection, None).unwrap();
    let body = host.last_body(Post);
    let days = |name: &str| body[name].as_str().unwrap().to_owned();
    assert!(days("start_date") < "2019-06-01".into() && days("end_date") > "2019-06-01".into());
}

#[test]
fn own_entries_that_reports_do_not_list_are_asked_for_singly() {
    const OWN: &str = "/api/v9/me/time_entries/2";
    let me: Value = serde_json::from_str(support::ME).unwrap();
    let account = me["id"].as_u64().unwrap().to_string();
    let entry = |workspace: u64, deleted: Value| {
        json!({
            "id": 2, "workspace_id": workspace, "user_id": me["id"], "project_id": null, "task_id": null,
            "billable": false, "description": "Kept", "duration": 60, "start": "2026-02-10T09:00:00+00:00",
            "stop": "2026-02-10T09:01:00+00:00", "at": "2026-02-10T09:01:02.5Z", "tags": [], "server_deleted_at": deleted,
        })
    };
    let ask = |status: u16, body: &Value, person: &str| {
        let host = FakeHost::connected();
        host.on(Post, SEARCH, 200, "[]");
        host.on(Get, OWN, status, &body.to_string());
        let result = host
            .toggl()
            .reconcile(&sought(&["2"], person), None)
            .unwrap();
        let found: Vec<bool> = result
            .changes
            .activities
            .iter()
            .map(|one| one.deleted)
            .collect();
        (found, result.missing.len())
    };
    let here = support::WORKSPACE;
    assert_eq!(
        ask(200, &entry(here, Value::Null), &account),
        (vec![false], 0)
    );
    let deleted = json!("2026-02-11T09:00:00Z");
    assert_eq!(ask(200, &entry(here, deleted), &account), (vec![true], 0));
    assert_eq!(
        ask(200, &entry(here + 1, Value::Null), &account),
        (vec![], 1),
        "it is in another workspace now"
    );
    assert_eq!(
        ask(404, &json!("Resource can not be found"), &account),
        (vec![], 1)
    );
    assert_eq!(ask(500, &json!(""), &account), (vec![], 1));
    assert_eq!(
        ask(200, &entry(here, Value::Null), "77"),
        (vec![], 1),
        "it was asked for entries that Toggl would not show"
    );
}

#[test]
fn what_was_before_connecting_counts_if_it_was_changed_since() {
    let host = FakeHost::connected();
    let mut unchanged = row(2, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
    unchanged["time_entries"][0]["at"] = json!("2026-02-10T10:00:00Z");
    let changed = row(1, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
    let after = row(3, "2026-02-10T10:30:00Z", "2026-02-10T11:20:00Z");
    host.on(
        Post,
        SEARCH,
        200,
        &json!([unchanged, changed, after]).to_string(),
    );
    let selection = Selection::Range(TimeRange {
        since: time("2026-02-09T00:00:00Z"),
        until: time("2026-02-12T00:00:00Z"),
        connected_at: time("2026-02-10T11:00:00Z"),
    });
    let result = host.toggl().reconcile(&selection, None).unwrap();
    let ids: Vec<_> = result
        .changes
        .activities
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, ["1", "3"]);
}

#[test]
fn the_latest_changes_are_read_first_and_no_further_than_asked() {
    let host = FakeHost::connected();
    let at = |id: u64, at: &str| {
        let mut row = row(id, "2025-12-01T09:00:00Z", "2025-12-01T10:00:00Z");
        row["time_entries"][0]["at"] = json!(at);
        row
    };
    let next = [("x-next-row-number", "3"), ("x-next-id", "7")];
    let first = json!([at(1, "2026-03-01T11:00:00Z"), at(2, "2026-03-01T10:00:00Z")]);
    host.on_with(Post, SEARCH, 200, &next, &first.to_string());
    let further = [("x-next-row-number", "5"), ("x-next-id", "8")];
    let second = json!([at(3, "2026-02-28T12:00:00Z"), at(4, "2026-02-28T11:59:59Z")]);
    host.on_with(Post, SEARCH, 200, &further, &second.to_string());
    let selection = Selection::Changed(time("2026-02-28T12:00:00Z"));
    let page = host.toggl().reconcile(&selection, None).unwrap();
    assert_eq!(page.changes.activities.len(), 2);
    let body = host.last_body(Post);
    assert_eq!(
        (&body["order_by"], &body["order_dir"]),
        (&json!("last_update"), &json!("DESC"))
    );
    let last = host
        .toggl()
        .reconcile(&selection, page.next.as_deref())
        .unwrap();
    assert_eq!(host.last_body(Post)["first_row_number"], 3);
    assert_eq!((last.changes.activities.len(), last.next), (1, None));
}

#[test]
fn a_page_tells_how_many_requests_are_left() {
    let host = FakeHost::connected();
    let told = [
        ("x-toggl-quota-remaining", "12"),
        ("x-toggl-quota-resets-in", "600"),
    ];
    host.on_with(Post, SEARCH, 200, &told, "[]");
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let page = host.toggl().reconcile(&selection, None).unwrap();
    assert_eq!(page.quotas, [], "a third of an unknown number is unknown");
    host.set_state("quota/organization/total", json!({"total": 30}));
    let page = host.toggl().reconcile(&selection, None).unwrap();
    let quota = &page.quotas[0];
    assert_eq!(
        (
            quota.name.as_str(),
            quota.remaining,
            quota.total,
            quota.resets_in_seconds
        ),
        ("organization", 12, 30, 600)
    );
}

#[test]
fn what_cannot_be_read_keeps_nothing_else_from_being_taken() {
    let host = FakeHost::connected();
    let (start, stop) = ("2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
    // Somebody's account was deleted, so that nobody is named.
    let mut nameless = row(2, start, stop);
    nameless["user_id"] = Value::Null;
    let mut timeless = row(3, start, stop);
    timeless["time_entries"][0]["start"] = Value::Null;
    let mut without_id = row(4, start, stop);
    without_id["time_entries"][0]["id"] = Value::Null;
    let rows = json!([
        row(1, start, stop),
        nameless,
        timeless,
        without_id,
        {"user_id": 3},
        {"user_id": 3, "time_entries": null},
        null,
    ]);
    host.on(Post, SEARCH, 200, &rows.to_string());
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let page = host.toggl().reconcile(&selection, None).unwrap();
    let found: Vec<_> = (page.changes.activities.iter())
        .map(|one| (one.id.as_str(), one.content.is_some(), one.deleted))
        .collect();
    assert_eq!(
        found,
        [("1", true, false), ("2", false, false), ("3", false, false)],
        "what is listed seems to be missing, and is marked as deleted"
    );
    assert_eq!(page.unread, 6, "the gap seems closed");
    let notes = page.notes.join(" ");
    for part in [
        "3 of 7 rows",
        "3 time entries",
        "of 1 Toggl does not say whose",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

#[test]
fn a_page_of_which_nothing_can_be_read_is_an_error() {
    let host = FakeHost::connected();
    host.on(Post, SEARCH, 200, r#"[{"user_id": 3}, 7]"#);
    let selection = range("2026-02-10T00:00:00Z", "2026-02-11T00:00:00Z");
    let result = host.toggl().reconcile(&selection, None);
    assert!(matches!(result, Err(Error::Upstream { .. })), "{result:?}");
}

#[test]
fn what_cannot_be_read_is_not_missing_when_it_is_looked_for() {
    let host = FakeHost::connected();
    let mut nameless = row(2, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
    nameless["user_id"] = Value::Null;
    host.on(Post, SEARCH, 200, &json!([nameless]).to_string());
    let result = host.toggl().reconcile(&sought(&["2"], "3"), None).unwrap();
    assert_eq!((result.missing.len(), result.unread), (0, 1));
}

#[test]
fn a_change_that_does_not_move_the_time_of_change_counts_when_it_is_asked_for() {
    let held = "2026-02-10T11:30:00Z/2026-02-10T11:30:01.200000000Z/00008023169274704072";
    let ask = |outdated: Option<&str>| {
        let host = FakeHost::connected();
        let renamed = row(1, "2026-02-10T09:00:00Z", "2026-02-10T10:00:00Z");
        host.on(Post, SEARCH, 200, &json!([renamed]).to_string());
        let selection = Selection::Activities(vec![SoughtActivity {
            id: "1".into(),
            remote_user_id: None,
            start: None,
            outdated: outdated.map(str::to_owned),
        }]);
        let result = host.toggl().reconcile(&selection, None).unwrap();
        result.changes.activities[0].revision.clone()
    };
    assert!(
        ask(None).as_str() < held,
        "an event that came late would be undone"
    );
    assert!(
        ask(Some(held)).as_str() > held,
        "a renamed tag is never seen"
    );
    let newer = held.replace("11:30:00Z/", "11:31:00Z/");
    assert!(
        ask(Some(&newer)) < newer,
        "a late list would undo what is newer"
    );
}
