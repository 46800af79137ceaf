//! A delivery that could not be handled is kept and can be handled again later.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use end_to_end::{NORTHWIND, Setup, delivery, run_cli};
use reqwest::StatusCode;
use serde_json::{Value, json};

const TOMAS: i64 = 9_500_002;

/// The standard output of a command of the running host, as JSON.
async fn command(setup: &Setup, arguments: &[&str], exit_code: i32) -> Value {
    let data = setup.options.data.display().to_string();
    let target = ["--json", "--host", &setup.host.url, "--data", &data];
    let all = [arguments, &target].concat();
    let output = run_cli(&all, &[], Path::new(".")).await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(exit_code),
        "{arguments:?}: {error}"
    );
    if exit_code == 0 {
        serde_json::from_slice(&output.stdout).unwrap()
    } else {
        Value::from(error)
    }
}

/// What the integration of a connection keeps, sealed.
fn stored(database: &rusqlite::Connection) -> Vec<(i64, Vec<u8>)> {
    let mut statement = database
        .prepare("SELECT number, value FROM storage_entries WHERE key LIKE 'integration/%'")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn store(database: &rusqlite::Connection, entries: &[(i64, Vec<u8>)]) {
    for (number, value) in entries {
        let update = "UPDATE storage_entries SET value = ?2 WHERE number = ?1";
        database.execute(update, (number, value)).unwrap();
    }
}

#[tokio::test]
async fn a_delivery_that_failed_is_kept_and_replayed() {
    let mut setup = Setup::start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let path = setup.options.data.join("host.sqlite");

    // What the integration keeps is damaged, so no signature can be verified.
    let database = rusqlite::Connection::open(&path).unwrap();
    let intact = stored(&database);
    assert!(!intact.is_empty());
    let damaged: Vec<_> = intact
        .iter()
        .map(|(number, value)| (*number, value[..value.len() - 1].to_vec()))
        .collect();
    store(&database, &damaged);
    let body = json!({
        "event_id": 18_446_744_073_709_551_615_u64, "created_at": "2026-03-02T10:00:00.5Z",
        "creator_id": TOMAS,
        "metadata": {
            "action": "created", "model": "time_entry", "event_user_id": TOMAS.to_string(),
            "model_owner_id": TOMAS.to_string(), "request_type": "POST", "time_entry_id": "500",
            "workspace_id": NORTHWIND.to_string()
        },
        "payload": {
            "at": "2026-03-02T10:00:00+00:00", "billable": false, "description": "Kept",
            "duration": 3600, "duronly": true, "id": 500, "project_id": null,
            "server_deleted_at": null, "start": "2026-03-02T09:00:00Z",
            "stop": "2026-03-02T10:00:00Z", "tag_ids": null, "tags": null, "task_id": null,
            "uid": TOMAS, "user_id": TOMAS, "wid": NORTHWIND, "workspace_id": NORTHWIND
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T10:00:01Z",
        "url_callback": subscription.url_callback,
    });
    let (signature, body) = delivery(&subscription.secret, &body);
    let status = setup
        .host
        .deliver(&subscription.url_callback, Some(&signature), body)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(setup.activity(500).await.unwrap().is_null());

    let list = command(&setup, &["deliveries", "--status", "failed"], 0).await;
    let kept = &list["deliveries"][0];
    let id = kept["id"].as_str().unwrap();
    assert_eq!(list["deliveries"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        (&kept["status"], &kept["replayable"]),
        (&json!("failed"), &json!(true))
    );
    assert_eq!(
        (&kept["attempts"], &kept["event_id"]),
        (&json!(1), &Value::Null)
    );
    assert!(
        kept["detail"].as_str().unwrap().contains("cannot be read"),
        "{kept}"
    );

    // Replaying it while the reason is still there keeps it.
    let error = command(&setup, &["replay", id], 1).await;
    assert!(
        error.as_str().unwrap().contains("cannot be read"),
        "{error}"
    );
    let list = command(&setup, &["deliveries", "--status", "failed"], 0).await;
    assert_eq!(list["deliveries"][0]["attempts"], 2, "{list}");

    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    store(&database, &intact);
    drop(database);
    setup.restart().await.unwrap();
    let replayed = command(&setup, &["replay", id], 0).await;
    assert_eq!(replayed["status"], "accepted", "{replayed}");
    assert_eq!(replayed["event_id"], "18446744073709551615");
    assert_eq!(
        (&replayed["attempts"], &replayed["replayable"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(setup.activity(500).await.unwrap()["title"], json!(["Kept"]));

    let list = command(&setup, &["deliveries", "--status", "failed"], 0).await;
    assert_eq!(list["deliveries"], json!([]));
    let error = command(&setup, &["replay", id], 1).await;
    assert!(error.as_str().unwrap().contains("was handled"), "{error}");
}
