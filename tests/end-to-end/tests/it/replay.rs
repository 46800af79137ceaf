//! A delivery that could not be handled is kept and can be handled again later.

use std::path::Path;

use end_to_end::{NORTHWIND, Setup, delivery, eventually, finished_entry, run_cli};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::model::Subscription;

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

/// Damages what the integration keeps, so that no signature can be verified, and returns what it was.
fn damage(database: &rusqlite::Connection) -> Vec<(i64, Vec<u8>)> {
    let intact = stored(database);
    assert!(!intact.is_empty());
    let damaged: Vec<_> = intact
        .iter()
        .map(|(number, value)| (*number, value[..value.len() - 1].to_vec()))
        .collect();
    store(database, &damaged);
    intact
}

/// A host that has nothing replayed unless somebody asks for it.
async fn set_up() -> Setup {
    Setup::builder()
        .configuration("[limits]\nreplay_attempts = 1\n")
        .start()
        .await
        .unwrap()
}

/// Delivers a finished entry and returns the answer.
async fn deliver(setup: &Setup, to: &Subscription, event_id: u64, entry: u64) -> StatusCode {
    let (signature, body) = delivery(&to.secret, &finished_entry(to, event_id, entry));
    let answer = setup.host.deliver(&to.url_callback, Some(&signature), body);
    answer.await.unwrap()
}

/// Delivers what the host cannot handle now.
async fn deliver_in_vain(setup: &Setup, to: &Subscription, event_id: u64, entry: u64) {
    let status = deliver(setup, to, event_id, entry).await;
    assert_eq!(
        status,
        StatusCode::SERVICE_UNAVAILABLE,
        "Toggl would not deliver it again"
    );
}

#[tokio::test]
async fn a_delivery_that_failed_is_kept_and_replayed() {
    let mut setup = set_up().await;
    setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let path = setup.options.data.join("host.sqlite");

    // What the integration keeps is damaged, so no signature can be verified.
    let database = rusqlite::Connection::open(&path).unwrap();
    let intact = damage(&database);
    deliver_in_vain(&setup, &subscription, u64::MAX, 500).await;
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

#[tokio::test]
async fn a_kept_delivery_that_was_put_in_the_place_of_another_is_refused() {
    let setup = set_up().await;
    setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let database = rusqlite::Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    let intact = damage(&database);
    for number in [1, 2] {
        deliver_in_vain(&setup, &subscription, number, 500 + number).await;
    }
    store(&database, &intact);
    let exchanged = database
        .execute(
            "UPDATE delivery_requests SET sealed = other.sealed
             FROM (SELECT delivery, sealed FROM delivery_requests) AS other
             WHERE other.delivery != delivery_requests.delivery",
            [],
        )
        .unwrap();
    assert_eq!(exchanged, 2);
    let list = command(&setup, &["deliveries", "--status", "failed"], 0).await;
    for kept in list["deliveries"].as_array().unwrap() {
        let error = command(&setup, &["replay", kept["id"].as_str().unwrap()], 1).await;
        let error = error.as_str().unwrap();
        assert!(error.contains("was changed"), "{error}");
    }
    assert!(setup.activity(501).await.unwrap().is_null());
    assert!(setup.activity(502).await.unwrap().is_null());
}

#[tokio::test]
async fn all_failed_deliveries_are_replayed_with_one_command() {
    let mut setup = set_up().await;
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let connection = connection["id"].as_str().unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let nothing = command(&setup, &["replay", "--all"], 0).await;
    assert_eq!(
        (&nothing["replayed"], &nothing["failed"]),
        (&json!(0), &json!(0))
    );

    let database = rusqlite::Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    let intact = damage(&database);
    for number in 1..=250 {
        deliver_in_vain(&setup, &subscription, number, 500 + number).await;
    }
    // Each is tried once, and the command ends although all of them fail again.
    command(&setup, &["replay", "--all"], 1).await;
    let list = command(
        &setup,
        &["deliveries", "--status", "failed", "--limit", "1000"],
        0,
    )
    .await;
    let failed = list["deliveries"].as_array().unwrap();
    assert_eq!(failed.len(), 250);
    assert!(failed.iter().all(|one| one["attempts"] == 2), "{list}");

    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    store(&database, &intact);
    drop(database);
    setup.restart().await.unwrap();
    // Toggl has delivered one again meanwhile.
    assert_eq!(deliver(&setup, &subscription, 7, 507).await, StatusCode::OK);

    let body = json!({ "connection": connection, "limit": 20 });
    let (status, part) = setup
        .host
        .call(Method::POST, "/deliveries/replay", body)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{part}");
    assert_eq!(
        (&part["replayed"], &part["failed"], &part["remaining"]),
        (&json!(20), &json!(0), &json!(230))
    );
    let rest = command(&setup, &["replay", "--all", "--connection", connection], 0).await;
    assert_eq!(
        (&rest["replayed"], &rest["failed"], &rest["remaining"]),
        (&json!(230), &json!(0), &json!(0))
    );
    let list = setup
        .host
        .get("/activities?include=unmapped,deleted&limit=1000")
        .await
        .unwrap();
    assert_eq!(
        list["activities"].as_array().unwrap().len(),
        250,
        "each once"
    );
    let superseded = command(&setup, &["deliveries", "--status", "superseded"], 0).await;
    let superseded = superseded["deliveries"].as_array().unwrap();
    assert_eq!(superseded.len(), 1, "{superseded:?}");
    assert_eq!(superseded[0]["event_id"], "7");
}

async fn attention(setup: &Setup, connection: &Value) -> Value {
    let path = format!("/connections/{}", connection["id"].as_str().unwrap());
    setup.host.get(&path).await.unwrap()["attention"].clone()
}

#[tokio::test]
async fn twenty_failures_in_a_row_call_for_a_person_until_all_are_handled() {
    let setup = set_up().await;
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let database = rusqlite::Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    let intact = damage(&database);
    for number in 1..20 {
        deliver_in_vain(&setup, &subscription, number, 500 + number).await;
    }
    let early = attention(&setup, &connection).await;
    assert_eq!(
        early,
        Value::Null,
        "a few failures are handled again by themselves"
    );
    deliver_in_vain(&setup, &subscription, 20, 520).await;
    let told = attention(&setup, &connection).await;
    assert_eq!(told["code"], "failing-deliveries", "nobody is told: {told}");
    assert!(
        told["message"].as_str().unwrap().contains("cannot be read"),
        "{told}"
    );

    store(&database, &intact);
    assert_eq!(
        deliver(&setup, &subscription, 21, 521).await,
        StatusCode::OK
    );
    let kept = attention(&setup, &connection).await;
    assert_eq!(
        kept["code"], "failing-deliveries",
        "twenty are still kept: {kept}"
    );
    command(&setup, &["replay", "--all"], 0).await;
    assert_eq!(
        attention(&setup, &connection).await,
        Value::Null,
        "it never ends"
    );
}

#[tokio::test]
async fn a_failed_delivery_that_is_kept_for_long_calls_for_a_person() {
    // As ten minutes are too long for a test.
    let configuration = "[limits]\nreplay_attempts = 1\nreplay_delay_ms = 50\n[background]\ndelivery_patience_ms = 1\n";
    let setup = Setup::builder().configuration(configuration).start();
    let setup = setup.await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let database = rusqlite::Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    damage(&database);
    deliver_in_vain(&setup, &subscription, 1, 501).await;
    eventually(
        "what failed long ago and is not tried again is told to nobody",
        async || !attention(&setup, &connection).await.is_null(),
    )
    .await
    .unwrap();
}
