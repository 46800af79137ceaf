//! Databases of older versions.

use super::*;

/// The schema that was released first, with a failed delivery that is kept.
fn first_release(path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(include_str!("../schema/0001-storage.sql"))
        .unwrap();
    old.execute_batch(include_str!("../schema/0002-ledger.sql"))
        .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x57534948; PRAGMA user_version = 2; PRAGMA journal_mode = WAL;
         INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook,
             state, created_at, updated_at)
             VALUES ('c', 'Studio', 'toggl', '43', 'Studio', '7', 'Ada', 'h', 'active', 0, 0);
         INSERT INTO deliveries (id, connection, received_at, event_id, status, detail, size_bytes)
             VALUES ('a', 1, 1000, '7', 'accepted', 'Recorded.', 10), ('f', 1, 2000, NULL, 'failed', 'No.', 20);
         INSERT INTO delivery_requests VALUES (2, x'0102');",
    )
    .unwrap();
}

#[tokio::test]
async fn the_log_of_an_older_version_is_kept_with_what_can_be_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    first_release(&path);
    let database = SqliteDatabase::open(&path).unwrap();
    let kept = database.read(|database| -> Result<(i64, i64, i64, Vec<u8>)> {
        let numbers = "SELECT (SELECT deliveries FROM connections), (SELECT count(*) FROM deliveries WHERE handled_at = received_at),
             (SELECT requests FROM delivery_requests_total), (SELECT sealed FROM delivery_requests WHERE delivery =
                 (SELECT number FROM deliveries WHERE id = 'f'))";
        Ok(database.query_row(numbers, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?)
    });
    assert_eq!(kept.await.unwrap(), (2, 2, 1, vec![1, 2]));
    // Totals and references go on as before.
    let removed = database.write(|database| -> Result<(i64, i64)> {
        database.execute("DELETE FROM deliveries WHERE id = 'f'", [])?;
        let totals =
            "SELECT (SELECT deliveries FROM connections), (SELECT requests FROM delivery_requests_total)";
        Ok(database.query_row(totals, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    });
    assert_eq!(removed.await.unwrap(), (1, 0));
}
