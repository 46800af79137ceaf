//! From an API token to a live timeline, as a person goes: test, connect, review users, see time arrive.

use end_to_end::{NORTHWIND, Setup, TOMAS, eventually};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::{DeleteEntry, EditEntry, NameKind, Rename, StartTimer, StopTimer};
use toggl_sandbox::{EntryEdit, Scenario};

const JONAS: i64 = 9_500_004;

#[tokio::test]
async fn the_token_is_tested_before_anything_is_connected() {
    let setup = Setup::builder().start().await.unwrap();
    let body = json!({ "secrets": setup.secrets() });
    let (status, report) = setup.host.call(Method::POST, "/test", body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(report["account"]["name"], "Mara Lindqvist");
    let scopes = report["scopes"].as_array().unwrap();
    let scope = |id: &str| scopes.iter().find(|scope| scope["id"] == id).unwrap();
    assert_eq!(scope("7400001")["connectable"], true);
    assert_eq!(scope("7400001")["organization"], "Northwind Studio");
    assert_eq!(scope("7400001")["reason"], Value::Null);
    // Where the account is no admin Toggl reports its own entries only; suspended ones report nothing.
    for (id, why) in [("7400003", "admin"), ("7400004", "suspended")] {
        assert_eq!(scope(id)["connectable"], false, "{id}");
        assert!(
            scope(id)["reason"].as_str().unwrap().contains(why),
            "{}",
            scope(id)
        );
    }

    let wrong = json!({ "secrets": { "api-token": "0".repeat(32) } });
    let (status, problem) = setup.host.call(Method::POST, "/test", wrong).await.unwrap();
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (422, &json!("unauthorized")),
        "{problem}"
    );

    let focus = json!({ "secrets": { "api-token": "toggl_sk_1234" } });
    let (status, problem) = setup.host.call(Method::POST, "/test", focus).await.unwrap();
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (422, &json!("invalid-input")),
        "{problem}"
    );
    assert!(
        problem["detail"].as_str().unwrap().contains("Toggl Focus"),
        "{problem}"
    );

    assert_eq!(
        setup.host.get("/connections").await.unwrap()["connections"],
        json!([])
    );
}

