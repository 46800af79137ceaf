//! Every answer has the fields and types of Toggl's documentation and recordings, and no others.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Receiver, STUDIO, SUPPLIERS, Toggl, assert_shape, fixture};

fn assert_rows(model: &str, recording: Option<&str>, rows: &Value) {
    let rows = rows
        .as_array()
        .unwrap_or_else(|| panic!("a list of {model}, not {rows}"));
    assert!(!rows.is_empty(), "an empty list of {model} proves nothing");
    rows.iter()
        .for_each(|row| assert_shape(model, recording, row));
}

#[tokio::test]
async fn the_account_looks_like_toggls() {
    let toggl = Toggl::start().await;
    let me = toggl.get("/api/v9/me").await;
    assert_shape("related.UserWithRelated", Some("api-me.real.json"), &me);
    assert_eq!(
        me["api_token"], toggl.token,
        "the real answer carries the token in clear"
    );
    let related = toggl.get("/api/v9/me?with_related_data=true").await;
    assert_shape(
        "related.UserWithRelated",
        Some("api-me.real.json"),
        &related,
    );
    assert_rows(
        "workspace.WithActiveProjectCount",
        Some("api-me-related-workspaces.real.json"),
        &related["workspaces"],
    );
    assert_rows(
        "models.Client",
        Some("api-me-related-clients-one.real.json"),
        &related["clients"],
    );
    assert_rows(
        "models.TimeEntry",
        None,
        &Value::Array(
            related["time_entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(without_deletion)
                .collect(),
        ),
    );
    let workspaces = toggl.get("/api/v9/me/workspaces").await;
    assert_rows(
        "workspace.WithActiveProjectCount",
        Some("api-me-related-workspaces.real.json"),
        &workspaces,
    );
    assert_eq!(workspaces.as_array().unwrap().len(), 4);
    assert_rows(
        "models.MeOrganization",
        Some("api-me-organizations.real.json"),
        &toggl.get("/api/v9/me/organizations").await,
    );
    assert_rows(
        "me.GetQuotaResult",
        None,
        &toggl.get("/api/v9/me/quota").await,
    );
    assert!(toggl.get("/api/v9/me/id").await.is_number());
    let one = toggl.get(&format!("/api/v9/workspaces/{STUDIO}")).await;
    assert_shape(
        "models.Workspace",
        Some("api-me-related-workspaces.real.json"),
        &one,
    );
}

#[tokio::test]
async fn people_and_names_look_like_toggls() {
    let toggl = Toggl::start().await;
    let base = format!("/api/v9/workspaces/{STUDIO}");
    assert_rows(
        "models.SimpleWorkspaceUser",
        None,
        &toggl.get(&format!("{base}/users")).await,
    );
    assert_rows(
        "models.SimpleWorkspaceUser",
        None,
        &toggl
            .post(
                &format!("{base}/users/data"),
                json!({ "user_ids": [9_500_002] }),
            )
            .await,
    );
    assert_rows(
        "models.WorkspaceUser",
        None,
        &toggl.get(&format!("{base}/workspace_users")).await,
    );
    let organization = toggl.get("/api/v9/organizations/2108001/users").await;
    assert_rows("models.OrgUser", None, &organization);
    assert_rows(
        "models.OrgUserWorkspace",
        None,
        &organization[0]["workspaces"],
    );
    let projects = toggl.get(&format!("{base}/projects")).await;
    let with_client: Vec<&Value> = projects
        .as_array()
        .unwrap()
        .iter()
        .filter(|project| !project["client_id"].is_null())
        .collect();
    assert_rows(
        "models.Project",
        Some("api-me-related-projects-one.real.json"),
        &json!(with_client),
    );
    assert_rows(
        "models.Client",
        Some("api-me-related-clients-one.real.json"),
        &toggl.get(&format!("{base}/clients")).await,
    );
    assert_rows(
        "models.Tag",
        None,
        &toggl.get(&format!("{base}/tags")).await,
    );
    let tasks = toggl.get(&format!("{base}/tasks?per_page=3")).await;
    assert_shape("task.Response", None, &tasks);
    assert_eq!(
        (
            tasks["data"].as_array().unwrap().len(),
            &tasks["total_count"]
        ),
        (3, &json!(14))
    );
    assert_rows("models.Task", None, &tasks["data"]);
    let task = &tasks["data"][0];
    let path = format!("{base}/projects/{}/tasks", task["project_id"]);
    assert_rows("models.Task", None, &toggl.get(&path).await);
    assert_eq!(&toggl.get(&format!("{path}/{}", task["id"])).await, task);
}

#[tokio::test]
async fn names_can_be_created_and_changed_through_the_api() {
    let toggl = Toggl::start().await;
    let base = format!("/api/v9/workspaces/{STUDIO}");
    let client = toggl
        .post(&format!("{base}/clients"), json!({ "name": "Lighthouse" }))
        .await;
    let project = toggl
        .post(
            &format!("{base}/projects"),
            json!({ "name": "Signage", "client_id": client["id"] }),
        )
        .await;
    assert_eq!(project["client_name"], "Lighthouse");
    let task = toggl
        .post(
            &format!("{base}/projects/{}/tasks", project["id"]),
            json!({ "name": "Drafts" }),
        )
        .await;
    let tag = toggl
        .post(&format!("{base}/tags"), json!({ "name": "night" }))
        .await;
    for path in [
        format!("clients/{}", client["id"]),
        format!("projects/{}", project["id"]),
        format!("projects/{}/tasks/{}", project["id"], task["id"]),
        format!("tags/{}", tag[0]["id"]),
    ] {
        let response = toggl
            .send(
                Method::PUT,
                &format!("{base}/{path}"),
                &json!({ "name": "Renamed" }),
            )
            .await;
        assert_eq!(response.status(), 200, "PUT {path}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer.get(0).unwrap_or(&answer)["name"], "Renamed");
    }
    let (status, text) = toggl
        .refused(
            Method::POST,
            &format!("{base}/clients"),
            json!({ "name": "" }),
        )
        .await;
    assert_eq!(
        (status, text.as_str()),
        (400, "\"Client name cannot be empty\"")
    );
    let (status, text) = toggl
        .refused(
            Method::POST,
            &format!("{base}/tags"),
            json!({ "name": "Renamed" }),
        )
        .await;
    assert_eq!(
        (status, text.as_str()),
        (400, "\"a tag with the name 'Renamed' already exists\"")
    );
}

#[tokio::test]
async fn lists_of_projects_can_be_narrowed_and_paged() {
    let toggl = Toggl::start().await;
    let base = format!("/api/v9/workspaces/{STUDIO}/projects");
    let all = toggl.get(&format!("{base}?active=both")).await;
    assert_eq!(all.as_array().unwrap().len(), 7);
    assert_eq!(
        toggl.get(&base).await.as_array().unwrap().len(),
        6,
        "archived projects are left out by default"
    );
    assert_eq!(
        toggl
            .get(&format!("{base}?active=both&per_page=3&page=3"))
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let id = &all[0]["id"];
    assert_eq!(
        toggl
            .get(&format!("{base}?active=both&project_ids={id}"))
            .await,
        json!([all[0]])
    );
    assert_eq!(
        toggl.get(&format!("{base}?since=4000000000")).await,
        json!([])
    );
    let foreign = toggl
        .refused(
            Method::GET,
            &format!("/api/v9/workspaces/{SUPPLIERS}/projects/{id}"),
            json!({}),
        )
        .await;
    assert_eq!(foreign.0, 404);
}

#[tokio::test]
async fn time_entries_look_like_the_recordings() {
    let toggl = Toggl::start().await;
    let project = toggl
        .get(&format!("/api/v9/workspaces/{STUDIO}/projects"))
        .await[0]["id"]
        .clone();
    let path = format!("/api/v9/workspaces/{STUDIO}/time_entries");
    let body = json!({ "created_with": "tests", "start": "2026-11-02T09:00:00Z", "duration": -1, "description": "Kick-off",
                       "project_id": project, "tags": ["design", "new one"], "workspace_id": STUDIO });
    let created = toggl.post(&path, body).await;
    let current = toggl.get("/api/v9/me/time_entries/current").await;
    assert_shape(
        "models.TimeEntry",
        Some("api-time-entry-current-running.real.json"),
        &current,
    );
    assert_eq!(
        (&current["start"], &created["start"]),
        (
            &json!("2026-11-02T09:00:00+00:00"),
            &json!("2026-11-02T09:00:00Z")
        )
    );
    assert_eq!(
        created["tags"],
        json!(["design", "new one"]),
        "unknown tags are created"
    );
    let stop = toggl
        .send(
            Method::PATCH,
            &format!("{path}/{}/stop", created["id"]),
            &json!({}),
        )
        .await;
    let stopped: Value = stop.json().await.unwrap();
    assert_shape(
        "models.TimeEntry",
        Some("api-time-entry-stop-response.real.json"),
        &stopped,
    );
    assert!(
        stopped["at"].as_str().unwrap().contains('.'),
        "REST's `at` carries a fraction"
    );
    let bulk = toggl
        .send(
            Method::PATCH,
            &format!("{path}/{},1", created["id"]),
            &json!([{ "op": "replace", "path": "/description", "value": "Bulk" }]),
        )
        .await;
    let bulk: Value = bulk.json().await.unwrap();
    assert_shape("timeentry.PatchOutput", None, &bulk);
    assert_rows("timeentry.PatchFailure", None, &bulk["failure"]);
    assert_eq!(bulk["success"], json!([created["id"]]));
}

#[tokio::test]
async fn webhook_answers_look_like_toggls() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    let subscription = toggl.subscribe(STUDIO, receiver.url()).await;
    assert_shape("models.WebhookSubscription", None, &subscription);
    assert_rows(
        "models.WebhookSubscriptionEventFilter",
        None,
        &subscription["event_filters"],
    );
    assert_rows(
        "models.WebhookSubscription",
        None,
        &toggl
            .get(&format!("/webhooks/api/v1/subscriptions/{STUDIO}"))
            .await,
    );
    let open = async |path: &str| {
        let response = toggl
            .bare(Method::GET, &format!("/webhooks/api/v1/{path}"))
            .send()
            .await
            .unwrap();
        response.json::<Value>().await.unwrap()
    };
    let limits = open(&format!("limits/{STUDIO}")).await;
    assert_shape("limits.WorkspaceLimits", None, &limits);
    assert_eq!(
        limits,
        json!({ "max_webhooks": 3, "max_events_per_webhook": 12 })
    );
    assert_shape("status.Response", None, &open("status").await);
    assert_eq!(
        open("event_filters").await["time_entry"],
        json!(["created", "updated", "deleted"]),
        "an object, not a list"
    );
    let ping = toggl
        .post(
            &format!(
                "/webhooks/api/v1/ping/{STUDIO}/{}",
                subscription["subscription_id"]
            ),
            json!({}),
        )
        .await;
    assert_shape("ping.Response", None, &ping);
}

#[tokio::test]
async fn deliveries_and_pings_are_shaped_like_the_recordings() {
    let toggl = Toggl::start().await;
    let receiver = Receiver::start().await;
    toggl.subscribe(STUDIO, receiver.url()).await;
    let timer = toggl_sandbox::control::StartTimer {
        workspace_id: STUDIO,
        user_id: 9_500_004,
        ..Default::default()
    };
    toggl.sandbox.control().start_timer(timer).unwrap();
    assert!(
        toggl
            .sandbox
            .control()
            .flush(Default::default())
            .await
            .settled
    );
    for (name, got) in [
        (
            "webhook-ping-with-validation.real.json",
            &receiver.pings()[0],
        ),
        (
            "webhook-time_entry-created-running.real.json",
            &receiver.events()[0],
        ),
    ] {
        let recorded: Value = serde_json::from_slice(&fixture(name)).unwrap();
        assert_same_form(name, &recorded, got);
    }
    let raw = receiver.received().last().unwrap().1.clone();
    let keys = [
        "event_id",
        "created_at",
        "creator_id",
        "metadata",
        "payload",
        "subscription_id",
        "timestamp",
        "url_callback",
    ];
    let places: Vec<usize> = keys
        .iter()
        .map(|key| {
            std::str::from_utf8(&raw)
                .unwrap()
                .find(&format!("\"{key}\":"))
                .unwrap()
        })
        .collect();
    assert!(
        places.is_sorted(),
        "the envelope's fields keep the recorded order"
    );
}

/// Same keys, same types, times written alike.
fn assert_same_form(place: &str, recorded: &Value, got: &Value) {
    match (recorded, got) {
        (Value::Object(recorded), Value::Object(got)) => {
            let (left, right): (BTreeSet<&String>, BTreeSet<&String>) =
                (recorded.keys().collect(), got.keys().collect());
            assert_eq!(left, right, "{place} has other fields than the recording");
            recorded.iter().for_each(|(key, value)| {
                assert_same_form(&format!("{place}.{key}"), value, &got[key])
            });
        }
        (Value::String(recorded), Value::String(got)) if recorded.starts_with("20") => {
            let form = |text: &str| {
                text.chars()
                    .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
                    .collect::<String>()
            };
            assert_eq!(form(recorded), form(got), "{place} is written differently");
        }
        (recorded, got) => {
            let same =
                std::mem::discriminant(recorded) == std::mem::discriminant(got) || got.is_null();
            assert!(same, "{place} is {got}, the recording has {recorded}");
        }
    }
}

/// `server_deleted_at` is in the recordings but not in the OpenAPI model.
fn without_deletion(entry: &Value) -> Value {
    let mut entry = entry.clone();
    entry.as_object_mut().unwrap().remove("server_deleted_at");
    entry
}
