//! A host that is not given what its ledger belongs to: its storage was lost or exchanged, its integration is another one,
//! or compiled code is not its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use end_to_end::{NORTHWIND, Setup, TOMAS, delivery, eventually, run_cli};
use integration_host_database::SqliteDatabase;
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use test_services::RedisServer;
use toggl_sandbox::NewEntry;

/// A host whose storage is in a file of its own.
async fn start() -> (Setup, PathBuf) {
    let folder = tempfile::tempdir().unwrap().keep();
    let storage = folder.join("storage.sqlite");
    let ledger = format!("sqlite:{}", folder.join("ledger.sqlite").display());
    let argument = format!("sqlite:{}", storage.display());
    let arguments = ["--ledger", &ledger, "--storage", &argument];
    let setup = Setup::builder()
        .unlimited()
        .arguments(&arguments)
        .start()
        .await
        .unwrap();
    (setup, storage)
}

/// Removes keys behind the host's back.
fn lose(storage: &PathBuf, prefix: &str) {
    let database = Connection::open(storage).unwrap();
    database.busy_timeout(Duration::from_secs(30)).unwrap();
    let lost = database
        .execute(
            "DELETE FROM storage_entries WHERE key LIKE ?1 || '%'",
            [prefix],
        )
        .unwrap();
    assert!(lost > 0, "there was nothing to lose");
}

async fn connection(setup: &Setup, id: &str) -> Value {
    let path = format!("/connections/{id}");
    setup.host.get(&path).await.unwrap()
}

/// Waits until a connection is as it must become.
async fn wait_for(setup: &Setup, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let look = async || {
        let found = connection(setup, id).await;
        if is_so(&found) {
            Ok(found)
        } else {
            Err(found.to_string())
        }
    };
    eventually("the connection does not become as it must", look)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", setup.host.log().unwrap()))
}

/// Logs time at Toggl without waiting for its delivery.
fn log_time(setup: &Setup) -> i64 {
    let new = NewEntry {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        duration: Some(60),
        ..NewEntry::default()
    };
    setup.toggl().log_time(new).unwrap().id
}

async fn wait_for_activity(setup: &Setup, entry: i64) {
    let has_arrived = async || !setup.activity(entry).await.unwrap().is_null();
    eventually("an entry never arrived", has_arrived)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", setup.host.log().unwrap()));
}

async fn readiness(setup: &Setup) -> StatusCode {
    let url = format!("{}/readyz", setup.host.url);
    reqwest::get(url).await.unwrap().status()
}

/// What a delivery to a hook is answered with that carries a signature of no known secret.
async fn answer_at(setup: &Setup, callback: &str) -> StatusCode {
    let (signature, body) = delivery("a secret", &json!({}));
    let answer = setup.host.deliver(callback, Some(&signature), body).await;
    answer.unwrap()
}

async fn give_token_again(setup: &Setup, id: &str) {
    let path = format!("/connections/{id}/secrets");
    let body = json!({ "secrets": setup.secrets() });
    let (status, answer) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
}

fn asks_for_the_token(connection: &Value) -> bool {
    let message = connection["attention"]["message"].as_str();
    connection["attention"]["code"] == "unauthorized"
        && message.is_some_and(|message| message.contains("set-token"))
}

async fn ensure_it_heals_with_the_token(setup: &Setup, id: &str, missed: i64) {
    give_token_again(setup, id).await;
    let healed = wait_for(setup, id, |found| found["gap"].is_null()).await;
    assert_eq!(healed["attention"], Value::Null);
    wait_for_activity(setup, missed).await;
    assert_eq!(readiness(setup).await, StatusCode::OK);
    setup.ensure_healthy(id).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
}

