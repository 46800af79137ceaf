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
        refresh.subjects,
        "a ledger that missed a name would never have it"
    );
    assert!(host.requests.borrow().len() > requests);
}

#[test]
fn a_rename_that_does_not_move_the_time_of_change_is_seen_within_a_day() {
    let host = FakeHost::connected();
    let project = |name: &str, client: u64| {
        json!([{"id": 7, "name": name, "client_id": client, "at": "2026-01-01T00:00:00Z"}])
            .to_string()
    };
    host.on(Get, CLIENTS, 200, "[]");
    host.on(Get, TASKS, 200, NO_TASKS);
    let mut revisions = Vec::new();
    for (name, client) in [("Old", 1), ("New", 1), ("New", 2), ("Old", 2)] {
        host.reset(Get, PROJECTS);
        host.on(Get, PROJECTS, 200, &project(name, client));
        let refresh = host.toggl().refresh_names().unwrap();
        let subject = refresh
            .subjects
            .iter()
            .find(|subject| subject.id == "project/7")
            .expect("the project is not told of");
        assert_eq!(subject.name.as_deref(), Some(name));
        assert_eq!(subject.parent, Some(format!("client/{client}")));
        revisions.push(subject.revision.clone());
        host.now.set(host.now.get().after(25 * 3600));
    }
    assert!(
        revisions.windows(2).all(|pair| pair[0] < pair[1]),
        "the ledger keeps an older name: {revisions:?}"
    );
}

