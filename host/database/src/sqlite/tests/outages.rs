//! Files that are moved, replaced or held by somebody else.

use super::*;

/// The files of a database, moved elsewhere and back.
struct Moved {
    directory: std::path::PathBuf,
    elsewhere: std::path::PathBuf,
}

impl Moved {
    fn away(directory: &tempfile::TempDir) -> Self {
        let moved = Self {
            directory: directory.path().join("data"),
            elsewhere: directory.path().join("elsewhere"),
        };
        std::fs::rename(&moved.directory, &moved.elsewhere).unwrap();
        moved
    }

    fn back(self) {
        std::fs::rename(self.elsewhere, self.directory).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_to_files_that_were_moved_away_is_not_reported_as_done() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let database = SqliteDatabase::open(directory.path().join("data/host.db")).unwrap();
    create_table(&database).await;
    add(&database, 1).await.unwrap();
    assert_eq!(count(&database).await, 1);

    let moved = Moved::away(&directory);
    for number in 2..5 {
        let error = add(&database, number).await.unwrap_err().to_string();
        assert!(error.contains("host.db"), "{error}");
        assert!(database.ensure_writable().await.is_err());
    }
    moved.back();
    database.ensure_writable().await.unwrap();
    add(&database, 5).await.unwrap();
    assert!(count(&database).await >= 2, "what was acknowledged is gone");
    database.close().await;
    let intact = SqliteDatabase::open(directory.path().join("data/host.db")).unwrap();
    assert!(count(&intact).await >= 2, "what was acknowledged is gone");
}

#[cfg(unix)]
#[tokio::test]
async fn another_database_in_its_place_is_taken_up_and_an_empty_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let database = SqliteDatabase::open(data.join("host.db")).unwrap();
    create_table(&database).await;
    add(&database, 1).await.unwrap();
    assert_eq!(count(&database).await, 1);

    let moved = Moved::away(&directory);
    std::fs::create_dir(&data).unwrap();
    assert!(add(&database, 2).await.is_err());
    std::fs::write(data.join("host.db"), "").unwrap();
    let error = add(&database, 2).await.unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");
    assert_eq!(
        std::fs::metadata(data.join("host.db")).unwrap().len(),
        0,
        "an empty ledger was begun"
    );

    let restored = SqliteDatabase::open(directory.path().join("restored.db")).unwrap();
    create_table(&restored).await;
    for number in 10..20 {
        add(&restored, number).await.unwrap();
    }
    restored.close().await;
    std::fs::rename(directory.path().join("restored.db"), data.join("host.db")).unwrap();
    add(&database, 20).await.unwrap();
    assert_eq!(count(&database).await, 11, "reads see another database");
    database.close().await;

    std::fs::remove_dir_all(&data).unwrap();
    moved.back();
    let first = SqliteDatabase::open(data.join("host.db")).unwrap();
    assert_eq!(
        count(&first).await,
        1,
        "the database that was moved away was damaged"
    );
}

#[tokio::test]
async fn changes_that_wait_for_another_program_fail_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let database = SqliteDatabase::open(&path).unwrap();
    create_table(&database).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = database.statistics();
    let waiting = (0..200).map(|number| add(&database, number));
    let failed = futures_util::future::join_all(waiting).await;
    assert!(failed.iter().all(Result::is_err));
    assert_eq!(database.statistics(), before);
    assert!(database.ensure_writable().await.is_err());
    other.execute_batch("ROLLBACK").unwrap();
    add(&database, 1).await.unwrap();
    database.ensure_writable().await.unwrap();
    assert_eq!(count(&database).await, 1);
}
