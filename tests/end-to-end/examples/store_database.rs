//! Stores a database as the program of a release makes it, for the test that later programs open it:
//!
//! ```text
//! INTEGRATION_HOST_PROGRAM=path/to/the/released/integration-host \
//!     cargo run --package end-to-end --example store_database -- tests/end-to-end/fixtures/databases/v2
//! ```
//!
//! The folder then holds the database, the key that what it holds is sealed with, and what the API told of
//! it.
#![allow(clippy::indexing_slicing, reason = "indexing JSON yields null")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{NORTHWIND, Setup, delivery};
use reqwest::{Method, StatusCode};
use serde_json::json;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::DeleteEntry;

const MARA: i64 = 9_500_001;
const TOMAS: i64 = 9_500_002;
const JONAS: i64 = 9_500_004;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).context("name the folder to make")?);
    fs::create_dir_all(&folder)?;
    // The token follows from the user's id, so the sandbox of the test accepts the one in here.
    let mut setup = Setup::builder().start().await?;
    let connection = setup.connect(NORTHWIND).await?;
    let id = connection["id"].as_str().context("no id")?;
    let toggl = setup.toggl();

    let projects = toggl.state().projects;
    let project = projects
        .iter()
        .find(|project| project.name == "Web shop")
        .context("no project")?;
    for (user, description) in [(MARA, "First"), (TOMAS, "Second")] {
        toggl.log_time(NewEntry {
            description: Some(description.to_owned()),
            project_id: Some(project.id),
            ..entry(user)
        })?;
    }
    let gone = toggl.log_time(entry(JONAS))?;
    toggl.delete_entry(DeleteEntry {
        entry_id: gone.id,
        ..DeleteEntry::default()
    })?;
    setup.settle().await?;
    let activities = "/activities?include=unmapped,deleted";
    for attempt in 0.. {
        let text = setup.host.get(activities).await?.to_string();
        if text.matches("Bluebird Bikes").count() == 2 {
            break;
        }
        ensure!(attempt < 300, "names did not arrive: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let path = format!("/connections/{id}/users/{JONAS}");
    let body = json!({ "user_id": "u-jonas" });
    let (status, answer) = setup.host.call(Method::PUT, &path, body).await?;
    ensure!(status == StatusCode::OK, "{answer}");

    fail_one(&setup).await?;
    let mut told = json!({});
    for (name, path) in [
        ("connections", "/connections"),
        ("activities", activities),
        ("deliveries", "/deliveries"),
    ] {
        told[name] = setup.host.get(path).await?[name].clone();
    }
    let users = setup.host.get(&format!("/connections/{id}/users")).await?;
    told["users"] = users["users"].clone();
    let exit_code = setup.host.terminate().await?;
    ensure!(exit_code == Some(0), "the host ended with {exit_code:?}");
    for file in ["host.sqlite", "sealing-key"] {
        fs::copy(setup.options.data.join(file), folder.join(file))?;
    }
    fs::write(folder.join("told.json"), format!("{told:#}\n"))?;
    Ok(())
}

fn entry(user_id: i64) -> NewEntry {
    let now = jiff::Timestamp::now();
    NewEntry {
        workspace_id: NORTHWIND,
        user_id,
        start: Some(now - jiff::SignedDuration::from_hours(1)),
        stop: Some(now),
        ..NewEntry::default()
    }
}

/// Leaves a failed delivery: while what the integration keeps is damaged, no signature can be verified.
async fn fail_one(setup: &Setup) -> Result<()> {
    let database = rusqlite::Connection::open(setup.options.data.join("host.sqlite"))?;
    let damage = "CREATE TEMP TABLE intact AS
            SELECT number, value FROM storage_entries WHERE key LIKE 'integration/%';
        UPDATE storage_entries SET value = zeroblob(64) WHERE key LIKE 'integration/%';";
    let repair = "UPDATE storage_entries SET value = intact.value
        FROM temp.intact WHERE intact.number = storage_entries.number";
    let subscriptions = setup.toggl().subscriptions();
    let subscription = subscriptions.first().context("nothing is subscribed")?;
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
    database.execute_batch(damage)?;
    let status = setup
        .host
        .deliver(&subscription.url_callback, Some(&signature), body)
        .await?;
    database.execute_batch(repair)?;
    ensure!(
        status == StatusCode::SERVICE_UNAVAILABLE,
        "the delivery was answered {status}"
    );
    Ok(())
}
