//! How SQLite goes about a question must not depend on what it has counted.

use rusqlite::Connection as Database;

use super::*;
use crate::transfer::read;
use crate::{delivery_log, feed};
use integration_host_ledger::transfer::RecordKind;

/// What `PRAGMA optimize` by hand counts in a ledger of ten million activities of a hundred connections. It stops counting
/// early, so that it takes a connection's to be few.
const LARGE: &str = "ANALYZE;
    DELETE FROM sqlite_stat1;
    INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
        ('connections', 'sqlite_autoindex_connections_1', '100 1'),
        ('activities', 'activities_by_change', '10000000 1'),
        ('activities', 'activities_by_connection', '10000000 2001 2001 2001 1'),
        ('deliveries', 'deliveries_by_connection', '10000000 2001 1');
    ANALYZE sqlite_schema;";

/// Steps of SQLite's machine: a few hundred for each entry of a page.
const MOST_STEPS: i32 = 20_000;

#[tokio::test]
async fn a_page_is_read_from_where_it_begins_whatever_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.sqlite");
    let ledger = SqliteLedger::new(SqliteDatabase::open(&file).unwrap());
    for scope in 0..20 {
        let id = connect(&ledger, &scope.to_string()).await;
        let activities = (0..100).map(|number| {
            entry(
                &number.to_string(),
                "1",
                log("u", None, number, Some(number + 1)),
            )
        });
        apply(&ledger, &id, activities.collect(), vec![]).await;
        for number in 0..20 {
            let record = failed(&format!("{scope}/{number}"));
            ledger
                .apply(&id, &Changes::default(), Some(record))
                .await
                .unwrap();
        }
    }
    ledger.close().await;

    let mut database = Database::open(&file).unwrap();
    database.execute_batch(LARGE).unwrap();
    database
        .progress_handler(MOST_STEPS, Some(|| true))
        .unwrap();
    let sqlite = Sqlite::new(&mut database);
    let week = [time(0), time(200)].map(Timestamp::as_millisecond);
    finished(sqlite.summarize(&everything(), &week, time(200), 10_000))
        .expect_err("going through everything is not noticed");

    let feed = finished(feed::changes(&sqlite, 1_000, 10)).expect("the change feed");
    assert_eq!(feed.len(), 10);
    let log = delivery_log::page(&sqlite, None, None, None, 10);
    assert_eq!(finished(log).expect("the delivery log").items.len(), 10);
    for kind in RecordKind::ALL {
        finished(read::page(&sqlite, kind, None, 10)).unwrap_or_else(|_| panic!("{kind:?}"));
    }
}
