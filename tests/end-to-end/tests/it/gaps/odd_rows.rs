//! Lists in which something cannot be read.

use end_to_end::NORTHWIND;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use toggl_sandbox::control::{CreateName, NameKind, SetMember, StartTimer};
use toggl_sandbox::{CallFault, DeliveryFault};

use super::support::{Connected, JONAS, forgetful};

const SEARCH: &str = "/reports/*/search/time_entries";

fn answer(path: &str, count: u32, body: &Value) -> CallFault {
    CallFault {
        count,
        path: Some(path.into()),
        status: Some(200),
        body: Some(body.to_string()),
        ..CallFault::default()
    }
}

#[tokio::test]
async fn an_odd_row_costs_no_other_and_a_gap_stays_open_until_it_was_asked_for_once_more() {
    let mut connected = Connected::start(
        forgetful(),
        "outage_ms = 1\nstart_delay_ms = 50\nupkeep_ms = 3000\nretry_ms = 300",
    )
    .await;
    let toggl = connected.setup.toggl().clone();
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();
    toggl.fail_deliveries(DeliveryFault::Drop { count: 1_000 });
    let now = Timestamp::now();
    let row = |id: u64, person: Value| {
        json!({
            "user_id": person, "username": "x", "project_id": null, "task_id": null, "billable": false,
            "description": "Read", "tag_ids": [], "tag_names": [],
            "time_entries": [{"id": id, "seconds": 0, "start": now, "stop": now, "at": now}],
        })
    };
    let rows = json!([row(71, json!(JONAS)), row(72, Value::Null), {"user_id": JONAS}]);
    toggl.fail_calls(answer(SEARCH, u32::MAX, &rows));
    connected.setup.restart().await.unwrap();

    connected.until_logged("not-taken-whole", 1).await;
    assert!(connected.has(71).await, "one odd row costs all others");
    connected.until_logged("gap-reconciled", 1).await;
    let log = connected.log().await;
    let message = |kind: &str| {
        let mut found = log.iter().filter(|event| event["kind"] == kind);
        let messages: Vec<_> = found
            .by_ref()
            .map(|one| one["message"].to_string())
            .collect();
        messages.join(" ")
    };
    let first = message("not-taken-whole");
    assert!(first.contains("the gap stays open for now"), "{first}");
    let read = message("gap-reconciled");
    assert!(
        read.contains("2 that were listed could not be read"),
        "{read}"
    );
    let connection = connected.connection().await;
    assert_eq!(connection["gap"], Value::Null, "it is read for ever");
    let connection = connected.connection().await;
    assert_eq!(connection["status"], "active", "{connection}");
}

/// As if the host and its connection had been away for twenty days.
const LONG_AGO: &str = "UPDATE heartbeat SET at = at - 1728000000;
    UPDATE connections SET created_at = created_at - 1728000000, connected_at = connected_at - 1728000000,
        covered_until = covered_until - 1728000000;";

#[tokio::test]
async fn what_cannot_be_read_at_the_beginning_of_a_long_gap_is_asked_for_once_more() {
    let mut connected = Connected::start(
        forgetful(),
        "outage_ms = 1\nstart_delay_ms = 50\nupkeep_ms = 3000\nretry_ms = 300",
    )
    .await;
    let toggl = connected.setup.toggl().clone();
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();
    let path = connected.setup.options.data.join("host.sqlite");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch(LONG_AGO).unwrap();
    drop(database);
    let now = Timestamp::now() - SignedDuration::from_hours(19 * 24);
    let nameless = json!([{
        "user_id": null, "billable": false, "tag_names": [],
        "time_entries": [{"id": 72, "seconds": 0, "start": now, "stop": now, "at": now}],
    }]);
    toggl.fail_calls(answer(SEARCH, 1, &nameless));
    toggl.clear_requests();
    connected.setup.restart().await.unwrap();

    connected.until_logged("not-taken-whole", 1).await;
    connected.until_logged("gap-reconciled", 1).await;
    let parts: Vec<String> = (toggl.requests().into_iter())
        .filter(|request| request.path.ends_with("/search/time_entries"))
        .map(|request| serde_json::from_str::<Value>(&request.body).unwrap())
        .filter(|search| search["order_by"] == "date" && search["time_entry_ids"].is_null())
        .map(|search| search["start_date"].as_str().unwrap().to_owned())
        .collect();
    let first = parts.iter().filter(|start| *start == &parts[0]).count();
    assert_eq!(first, 2, "it is said to be asked for once more: {parts:?}");
    assert!(parts.len() >= 6, "the whole gap is read: {parts:?}");
    let connection = connected.connection().await;
    assert_eq!(connection["gap"], Value::Null, "it is read for ever");
}