#[tokio::test]
async fn a_storage_that_was_emptied_is_noticed_and_the_token_given_again_heals_it() {
    let (setup, storage) = start().await;
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let callback = made["callback_url"].as_str().unwrap();
    assert_eq!(answer_at(&setup, callback).await, StatusCode::UNAUTHORIZED);
    assert_eq!(readiness(&setup).await, StatusCode::OK);

    lose(&storage, "");
    assert_eq!(readiness(&setup).await, StatusCode::SERVICE_UNAVAILABLE);
    let missed = log_time(&setup);
    assert_eq!(
        answer_at(&setup, callback).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "what cannot be verified was refused for good"
    );
    let (hooks, _) = callback.rsplit_once('/').unwrap();
    let unknown = format!("{hooks}/{}", "0".repeat(32));
    assert_eq!(answer_at(&setup, &unknown).await, StatusCode::UNAUTHORIZED);
    wait_for(&setup, id, asks_for_the_token).await;
    let kept = setup.host.get("/deliveries?status=failed").await.unwrap();
    assert_eq!(
        kept["deliveries"],
        json!([]),
        "what cannot be verified was kept"
    );
    ensure_it_heals_with_the_token(&setup, id, missed).await;
}

#[tokio::test]
async fn what_the_integration_had_stored_is_made_anew_while_the_token_is_there() {
    for lost in [
        "integration/",
        "integration/webhook",
        "integration/connection",
    ] {
        let (setup, storage) = start().await;
        let made = setup.connect(NORTHWIND).await.unwrap();
        let id = made["id"].as_str().unwrap();
        lose(&storage, lost);
        let missed = log_time(&setup);
        if lost.ends_with("connection") {
            // Deliveries are still verified: a check tells.
            setup.ensure_healthy(id).await.unwrap();
        }
        wait_for_activity(&setup, missed).await;
        let healed = wait_for(&setup, id, |found| found["gap"].is_null()).await;
        assert_eq!(healed["attention"], Value::Null, "{lost}");
        setup.ensure_healthy(id).await.unwrap();
        setup.ensure_deliveries_arrive().await.unwrap();
        let subscriptions = setup.toggl().subscriptions();
        assert_eq!(subscriptions.len(), 1, "{lost}: {subscriptions:?}");
    }
}

#[tokio::test]
async fn another_storage_than_the_ledger_was_used_with_is_recognised_at_the_start() {
    let (mut setup, _) = start().await;
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap();
    setup.host.terminate().await.unwrap();
    let right = setup.options.arguments.clone();
    let other = setup.folder.path().join("other.sqlite");
    // One that is not there is refused at the start already; this one is there, with nothing in it.
    drop(SqliteDatabase::open(&other).unwrap());
    setup.options.arguments[3] = format!("sqlite:{}", other.display());
    setup.restart().await.unwrap();
    let log = setup.host.log().unwrap();
    assert!(
        log.contains("the storage has nothing of the connections"),
        "{log}"
    );
    assert_eq!(readiness(&setup).await, StatusCode::SERVICE_UNAVAILABLE);
    wait_for(&setup, id, asks_for_the_token).await;

    // With the right one again nothing was lost.
    setup.host.terminate().await.unwrap();
    setup.options.arguments = right;
    setup.restart().await.unwrap();
    assert_eq!(readiness(&setup).await, StatusCode::OK);
    setup.ensure_healthy(id).await.unwrap();
    assert_eq!(connection(&setup, id).await["attention"], Value::Null);
    setup.ensure_deliveries_arrive().await.unwrap();
}

#[tokio::test]
async fn connecting_again_gives_the_token_and_disconnecting_says_what_stays() {
    let (setup, storage) = start().await;
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap();
    lose(&storage, "");
    let again = setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(again["id"], made["id"]);
    setup.ensure_deliveries_arrive().await.unwrap();

    // With the token there the webhook is removed although nothing else is known of it.
    lose(&storage, "integration/");
    let path = format!("/connections/{id}");
    let (status, answer) = setup
        .host
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    assert_eq!(setup.toggl().subscriptions().len(), 0);
}

