//! From SQLite to Postgres and back, nothing is another.

use integration_host_database::postgres::PostgresDatabase;
use rusqlite::Connection;
use rusqlite::types::Value;
use test_services::TestDatabase;
use tokio_postgres::NoTls;

use super::fixture::{ACTIVITIES, Places};

#[tokio::test(flavor = "multi_thread")]
async fn from_sqlite_to_postgres_and_back_everything_is_the_same() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let places = Places::start().await;
    let (key, origin) = (places.key(), places.shown("origin"));
    let key = ["--sealing-key-file", key.as_str()];
    let first = places.export(&["--data", &origin], "first").await;
    assert!(first.len() > ACTIVITIES as usize);

    let (url, data) = (database.url(), places.shown("far"));
    let far = ["--storage", &url, "--data", &data, key[0], key[1]];
    let imported = places.import("first", &far).await;
    assert_eq!(imported["counts"]["activities"], ACTIVITIES + 10);
    assert_made_as_new(&database).await;
    // Its heartbeat is old: nothing is waited for.
    let second = places.export(&far, "second").await;
    assert_same(&first, &second);

    let home = places.shown("home");
    places
        .import("second", &["--data", &home, key[0], key[1]])
        .await;
    let third = places.export(&["--data", &home], "third").await;
    assert_same(&first, &third);
    assert_tables_are_the_same(&places);
}

/// An import sets aside what would slow it down. None of it stays away.
async fn assert_made_as_new(imported: &TestDatabase) {
    let new = TestDatabase::create().unwrap().unwrap();
    let address = new.url().parse().unwrap();
    PostgresDatabase::open(&address).await.unwrap();
    let expected = definitions(&new).await;
    assert!(expected.len() > 20, "there is nothing to compare with");
    assert_eq!(definitions(imported).await, expected);
}

/// The indexes and constraints of a database.
async fn definitions(database: &TestDatabase) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let definitions = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'integration_host'
        UNION ALL
        SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'integration_host'::regnamespace
        ORDER BY 1";
    let found = client.query(definitions, &[]).await.unwrap();
    found.iter().map(|row| row.get(0)).collect()
}

#[track_caller]
fn assert_same(before: &[String], after: &[String]) {
    for (number, (before, after)) in before.iter().zip(after).enumerate() {
        assert_eq!(before, after, "line {} is another", number + 2);
    }
    assert_eq!(before.len(), after.len());
}

/// What no record tells is the same as well: what providers count, and the places of everything.
#[track_caller]
fn assert_tables_are_the_same(places: &Places) {
    let open = |place: &str| Connection::open(places.path(place).join("host.sqlite")).unwrap();
    let (origin, home) = (open("origin"), open("home"));
    // What was never connected covers since it was made, whether that is written down or not.
    origin
        .execute_batch(
            "UPDATE connections SET connected_at = ifnull(connected_at, created_at),
                 covered_until = ifnull(covered_until, created_at)",
        )
        .unwrap();
    for (table, columns, order) in [
        ("connections", "*", "number"),
        ("users", "id, name, email", "id"),
        ("members", "*", "connection, remote_user"),
        ("subjects", "*", "connection, id"),
        (
            "activities",
            "connection, entry_id, content_revision, content_event, remote_user, subject, description, start, stop, billable, tags, deleted_revision, deleted_event, user, change",
            "change",
        ),
        ("ledger_changes", "*", "only"),
        (
            "deliveries",
            "id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes, attempts",
            "number",
        ),
        (
            "delivery_requests",
            "(SELECT id FROM deliveries WHERE number = delivery), sealed",
            "delivery",
        ),
        ("delivery_requests_total", "*", "only"),
        ("connection_events", "*", "number"),
        ("heartbeat", "*", "only"),
        (
            "storage_entries",
            "connection, key, value, expires_at",
            "connection, key",
        ),
        // Every index is there again.
        ("sqlite_schema", "type, name, sql", "name"),
    ] {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY {order}");
        let (before, after) = (rows(&origin, &sql), rows(&home, &sql));
        assert!(!before.is_empty(), "the fixture has nothing in {table}");
        assert_eq!(before.len(), after.len(), "{table}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "a row of {table} is another");
        }
    }
}

fn rows(database: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    statement
        .query_map([], |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}