#[tokio::test]
async fn time_arrives_as_it_is_logged() {
    let setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(connection["status"], "active", "{connection}");
    assert_eq!(
        connection["scope"],
        json!({ "id": "7400001", "name": "Northwind Studio" })
    );
    assert_eq!(connection["subscription"]["enabled"], true);
    assert!(connection["subscription"]["validated_at"].is_string());
    let toggl = setup.toggl();

    let state = toggl.state();
    let project = state
        .projects
        .iter()
        .find(|project| project.name == "Web shop")
        .unwrap();
    let task = state
        .tasks
        .iter()
        .find(|task| task.name == "Checkout")
        .unwrap();
    let entry = toggl
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            description: Some("Fix the basket".into()),
            project_id: Some(project.id),
            task_id: Some(task.id),
            tags: vec!["development".into()],
            ..StartTimer::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    let activity = until_titled(&setup, entry.id, "Bluebird Bikes").await;
    assert_eq!(
        activity["title"],
        json!(["Bluebird Bikes", "Web shop", "Checkout", "Fix the basket"])
    );
    assert_eq!(activity["type"], "time-log");
    assert_eq!(activity["running"], true);
    assert_eq!(activity["stop"], Value::Null);
    assert_eq!(activity["tags"], json!(["development"]));
    assert_eq!(activity["billable"], true);
    assert_eq!(activity["user"]["id"], "u-tomas");
    assert_eq!(activity["scored"], false);
    assert!(activity["source"]["event_id"].is_string());

    toggl
        .stop_timer(StopTimer {
            entry_id: Some(entry.id),
            ..StopTimer::default()
        })
        .unwrap();
    toggl
        .rename(Rename {
            kind: NameKind::Client,
            id: state_client(&setup, "Bluebird Bikes"),
            name: "Bluebird Cycles".into(),
        })
        .unwrap();
    setup.settle().await.unwrap();
    let activity = setup.activity(entry.id).await.unwrap();
    assert_eq!(activity["running"], false);
    assert!(activity["duration_seconds"].is_i64());
    assert_eq!(
        activity["title"][0], "Bluebird Cycles",
        "a rename reaches earlier titles"
    );

    toggl
        .delete_entry(DeleteEntry {
            entry_id: entry.id,
            ..DeleteEntry::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    assert_eq!(setup.activity(entry.id).await.unwrap()["deleted"], true);
    let shown = setup.host.get("/connections").await.unwrap();
    assert!(shown["connections"][0]["last_delivery_at"].is_string());
}

#[tokio::test]
async fn whoever_is_mapped_later_shows_with_what_they_logged_before() {
    let setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let users = setup
        .host
        .get(&format!("/connections/{id}/users"))
        .await
        .unwrap();
    let member = |name: &str| {
        let all = users["users"].as_array().unwrap();
        all.iter()
            .find(|member| member["remote_user"]["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        member("Tomás Herrera")["user"]["id"],
        "u-tomas",
        "case does not matter"
    );
    assert_eq!(member("Tomás Herrera")["matched_by"], "email");
    assert_eq!(
        member("Hugo Lefèvre")["remote_user"]["active"],
        false,
        "deactivated"
    );
    for (name, why) in [
        ("Elena Rossi", "two members share an address"),
        ("Samuel Okafor", "two users share an address"),
        ("Front Desk", "no address"),
        ("Jonas Weber", "nobody has the address"),
    ] {
        assert_eq!(
            member(name)["user"],
            Value::Null,
            "{why} must not be guessed"
        );
    }
    assert!(
        member("Elena Rossi")["note"].is_string(),
        "what is ambiguous is reported"
    );
    assert_eq!(users["total"], 12);
    assert_eq!(users["mapped"], connection["users"]["mapped"]);

    let entry = setup
        .toggl()
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id: JONAS,
            ..StartTimer::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    let listed = setup.host.get("/activities").await.unwrap();
    assert_eq!(
        listed["activities"],
        json!([]),
        "only activities of mapped users are listed"
    );

    let path = format!("/connections/{id}/users/{JONAS}");
    let body = json!({ "user_id": "u-jonas" });
    let (status, _) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let listed = setup.host.get("/activities?user=u-jonas").await.unwrap();
    assert_eq!(
        listed["activities"][0]["source"]["entry_id"],
        entry.id.to_string()
    );

    let path = format!("/connections/{id}/users/refresh");
    let (_, users) = setup
        .host
        .call(Method::POST, &path, Value::Null)
        .await
        .unwrap();
    let jonas = users["users"].as_array().unwrap().iter();
    let jonas = jonas
        .clone()
        .find(|member| member["remote_user"]["id"] == "9500004");
    assert_eq!(
        jonas.unwrap()["matched_by"],
        "manual",
        "an import keeps what a person decided"
    );

    let nobody = json!({ "user_id": "nobody" });
    let path = format!("/connections/{id}/users/{JONAS}");
    let (status, problem) = setup.host.call(Method::PUT, &path, nobody).await.unwrap();
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (422, &json!("invalid-input"))
    );
}

#[tokio::test]
async fn an_admin_who_edits_does_not_take_the_time_over() {
    let setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let toggl = setup.toggl();
    let entry = toggl
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        })
        .unwrap();
    toggl
        .edit_entry(EditEntry {
            entry_id: entry.id,
            acting_user_id: Some(9_500_001),
            edit: EntryEdit {
                description: Some("Corrected".into()),
                ..EntryEdit::default()
            },
        })
        .unwrap();
    setup.settle().await.unwrap();
    let activity = setup.activity(entry.id).await.unwrap();
    assert_eq!(activity["remote_user_id"], TOMAS.to_string());
    assert_eq!(activity["title"], json!(["Corrected"]));
}

#[tokio::test]
async fn a_workspace_is_connected_once_and_disconnecting_keeps_its_history() {
    let setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    let body = json!({ "secrets": setup.secrets(), "scope_id": "7400001", "name": null });
    let (status, problem) = setup
        .host
        .call(Method::POST, "/connections", body)
        .await
        .unwrap();
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("conflict")),
        "{problem}"
    );
    setup.connect(7_400_002).await.unwrap();
    assert_eq!(
        setup.toggl().subscriptions().len(),
        2,
        "the same token connects the next one"
    );

    let entry = setup
        .toggl()
        .start_timer(StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    let path = format!("/connections/{id}");
    let (status, _) = setup
        .host
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        setup.toggl().subscriptions().len(),
        1,
        "the webhook is removed at Toggl"
    );
    let (status, _) = setup
        .host
        .call(Method::GET, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(!setup.activity(entry.id).await.unwrap().is_null());

    let again = setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(again["id"], id, "the earlier connection is continued");
}

#[tokio::test]
async fn if_subscribing_fails_nothing_is_left_behind() {
    let mut scenario = Scenario::default();
    scenario.organizations[0].max_webhooks = Some(0);
    let setup = Setup::builder().scenario(scenario).start().await.unwrap();
    let body = json!({ "secrets": setup.secrets(), "scope_id": "7400001", "name": null });
    let (status, problem) = setup
        .host
        .call(Method::POST, "/connections", body)
        .await
        .unwrap();
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (402, &json!("plan-limit")),
        "{problem}"
    );
    assert_eq!(
        setup.host.get("/connections").await.unwrap()["connections"],
        json!([])
    );
    assert!(setup.toggl().subscriptions().is_empty());
}

#[tokio::test]
async fn a_new_token_for_the_same_workspace_keeps_mappings() {
    let setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let path = format!(
        "/connections/{}/secrets",
        connection["id"].as_str().unwrap()
    );
    let outsider = setup.sandbox.token_of(9_500_013).unwrap();
    let body = json!({ "secrets": { "api-token": outsider } });
    let (status, _) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert!(
        status.is_client_error(),
        "{status}: that account has no such workspace"
    );
    let tomas = setup.sandbox.token_of(TOMAS).unwrap();
    let body = json!({ "secrets": { "api-token": tomas } });
    let (status, changed) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["owner"]["name"], "Tomás Herrera");
    assert_eq!(changed["users"], connection["users"]);
    assert_eq!(setup.toggl().subscriptions().len(), 1);
}

/// Waits until background work has completed an activity's title.
async fn until_titled(setup: &Setup, entry_id: i64, first: &str) -> Value {
    eventually("the title was not completed", async || {
        let activity = setup.activity(entry_id).await.unwrap();
        match activity["title"][0] == first {
            true => Ok(activity),
            false => Err(activity.to_string()),
        }
    })
    .await
    .unwrap()
}

fn state_client(setup: &Setup, name: &str) -> i64 {
    setup
        .toggl()
        .state()
        .clients
        .into_iter()
        .find(|client| client.name == name)
        .unwrap()
        .id
}