#[tokio::test]
async fn a_flushed_redis_is_noticed() {
    let Some(server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let url = server.url();
    let setup = Setup::builder()
        .unlimited()
        .arguments(&["--storage", &url])
        .start()
        .await
        .unwrap();
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap();
    let callback = made["callback_url"].as_str().unwrap();
    server.ask(&["FLUSHALL"]).unwrap();
    let missed = log_time(&setup);
    assert_eq!(
        answer_at(&setup, callback).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    wait_for(&setup, id, asks_for_the_token).await;
    ensure_it_heals_with_the_token(&setup, id, missed).await;
}

#[tokio::test]
async fn another_integration_is_not_let_loose_on_the_connections_of_the_first() {
    let mut setup = Setup::builder().unlimited().start().await.unwrap();
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    setup.host.terminate().await.unwrap();
    setup.keep_address();

    let component = end_to_end::misbehaving_component().unwrap();
    let (component, data) = (
        component.display().to_string(),
        setup.options.data.display().to_string(),
    );
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--component",
        &component,
        "--data",
        &data,
    ];
    let started = run_cli(&arguments, &[], setup.folder.path());
    let refused = tokio::time::timeout(Duration::from_secs(60), started)
        .await
        .expect("another integration drives the connections of the first")
        .unwrap();
    let refused = String::from_utf8(refused.stderr).unwrap();
    for name in ["Toggl Track", "“toggl”", "Misbehaving", "“misbehaving”"] {
        assert!(refused.contains(name), "{refused}");
    }

    let database = setup.options.data.join("host.sqlite");
    let newer = Connection::open(database).unwrap();
    newer
        .execute("UPDATE integrations SET version = '99.1.0'", [])
        .unwrap();
    drop(newer);
    setup.restart().await.unwrap();
    let log = setup.host.log().unwrap();
    assert!(
        log.contains("version 99.1.0 has written to this ledger"),
        "{log}"
    );
    setup.ensure_healthy(&id).await.unwrap();
}

#[tokio::test]
async fn a_host_connects_nothing_beside_connections_of_another_integration() {
    let setup = Setup::builder().unlimited().start().await.unwrap();
    let made = setup.connect(NORTHWIND).await.unwrap();
    let id = made["id"].as_str().unwrap();
    // As if a host with another component had made it on the same database, after this one was started.
    let database = Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    database.busy_timeout(Duration::from_secs(30)).unwrap();
    let changed = database
        .execute(
            "UPDATE connections SET integration = 'another' WHERE id = ?1",
            [id],
        )
        .unwrap();
    assert_eq!(changed, 1);
    let body = json!({ "secrets": setup.secrets(), "scope_id": NORTHWIND.to_string() });
    let (status, problem) = setup
        .host
        .call(Method::POST, "/connections", body)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let message = problem["detail"].as_str().unwrap();
    assert!(
        message.contains("“another”") && message.contains("“toggl”"),
        "neither host could be started again: {message}"
    );
}

#[tokio::test]
async fn a_cache_of_compiled_code_is_the_hosts_own_whatever_the_mask_or_not_used() {
    let mut setup = Setup::builder().unlimited().start().await.unwrap();
    setup.host.terminate().await.unwrap();
    let cache = setup.options.data.join("cache");
    fs::remove_dir_all(&cache).unwrap();
    let open_to_all = ["sh", "-c", "umask 000; exec \"$@\"", "sh"];
    setup.options.wrapper = open_to_all.map(str::to_owned).to_vec();
    setup.restart().await.unwrap();
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache), 0o700);
    let filled = fs::read_dir(&cache).unwrap().count();
    assert!(filled > 0, "nothing compiled was kept");

    setup.host.terminate().await.unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    setup.restart().await.unwrap();
    let log = setup.host.log().unwrap();
    assert!(log.contains("others can write to"), "{log}");

    setup.host.terminate().await.unwrap();
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "a file").unwrap();
    setup.restart().await.unwrap();
    let log = setup.host.log().unwrap();
    assert!(log.contains("remove what is in its place"), "{log}");
}