#[tokio::test]
async fn a_gap_that_cannot_be_read_keeps_nobody_from_looking_after_the_team() {
    let mut connected = Connected::start(
        forgetful(),
        "outage_ms = 1\nstart_delay_ms = 50\nupkeep_ms = 3000\nretry_ms = 300",
    )
    .await;
    let toggl = connected.setup.toggl().clone();
    connected.setup.settle().await.unwrap();
    connected.setup.host.kill().await.unwrap();
    let odd = json!([{ "user_id": JONAS }]);
    toggl.fail_calls(answer(SEARCH, u32::MAX, &odd));
    toggl.fail_calls(answer("/api/v9/workspaces/*/users", u32::MAX, &odd));
    connected.setup.restart().await.unwrap();
    connected.until_logged("team-failed", 1).await;
    let log = connected.log().await;
    assert!(
        log.iter().all(|event| event["kind"] != "gap-reconciled"),
        "this shows nothing: {log:#?}"
    );
}

#[tokio::test]
async fn a_member_without_an_id_keeps_no_other_from_being_imported() {
    let connected = Connected::start(forgetful(), "").await;
    let toggl = connected.setup.toggl();
    toggl
        .set_member(SetMember {
            workspace_id: NORTHWIND,
            user_id: JONAS,
            inactive: Some(true),
            ..SetMember::default()
        })
        .unwrap();
    let members = json!([
        {"fullname": "Nobody"},
        {"id": JONAS, "fullname": "Jonas", "email": "jonas@elsewhere.example", "inactive": true},
    ]);
    toggl.fail_calls(answer("/api/v9/workspaces/*/users", 1, &members));
    let path = format!("/connections/{}/users/refresh", connected.id);
    let (status, users) = connected
        .setup
        .host
        .call(reqwest::Method::POST, &path, json!({}))
        .await
        .unwrap();
    assert_eq!(status, 200, "{users}");
    let log = connected.log().await;
    assert!(
        log.iter().any(|event| event["message"]
            .as_str()
            .unwrap()
            .starts_with("1 of 2 members")),
        "nobody is told: {log:#?}"
    );
}

#[tokio::test]
async fn a_list_of_tasks_that_is_null_or_cannot_be_read_keeps_no_project_nameless() {
    for body in ["null", "", "<html>"] {
        let mut fault = answer("/api/v9/workspaces/*/tasks*", u32::MAX, &Value::Null);
        fault.body = Some(body.into());
        let connected = Connected::start(forgetful(), "retry_ms = 300").await;
        let toggl = connected.setup.toggl();
        toggl.fail_calls(fault);
        let project = toggl
            .create_name(CreateName {
                kind: NameKind::Project,
                workspace_id: NORTHWIND,
                name: "Made just now".into(),
                client_id: None,
                project_id: None,
                private: false,
            })
            .unwrap();
        let entry = toggl
            .start_timer(StartTimer {
                workspace_id: NORTHWIND,
                user_id: JONAS,
                project_id: Some(project),
                ..StartTimer::default()
            })
            .unwrap()
            .id;
        connected
            .until(
                &format!("{body:?}: the project stays nameless"),
                async || {
                    let activity = connected.setup.activity(entry).await.unwrap();
                    activity["title"] == json!(["Made just now"])
                },
            )
            .await;
    }
}
