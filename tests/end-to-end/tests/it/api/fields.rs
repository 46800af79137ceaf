//! Answers have the published fields.

use end_to_end::{NORTHWIND, TOMAS};
use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::Activity;
use toggl_sandbox::control::StartTimer;

use super::support::{Api, assert_fields};

#[tokio::test]
async fn answers_have_the_published_fields() {
    let api = Api::connected().await;
    let host = &api.setup.host;
    let call = async |method: Method, path: &str, body: Value| {
        let path = path.replace("{id}", &api.connection);
        let (status, answer) = host.call(method, &path, body).await.unwrap();
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    };
    let get = async |path: &str| call(Method::GET, path, Value::Null).await;

    let report = call(
        Method::POST,
        "/test",
        json!({ "secrets": api.setup.secrets() }),
    )
    .await;
    assert_fields(&report["account"], &["id", "name", "email"]);
    assert_fields(
        &report["scopes"][0],
        &[
            "id",
            "name",
            "organization",
            "plan",
            "role",
            "connectable",
            "reason",
        ],
    );

    let running = StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    api.setup.toggl().start_timer(running).unwrap();
    api.setup.settle().await.unwrap();
    let connection = get("/connections/{id}").await;
    assert_eq!(
        get("/connections").await["connections"],
        json!([connection])
    );
    assert_fields(
        &connection,
        &[
            "id",
            "name",
            "integration",
            "scope",
            "owner",
            "status",
            "attention",
            "subscription",
            "users",
            "created_at",
            "updated_at",
            "last_delivery_at",
            "covered_until",
            "gap",
            "last_reconciled_at",
            "quotas",
            "quotas_seen_at",
        ],
    );
    assert!(connection["covered_until"].is_string(), "{connection}");
    assert_eq!(connection["gap"], Value::Null);
    let log = get("/connections/{id}/log?limit=1").await;
    assert_fields(&log, &["events", "next"]);
    assert_fields(&log["events"][0], &["at", "kind", "message"]);
    assert_eq!(log["events"][0]["kind"], "connected");
    assert_eq!(log["next"], Value::Null);
    assert_fields(&connection["scope"], &["id", "name"]);
    assert_fields(&connection["owner"], &["id", "name", "email"]);
    assert_fields(
        &connection["subscription"],
        &["id", "enabled", "validated_at"],
    );
    assert_fields(&connection["users"], &["mapped", "total"]);
    assert_eq!(connection["status"], "active");
    assert_eq!(connection["attention"], Value::Null);
    assert!(connection["last_delivery_at"].is_string(), "{connection}");

    let renamed = call(
        Method::PATCH,
        "/connections/{id}",
        json!({ "name": " Grüße 🙂 " }),
    )
    .await;
    assert_eq!(renamed["name"], "Grüße 🙂");
    assert_eq!(
        renamed["scope"], connection["scope"],
        "the workspace keeps its name"
    );

    let team = get("/connections/{id}/users").await;
    assert_fields(&team, &["users", "mapped", "total", "matching", "next"]);
    assert_eq!(
        json!({ "mapped": team["mapped"], "total": team["total"] }),
        connection["users"]
    );
    for member in team["users"].as_array().unwrap() {
        assert_fields(member, &["remote_user", "user", "matched_by"]);
        assert_fields(&member["remote_user"], &["id", "name", "email", "active"]);
        assert!(member["remote_user"]["id"].is_string());
    }
    let member = call(
        Method::PUT,
        "/connections/{id}/users/9500004",
        json!({ "user_id": "u-hugo" }),
    )
    .await;
    assert_eq!(member["user"]["id"], "u-hugo");
    assert_eq!(member["matched_by"], "manual");
    let again = call(Method::POST, "/connections/{id}/users/refresh", Value::Null).await;
    let jonas = |team: &Value| {
        let users = team["users"].as_array().unwrap();
        users
            .iter()
            .find(|member| member["remote_user"]["id"] == "9500004")
            .unwrap()
            .clone()
    };
    assert_eq!(
        jonas(&again),
        member,
        "what was mapped by hand survives an import"
    );
    let nobody = call(
        Method::PUT,
        "/connections/{id}/users/9500004",
        json!({ "user_id": null }),
    )
    .await;
    assert_eq!(
        (&nobody["user"], &nobody["matched_by"]),
        (&Value::Null, &json!("manual"))
    );

    let found = get("/users?query=HERRERA").await;
    assert_eq!(
        found,
        json!({ "users": [{ "id": "u-tomas", "name": "Tomás Herrera", "email": "TOMAS.HERRERA@example.com" }] })
    );

    let list = get("/activities?limit=1").await;
    assert_fields(&list, &["activities", "next"]);
    let activity = &list["activities"][0];
    assert_fields(
        activity,
        &[
            "id",
            "connection_id",
            "remote_user_id",
            "user",
            "type",
            "title",
            "tags",
            "billable",
            "start",
            "stop",
            "duration_seconds",
            "running",
            "deleted",
            "missing",
            "scored",
            "source",
            "revision",
        ],
    );
    assert_fields(&activity["source"], &["entry_id", "event_id"]);
    assert_eq!(activity["type"], "time-log");
    assert_eq!(activity["user"]["id"], "u-tomas");
    assert_eq!(
        (&activity["running"], &activity["stop"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&activity["scored"], &activity["deleted"]),
        (&json!(false), &json!(false))
    );

    let health = call(Method::POST, "/connections/{id}/check", Value::Null).await;
    assert_eq!(health["healthy"], true, "{health}");
    let seen = get("/connections/{id}").await;
    assert!(seen["quotas_seen_at"].is_string(), "{seen}");
    assert_fields(
        &seen["quotas"][0],
        &["name", "remaining", "total", "resets_at"],
    );
    for (seen, found) in seen["quotas"]
        .as_array()
        .unwrap()
        .iter()
        .zip(health["quotas"].as_array().unwrap())
    {
        assert_eq!(
            (&seen["name"], &seen["remaining"]),
            (&found["name"], &found["remaining"]),
            "the check's quotas were not kept"
        );
    }
    let range = json!({ "from": "2026-03-01", "to": "2026-03-02T12:00:00Z" });
    let result = call(Method::POST, "/connections/{id}/reconcile", range).await;
    assert!(
        result["applied"].is_u64() && result["unchanged"].is_u64() && result["missing"].is_u64(),
        "{result}"
    );

    let deliveries = get("/deliveries?status=accepted").await;
    assert_fields(&deliveries, &["deliveries", "next"]);
    let delivery = &deliveries["deliveries"][0];
    assert_fields(
        delivery,
        &[
            "id",
            "connection_id",
            "received_at",
            "event_id",
            "status",
            "detail",
        ],
    );
    let path = format!("/deliveries/{}/replay", delivery["id"].as_str().unwrap());
    let problem = api
        .refused(api.request("POST", &path), 409, "a handled delivery")
        .await;
    assert_eq!(problem["code"], "conflict");

    // The pages of a list, and the pieces of the feed, are the whole, each thing once.
    let work = Activity {
        workspace_id: Some(NORTHWIND),
        per_second: 500.0,
        events: Some(40),
        ..Activity::default()
    };
    api.setup.toggl().activity(work).await.unwrap();
    api.setup.settle().await.unwrap();
    let whole = get("/activities?include=unmapped,deleted&limit=1000").await;
    let whole = whole["activities"].as_array().unwrap();
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&format!(
            "/activities?include=unmapped,deleted&limit=7&cursor={cursor}"
        ))
        .await;
        pages.extend(page["activities"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(&pages, whole);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let piece = get(&format!("/activities/changes?limit=7&after={after}")).await;
        after = piece["next"].as_str().unwrap().to_owned();
        let activities = piece["activities"].as_array().unwrap();
        if activities.is_empty() {
            break;
        }
        seen.extend(activities.clone());
    }
    let by_id = |mut list: Vec<Value>| {
        list.sort_by_key(|one| one["id"].to_string());
        list
    };
    assert_eq!(by_id(seen), by_id(whole.clone()));
    assert_eq!(
        get("/activities/changes?after=now").await["next"],
        after.as_str()
    );
}
