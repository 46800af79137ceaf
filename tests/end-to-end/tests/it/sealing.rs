//! What is sealed opens in its own place only, and what is erased is gone.

use std::time::Duration;

use end_to_end::{NORTHWIND, Setup, eventually};
use integration_host_seal::{KeyRing, SealingKey};
use reqwest::{Method, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};

const OTHER_WORKSPACE: i64 = 7_400_002;

fn database(setup: &Setup) -> Connection {
    let database = Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    database
}

/// Exchanges the values of two rows of storage.
fn swap(database: &Connection, one: i64, other: i64) {
    let exchanged = database
        .execute(
            "UPDATE storage_entries SET value = other.value
             FROM (SELECT number, value FROM storage_entries) AS other
             WHERE other.number = CASE storage_entries.number WHEN ?1 THEN ?2 WHEN ?2 THEN ?1 END",
            (one, other),
        )
        .unwrap();
    assert_eq!(exchanged, 2);
}

fn row(database: &Connection, connection: &str, pattern: &str) -> i64 {
    database
        .query_row(
            "SELECT number FROM storage_entries WHERE connection = ?1 AND key LIKE ?2 ORDER BY key LIMIT 1",
            (connection, pattern),
            |row| row.get(0),
        )
        .unwrap()
}

async fn check(setup: &Setup, id: &str) -> (StatusCode, Value) {
    let path = format!("/connections/{id}/check");
    setup
        .host
        .call(Method::POST, &path, json!(null))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_value_that_was_put_in_the_place_of_another_is_found_out() {
    let setup = Setup::builder().start().await.unwrap();
    let ours = setup.connect(NORTHWIND).await.unwrap();
    let theirs = setup.connect(OTHER_WORKSPACE).await.unwrap();
    let (ours, theirs) = (ours["id"].as_str().unwrap(), theirs["id"].as_str().unwrap());
    let rows = database(&setup);
    let secret = |id| row(&rows, id, "secret/%");
    let state = |id| row(&rows, id, "integration/%");
    for (what, one, other, concerned) in [
        (
            "secrets of two connections",
            secret(ours),
            secret(theirs),
            vec![ours, theirs],
        ),
        (
            "stored values of two connections",
            state(ours),
            state(theirs),
            vec![ours, theirs],
        ),
        (
            "a secret and a stored value",
            secret(ours),
            state(ours),
            vec![ours],
        ),
    ] {
        swap(&rows, one, other);
        for id in &concerned {
            let (status, problem) = check(&setup, id).await;
            assert_eq!(
                status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{what}: {problem}"
            );
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.contains("changed or moved outside of this program"),
                "{what}: {detail}"
            );
            let connection = setup.host.get(&format!("/connections/{id}")).await.unwrap();
            assert_eq!(connection["status"], "attention", "{what}: nobody is told");
            assert_eq!(connection["attention"]["message"], detail, "{what}");
        }
        swap(&rows, one, other);
        for id in &concerned {
            let (status, health) = check(&setup, id).await;
            assert_eq!(
                (status, &health["healthy"]),
                (StatusCode::OK, &json!(true)),
                "{what}: {health}"
            );
            let connection = setup.host.get(&format!("/connections/{id}")).await.unwrap();
            assert_eq!(connection["status"], "active", "{what}");
        }
    }

    // A secret that is lost for good is given again; mappings stay.
    let mapped = setup
        .host
        .get(&format!("/connections/{ours}/users"))
        .await
        .unwrap();
    swap(&rows, secret(ours), secret(theirs));
    let path = format!("/connections/{ours}/secrets");
    let body = json!({ "secrets": setup.secrets() });
    let (status, answer) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(check(&setup, ours).await.1["healthy"], true);
    let now = setup
        .host
        .get(&format!("/connections/{ours}/users"))
        .await
        .unwrap();
    assert_eq!(now["users"], mapped["users"], "mappings were lost");

    // And what cannot even be ended at Toggl can still be ended here.
    let (status, answer) = setup
        .host
        .call(
            Method::DELETE,
            &format!("/connections/{theirs}"),
            json!(null),
        )
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    let stays = answer["stays"].as_str().unwrap();
    assert!(
        stays.contains("The webhook stays"),
        "nobody learns what stays: {answer}"
    );
    let left = setup.host.get("/connections").await.unwrap();
    let left = left["connections"].as_array().unwrap();
    assert!(
        left.iter().all(|connection| connection["id"] != theirs),
        "a connection that cannot be read stays for ever"
    );
}

#[tokio::test]
async fn a_value_whose_key_is_missing_is_told_soon_after_the_start() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    // As if a rotation had been cut off and the former key been taken away.
    let former = KeyRing::new(SealingKey::generate());
    let rows = database(&setup);
    let number = row(&rows, id, "integration/%");
    let key: String = rows
        .query_row(
            "SELECT key FROM storage_entries WHERE number = ?1",
            [number],
            |row| row.get(0),
        )
        .unwrap();
    rows.execute(
        "UPDATE storage_entries SET value = ?2 WHERE number = ?1",
        (number, former.seal(&["storage", id, &key], b"value")),
    )
    .unwrap();
    drop(rows);
    setup.restart().await.unwrap();
    let message = eventually("nobody is told", async || {
        let seen = setup.host.get(&format!("/connections/{id}")).await.unwrap();
        let message = seen["attention"]["message"].as_str();
        message.map(str::to_owned).ok_or(seen.to_string())
    });
    let message = message.await.unwrap();
    assert!(
        message.contains(&former.id()) && message.contains("give it that key too"),
        "{message}"
    );
}

#[tokio::test]
async fn nothing_of_a_disconnected_or_replaced_secret_is_left_in_any_file() {
    let setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let sealed = |pattern: &str| -> Vec<Vec<u8>> {
        let database = database(&setup);
        let mut statement = database
            .prepare("SELECT value FROM storage_entries WHERE connection = ?1 AND key LIKE ?2")
            .unwrap();
        let rows = statement
            .query_map((id, pattern), |row| row.get(0))
            .unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    let replaced = sealed("secret/%");
    let path = format!("/connections/{id}/secrets");
    let body = json!({ "secrets": setup.secrets() });
    let (status, answer) = setup.host.call(Method::PUT, &path, body).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_absent(&setup, &replaced, "a replaced secret");

    let erased = sealed("%");
    assert!(erased.len() > 1);
    let (status, answer) = setup
        .host
        .call(Method::DELETE, &format!("/connections/{id}"), json!(null))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    assert!(sealed("%").is_empty());
    assert_absent(&setup, &erased, "an erased value");
}

/// Looks for what remains of sealed values in every file of the data directory.
fn assert_absent(setup: &Setup, values: &[Vec<u8>], what: &str) {
    assert!(!values.is_empty());
    for file in std::fs::read_dir(&setup.options.data).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for value in values {
            // The last bytes of a value, which is where SQLite leaves remains.
            let remains = &value[value.len() - 16..];
            let found = bytes.windows(remains.len()).any(|window| window == remains);
            assert!(!found, "{what} is still in {}", path.display());
        }
    }
}
