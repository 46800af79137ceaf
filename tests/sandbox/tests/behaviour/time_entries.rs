//! Starting, stopping, editing and deleting time.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{JONAS, Receiver, STUDIO, SUPPLIERS, Toggl};

fn path(workspace: i64) -> String {
    format!("/api/v9/workspaces/{workspace}/time_entries")
}

fn running(start: &str) -> Value {
    json!({ "created_with": "tests", "start": start, "duration": -1, "workspace_id": STUDIO })
}

#[tokio::test]
async fn a_new_timer_stops_the_old_one_where_it_starts() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let first = toggl
        .post(&path(STUDIO), running("2026-11-02T09:00:00Z"))
        .await;
    let second = toggl
        .post(&path(STUDIO), running("2026-11-02T10:30:00+01:00"))
        .await;
    assert!(
        toggl
            .sandbox
            .control()
            .flush(Default::default())
            .await
            .settled
    );
    let events = receiver.events();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["metadata"]["action"].clone(),
                event["payload"]["id"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("created"), first["id"].clone()),
            (json!("updated"), first["id"].clone()),
            (json!("created"), second["id"].clone())
        ]
    );
    assert_eq!(events[1]["payload"]["stop"], "2026-11-02T09:30:00Z");
    assert_eq!(events[1]["payload"]["duration"], 1800);
    assert_eq!(
        events[0]["metadata"]["request_body"],
        running("2026-11-02T09:00:00Z").to_string()
    );
    assert_eq!(
        toggl.get("/api/v9/me/time_entries/current").await["id"],
        second["id"]
    );
}

#[tokio::test]
async fn an_entry_without_duration_and_stop_ends_where_it_starts() {
    let toggl = Toggl::start().await;
    let created = toggl
        .post(
            &path(STUDIO),
            json!({ "created_with": "tests", "start": "2026-11-02T09:00:00Z" }),
        )
        .await;
    assert_eq!(
        (&created["duration"], &created["stop"]),
        (&json!(0), &Value::Null),
        "as recorded: no stop, yet not running"
    );
    let read = toggl
        .get(&format!("/api/v9/me/time_entries/{}", created["id"]))
        .await;
    assert_eq!(read["stop"], read["start"]);
    assert_eq!(
        toggl.get("/api/v9/me/time_entries/current").await,
        Value::Null
    );
}

#[tokio::test]
async fn edits_keep_start_stop_and_duration_in_agreement() {
    let toggl = Toggl::start().await;
    let created = toggl.post(&path(STUDIO), json!({ "created_with": "t", "start": "2026-11-02T09:00:00Z", "duration": 600, "tags": ["design"] })).await;
    assert_eq!(created["stop"], "2026-11-02T09:10:00Z");
    let one = format!("{}/{}", path(STUDIO), created["id"]);
    let put = async |body: Value| {
        toggl
            .send(Method::PUT, &one, &body)
            .await
            .json::<Value>()
            .await
            .unwrap()
    };
    assert_eq!(
        put(json!({ "stop": "2026-11-02T09:20:00Z" })).await["duration"],
        1200
    );
    assert_eq!(
        put(json!({ "duration": 60 })).await["stop"],
        "2026-11-02T09:01:00Z"
    );
    assert_eq!(
        put(json!({ "start": "2026-11-02T08:59:00Z" })).await["duration"],
        120
    );
    assert_eq!(
        put(json!({ "tags": ["review"], "tag_action": "add" })).await["tags"],
        json!(["design", "review"])
    );
    assert_eq!(
        put(json!({ "tags": ["design"], "tag_action": "delete" })).await["tags"],
        json!(["review"])
    );
    let project = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/projects"))
        .await[0]["id"]
        .clone();
    assert_eq!(put(json!({ "pid": project })).await["project_id"], project);
    assert_eq!(
        put(json!({ "project_id": null })).await["project_id"],
        Value::Null
    );
    assert_eq!(
        put(json!({ "duration": -1 })).await["stop"],
        Value::Null,
        "a negative duration sets it running again"
    );
    let (status, _) = toggl
        .refused(Method::PUT, &one, json!({ "stop": "2026-11-01T00:00:00Z" }))
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn refusals_are_toggls() {
    let toggl = Toggl::start().await;
    let (status, _) = toggl
        .refused(
            Method::POST,
            &path(STUDIO),
            json!({ "start": "2026-11-02T09:00:00Z" }),
        )
        .await;
    assert_eq!(status, 400, "created_with is required");
    let created = toggl
        .post(&path(STUDIO), running("2026-11-02T09:00:00Z"))
        .await;
    let one = format!("{}/{}", path(STUDIO), created["id"]);
    assert_eq!(
        toggl
            .send(Method::PATCH, &format!("{one}/stop"), &json!({}))
            .await
            .status(),
        200
    );
    let (status, text) = toggl
        .refused(Method::PATCH, &format!("{one}/stop"), json!({}))
        .await;
    assert_eq!(
        (status, text.as_str()),
        (409, "\"Time entry already stopped\"")
    );
    assert_eq!(
        toggl.send(Method::DELETE, &one, &json!({})).await.status(),
        200
    );
    let (status, text) = toggl
        .refused(Method::PATCH, &format!("{one}/stop"), json!({}))
        .await;
    assert_eq!((status, text.as_str()), (404, "\"Time entry not found\""));
    let mut foreign = running("2026-11-02T09:00:00Z");
    foreign["user_id"] = json!(JONAS);
    assert_eq!(
        toggl
            .refused(Method::POST, &path(SUPPLIERS), foreign.clone())
            .await
            .0,
        403,
        "only administrators log for others"
    );
    assert_eq!(toggl.post(&path(STUDIO), foreign).await["user_id"], JONAS);
    let (status, text) = toggl
        .refused(
            Method::GET,
            "/api/v9/me/time_entries?since=1&before=2026-11-02",
            json!({}),
        )
        .await;
    assert_eq!(
        (status, text.as_str()),
        (
            400,
            "\"'since' and 'before' can not be present simultaneously\""
        )
    );
}

#[tokio::test]
async fn only_since_shows_deleted_entries() {
    let toggl = Toggl::start().await;
    let created = toggl
        .post(&path(STUDIO), running("2026-11-02T09:00:00Z"))
        .await;
    toggl
        .send(
            Method::DELETE,
            &format!("{}/{}", path(STUDIO), created["id"]),
            &json!({}),
        )
        .await;
    let ids = |rows: &Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].clone())
            .collect::<Vec<_>>()
    };
    let changed = toggl.get("/api/v9/me/time_entries?since=1").await;
    assert!(ids(&changed).contains(&created["id"]));
    assert!(!ids(&toggl.get("/api/v9/me/time_entries").await).contains(&created["id"]));
    let deleted = changed
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["id"] == created["id"])
        .unwrap();
    assert!(deleted["server_deleted_at"].is_string());
}