#[test]
fn what_a_clock_noted_that_was_ahead_puts_nothing_off() {
    let host = filled();
    let ahead = host.now.get().after(30 * 24 * 3600).seconds();
    host.set_state(
        "missing/project/42",
        json!({"project": null, "asked": 1, "again_at_seconds": ahead}),
    );
    host.on(
        Get,
        "/projects/42",
        200,
        r#"{"id":42,"name":"Found","at":"2026-01-01T00:00:00Z"}"#,
    );
    let named = |host: &FakeHost| host.toggl().refresh_names().unwrap().subjects;
    assert_eq!(
        named(&host).len(),
        1,
        "a title is without its project until the time has come that the clock told"
    );
    host.set_state(
        "names/progress",
        json!({"stage": "complete", "page": 1, "completed_at_seconds": ahead}),
    );
    host.on(Get, CLIENTS, 200, "[]");
    host.on(
        Get,
        PROJECTS,
        200,
        r#"[{"id":7,"name":"Renamed","at":"2026-01-01T00:00:00Z"}]"#,
    );
    host.on(Get, TASKS, 200, NO_TASKS);
    assert!(
        named(&host).iter().any(|subject| subject.id == "project/7"),
        "names are not read each day until then"
    );
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
    host.set_state("missing/task/9", json!({"project": 42}));
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
fn what_toggl_does_not_give_is_asked_for_ever_more_rarely() {
    let host = filled();
    host.set_state("missing/project/42", json!({"project": null}));
    host.on(Get, "/projects/42", 403, "");
    let mut asked = 0;
    for wait in [10, 60, 600, 3600, 6 * 3600, 6 * 3600] {
        let again = host.toggl().refresh_names().unwrap().again_in_seconds;
        assert_eq!(again, None);
        asked += 1;
        assert_eq!(host.requests.borrow().len(), asked);
        let worth_asking = host.now.get().after(wait);
        assert_eq!(
            host.expiries.borrow()["missing/project/42"],
            worth_asking.after(24 * 3600)
        );
        host.now.set(host.now.get().after(wait - 1));
        host.toggl().refresh_names().unwrap();
        assert_eq!(host.requests.borrow().len(), asked, "after {wait} s");
        host.now.set(worth_asking);
    }
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
    assert_eq!(host.state("missing/project/7")["asked"], 1);
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

#[test]
fn null_and_nothing_are_an_empty_list() {
    for nothing in ["null", "", " \n", r#"{"data":null}"#, "[]"] {
        let host = FakeHost::connected();
        host.on(
            Get,
            CLIENTS,
            200,
            if nothing.starts_with('{') {
                ""
            } else {
                nothing
            },
        );
        host.on(Get, PROJECTS, 200, include_str!("fixtures/projects.json"));
        host.on(Get, TASKS, 200, nothing);
        let refresh = host.toggl().refresh_names().unwrap();
        assert_eq!(
            (
                refresh.subjects.len(),
                refresh.again_in_seconds,
                refresh.notes.len()
            ),
            (1, None, 0),
            "{nothing:?}: names are asked for again for ever"
        );
    }
}

#[test]
fn a_list_that_cannot_be_read_keeps_no_other_name_from_being_found() {
    let host = FakeHost::connected();
    host.set_state("missing/project/42", json!({"project": null}));
    host.on(Get, CLIENTS, 200, r#"{"clients": 7}"#);
    host.on(Get, PROJECTS, 200, include_str!("fixtures/projects.json"));
    host.on(Get, TASKS, 200, NO_TASKS);
    host.on(
        Get,
        "/projects/42",
        200,
        r#"{"id":42,"name":"Late","at":"2026-01-01T00:00:00Z"}"#,
    );
    let first = host.toggl().refresh_names().unwrap();
    let ids: Vec<_> = first.subjects.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["project/63334144", "project/42"]);
    assert!(
        first.notes[0].contains("names of clients could not be read"),
        "{:?}",
        first.notes
    );
    let mut waits = vec![first.again_in_seconds.unwrap()];

    // A delivery does not make it be asked for again before its time, and it is not asked for ever more often.
    let requests = host.requests.borrow().len();
    host.toggl().refresh_names().unwrap();
    assert_eq!(host.requests.borrow().len(), requests);
    for _ in 0..12 {
        host.now
            .set(host.now.get().after(i64::from(*waits.last().unwrap())));
        let again = host.toggl().refresh_names().unwrap();
        assert!(
            again.notes.is_empty(),
            "it is said again and again: {:?}",
            again.notes
        );
        waits.push(again.again_in_seconds.unwrap());
    }
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
    assert_eq!((waits[0], *waits.last().unwrap()), (60, 6 * 3600));

    host.reset(Get, CLIENTS);
    host.on(Get, CLIENTS, 200, include_str!("fixtures/clients.json"));
    host.now.set(host.now.get().after(6 * 3600));
    let healed = host.toggl().refresh_names().unwrap();
    assert!(
        healed
            .subjects
            .iter()
            .any(|one| one.id == "client/64890399")
    );
    assert_eq!(healed.again_in_seconds, None);
}

#[test]
fn a_name_that_cannot_be_read_keeps_no_other_from_being_looked_up() {
    let host = filled();
    host.set_state("missing/task/9", json!({"project": 42}));
    host.set_state("missing/project/41", json!({"project": null}));
    host.set_state("missing/project/42", json!({"project": null}));
    host.on(Get, "/projects/42/tasks/9", 200, "null");
    host.on(Get, "/projects/41", 200, "<html>");
    host.on(
        Get,
        "/projects/42",
        200,
        r#"{"id":42,"name":"Late","at":"2026-01-01T00:00:00Z"}"#,
    );
    let refresh = host.toggl().refresh_names().unwrap();
    let ids: Vec<_> = refresh.subjects.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["project/42"]);
    assert_eq!(refresh.again_in_seconds, Some(60));
}

#[test]
fn a_name_that_cannot_be_read_keeps_none_waiting_that_is_missing_later() {
    let host = filled();
    let named = |id: u64| {
        let project = json!({"id": id, "name": "Fine", "at": "2026-01-01T00:00:00Z"});
        host.set_state(&format!("missing/project/{id}"), json!({"project": null}));
        host.on(Get, &format!("/projects/{id}"), 200, &project.to_string());
    };
    host.set_state("missing/project/41", json!({"project": null}));
    host.on(Get, "/projects/41", 500, "");
    let mut waits = Vec::new();
    for id in 50..58 {
        named(id);
        let refresh = host.toggl().refresh_names().unwrap();
        let ids: Vec<_> = refresh.subjects.iter().map(|one| one.id.clone()).collect();
        assert_eq!(
            ids,
            [format!("project/{id}")],
            "it waits for what cannot be read"
        );
        assert_eq!(refresh.notes.len(), usize::from(waits.is_empty()));
        let wait = refresh.again_in_seconds.unwrap();
        waits.push(wait);
        // What is new comes at once, and does not make the other be asked for before its time.
        named(id + 100);
        let requests = host.requests.borrow().len();
        let refresh = host.toggl().refresh_names().unwrap();
        assert_eq!(
            refresh.subjects.len(),
            1,
            "it waits for what cannot be read"
        );
        assert_eq!(host.requests.borrow().len(), requests + 1);
        host.now.set(host.now.get().after(wait.into()));
    }
    assert_eq!((waits[0], waits[7]), (60, 6 * 3600), "{waits:?}");
}

#[test]
fn an_odd_row_is_left_out_of_a_list_and_said() {
    let host = FakeHost::connected();
    host.on(Get, CLIENTS, 200, "[]");
    host.on(
        Get,
        PROJECTS,
        200,
        r#"[{"name":"No id","at":"2026-01-01T00:00:00Z"},{"id":7,"name":"Fine","at":"2026-01-01T00:00:00Z"}]"#,
    );
    host.on(Get, TASKS, 200, NO_TASKS);
    let refresh = host.toggl().refresh_names().unwrap();
    assert_eq!(refresh.subjects.len(), 1);
    assert!(
        refresh.notes[0].starts_with("1 of 2 projects"),
        "{:?}",
        refresh.notes
    );
}
