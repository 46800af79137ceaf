mod outages;
mod upgrade;

use std::time::Duration;

use rusqlite::OptionalExtension as _;

use super::*;

type Result<T> = std::result::Result<T, DatabaseError>;

async fn create_table(database: &SqliteDatabase) {
    let created = database.write(|database| -> Result<()> {
        Ok(database
            .execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")?)
    });
    created.await.unwrap();
}

async fn add(database: &SqliteDatabase, number: i64) -> Result<()> {
    database
        .write(move |database| {
            database
                .prepare_cached("INSERT INTO numbers VALUES (?1)")?
                .execute([number])?;
            Ok(())
        })
        .await
}

async fn count(database: &SqliteDatabase) -> i64 {
    let count = |database: &Connection| -> Result<i64> {
        Ok(database.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))?)
    };
    database.read(count).await.unwrap()
}

/// A database in memory, and one in a file.
fn databases(directory: &tempfile::TempDir) -> [SqliteDatabase; 2] {
    let file = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    [SqliteDatabase::open_in_memory().unwrap(), file]
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_share_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    for database in databases(&directory) {
        create_table(&database).await;
        // Until all have come, however busy the machine is, the writer has something else to do.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let waiting = database.clone();
        let first = tokio::spawn(async move {
            let wait = move |_: &Connection| -> Result<()> {
                let _ = begin.send(());
                let _ = held.recv();
                Ok(())
            };
            waiting.write(wait).await
        });
        begun.await.unwrap();
        let come = Arc::new(AtomicU64::new(0));
        let before = database.statistics();
        let tasks: Vec<_> = (0..500)
            .map(|number| {
                let (database, come) = (database.clone(), Arc::clone(&come));
                tokio::spawn(async move {
                    come.fetch_add(1, Ordering::Relaxed);
                    add(&database, number).await
                })
            })
            .collect();
        while come.load(Ordering::Relaxed) < 500 {
            tokio::task::yield_now().await;
        }
        drop(release);
        first.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let after = database.statistics();
        assert_eq!(count(&database).await, 500);
        assert_eq!(after.changes - before.changes, 501);
        assert!(
            after.commits - before.commits < 250,
            "{} commits for 500 changes",
            after.commits - before.commits
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_undoes_itself_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    for database in databases(&directory) {
        create_table(&database).await;
        let tasks: Vec<_> = (0..100)
            .map(|number: i64| {
                let database = database.clone();
                tokio::spawn(async move {
                    database
                        .write(move |database| -> Result<()> {
                            database.execute("INSERT INTO numbers VALUES (?1)", [number])?;
                            match number % 4 {
                                0 => Err(DatabaseError("refused".to_owned())),
                                1 => {
                                    panic!("a defect in a change (this panic is part of the test)")
                                }
                                _ => Ok(()),
                            }
                        })
                        .await
                })
            })
            .collect();
        let mut failed = 0;
        for task in tasks {
            failed += usize::from(task.await.unwrap().is_err());
        }
        assert_eq!(failed, 50);
        assert_eq!(
            count(&database).await,
            50,
            "a failed change left something behind or took another with it"
        );
    }
}

#[tokio::test]
async fn a_query_that_panics_costs_nothing_but_its_answer() {
    let directory = tempfile::tempdir().unwrap();
    for database in databases(&directory) {
        create_table(&database).await;
        let query = |_: &Connection| -> Result<()> {
            panic!("a defect in a query (this panic is part of the test)")
        };
        assert!(database.read(query).await.is_err());
        assert_eq!(count(&database).await, 0);
    }
}

#[tokio::test]
async fn slow_queries_hold_up_neither_changes_nor_the_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let [_, database] = databases(&directory);
    create_table(&database).await;
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (began, mut begins) = mpsc::channel(16);
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let (database, gate, began) = (database.clone(), Arc::clone(&gate), began.clone());
            tokio::spawn(async move {
                let query = move |database: &Connection| -> Result<i64> {
                    let count = "SELECT count(*) FROM numbers";
                    database.query_row(count, [], |_| Ok(()))?;
                    began.blocking_send(()).unwrap();
                    gate.lock().unwrap().recv().unwrap();
                    Ok(database.query_row(count, [], |row| row.get(0))?)
                };
                database.read(query).await
            })
        })
        .collect();
    for _ in 0..3 {
        begins.recv().await.unwrap();
    }
    add(&database, 1).await.unwrap();
    assert_eq!(count(&database).await, 1);
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    for task in slow {
        assert_eq!(
            task.await.unwrap().unwrap(),
            0,
            "a query must see one state"
        );
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_until_there_is_room_again() {
    let directory = tempfile::tempdir().unwrap();
    for database in databases(&directory) {
        create_table(&database).await;
        let fill = |database: &Connection| -> Result<()> {
            database.execute_batch("CREATE TABLE IF NOT EXISTS filler (content BLOB)")?;
            database.execute("INSERT INTO filler VALUES (zeroblob(1000000))", [])?;
            Ok(())
        };
        let limit_pages = |pages: &'static str| {
            let database = database.clone();
            async move {
                let limit = move |database: &Connection| -> Result<()> {
                    Ok(database.query_row(
                        &format!("PRAGMA max_page_count = {pages}"),
                        [],
                        |_| Ok(()),
                    )?)
                };
                database.write(limit).await.unwrap();
            }
        };
        for _ in 0..2 {
            // A new connection, if there is one, has no limit.
            limit_pages("1").await;
            assert!(database.write(fill).await.is_err());
        }
        limit_pages("1000000").await;
        database.write(fill).await.unwrap();
        add(&database, 1).await.unwrap();
        assert_eq!(count(&database).await, 1);
    }
}

#[tokio::test]
async fn what_was_committed_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let database = SqliteDatabase::open(&path).unwrap();
    create_table(&database).await;
    add(&database, 1).await.unwrap();
    // What a killed process leaves behind: the files as they are at this moment.
    let copy = directory.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let file = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(file(&path), file(&copy)).unwrap();
    }
    assert_eq!(count(&SqliteDatabase::open(&copy).unwrap()).await, 1);
}

#[tokio::test]
async fn closing_leaves_one_file_and_refuses_what_comes_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let database = SqliteDatabase::open(&path).unwrap();
    create_table(&database).await;
    add(&database, 1).await.unwrap();
    assert_eq!(count(&database).await, 1);
    database.close().await;
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        1,
        "the write-ahead log was left"
    );
    assert!(add(&database, 2).await.is_err());
    assert!(database.read(|_| -> Result<()> { Ok(()) }).await.is_err());
    database.close().await;
    assert_eq!(count(&SqliteDatabase::open(&path).unwrap()).await, 1);
}

#[tokio::test]
async fn the_writer_ends_with_the_last_handle() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    drop(SqliteDatabase::open(&path).unwrap());
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while std::fs::read_dir(directory.path()).unwrap().count() > 1 {
        assert!(
            std::time::Instant::now() < deadline,
            "the writer goes on without a handle"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_database_that_cannot_be_used_is_refused_with_the_remedy_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let refused = |path: &Path| {
        let Err(error) = SqliteDatabase::open(path) else {
            panic!("opened {}", path.display())
        };
        let error = error.to_string();
        assert!(
            error.contains(&path.display().to_string()) && !error.contains('\n'),
            "{error}"
        );
        error
    };

    std::fs::write(
        file("text"),
        "This is no database, but long enough to have a header.\n".repeat(100),
    )
    .unwrap();
    assert!(refused(&file("text")).contains("is not an SQLite database, or it is damaged"));

    let foreign = Connection::open(file("foreign")).unwrap();
    foreign
        .execute_batch("CREATE TABLE other (content)")
        .unwrap();
    drop(foreign);
    let before = std::fs::read(file("foreign")).unwrap();
    assert!(refused(&file("foreign")).contains("is the database of another program"));
    assert_eq!(
        std::fs::read(file("foreign")).unwrap(),
        before,
        "another program's database was changed"
    );

    let marked = Connection::open(file("marked")).unwrap();
    marked.execute_batch("PRAGMA application_id = 7").unwrap();
    drop(marked);
    assert!(refused(&file("marked")).contains("is the database of another program"));

    drop(SqliteDatabase::open(file("newer")).unwrap());
    Connection::open(file("newer"))
        .unwrap()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    assert!(refused(&file("newer")).contains("newer version of this program (schema 99"));

    let damaged = SqliteDatabase::open(file("damaged")).unwrap();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(damaged.close());
    let content = std::fs::read(file("damaged")).unwrap();
    std::fs::write(file("damaged"), &content[..5000]).unwrap();
    assert!(refused(&file("damaged")).contains("damaged"));

    assert!(refused(&file("missing/host.db")).contains("does not exist: create it"));
    assert!(
        refused(Path::new("/proc/host.db")).contains("make the file and its directory writable")
    );
    assert!(refused(directory.path()).contains("directory"));
}

#[tokio::test]
async fn the_schema_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    for _ in 0..3 {
        let database = SqliteDatabase::open(&path).unwrap();
        let table = database.read(|database| -> Result<Option<String>> {
            let table = "SELECT name FROM sqlite_schema WHERE name = 'activities'";
            Ok(database.query_row(table, [], |row| row.get(0)).optional()?)
        });
        assert_eq!(table.await.unwrap().as_deref(), Some("activities"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "others can read the database");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_of_one_moment_and_holds_nobody_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    let database = SqliteDatabase::open(&path).unwrap();
    create_table(&database).await;
    for number in 0..100 {
        add(&database, number).await.unwrap();
    }
    let left = directory.path().join(".host.db.copy-old");
    std::fs::write(&left, "of a copy that was killed").unwrap();

    let writing = {
        let database = database.clone();
        tokio::spawn(async move {
            for number in 100..400 {
                add(&database, number).await.unwrap();
            }
        })
    };
    let (mut source, size_bytes) = database.copy().await.unwrap().unwrap();
    writing.await.unwrap();
    let copied = directory.path().join("copied");
    let mut target = std::fs::File::create(&copied).unwrap();
    assert_eq!(std::io::copy(&mut source, &mut target).unwrap(), size_bytes);
    let contents = inspect_backup(&copied).unwrap();
    assert_eq!(contents.schema_version, open::MIGRATIONS.len() as i64);
    let copied = SqliteDatabase::open(&copied).unwrap();
    let rows = count(&copied).await;
    let last = |database: &Connection| -> Result<i64> {
        Ok(database.query_row("SELECT max(number) FROM numbers", [], |row| row.get(0))?)
    };
    assert_eq!(
        copied.read(last).await.unwrap(),
        rows - 1,
        "the copy holds a change but not one before it"
    );
    assert!(rows >= 100);
    let identity = async |database: &SqliteDatabase| {
        let read = |database: &Connection| -> Result<(String, String, bool)> {
            let sql = "SELECT id, life, is_first FROM ledger_identity";
            Ok(database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
        };
        database.read(read).await.unwrap()
    };
    let (original, copy) = (identity(&database).await, identity(&copied).await);
    assert_eq!(copy.0, original.0);
    assert!(
        copy.1 != original.1 && !copy.2,
        "whoever follows the feed does not notice that a copy was put in place by hand"
    );
    assert!(!left.exists(), "what a killed copy left takes up room");
    let memory = SqliteDatabase::open_in_memory().unwrap();
    assert!(memory.copy().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_in_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(directory.path().join("host.db")).unwrap();
    let run = async |sql: &'static str| {
        let run =
            database.write(move |database| -> Result<()> { Ok(database.execute_batch(sql)?) });
        run.await.unwrap();
    };
    run("CREATE TABLE texts (text TEXT); INSERT INTO texts VALUES ('something secret')").await;
    let found = || {
        std::fs::read_dir(directory.path())
            .unwrap()
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| {
                bytes
                    .windows(16)
                    .any(|window| window == b"something secret")
            })
    };
    assert!(found());
    run("DELETE FROM texts").await;
    database.scrub().await;
    assert!(!found(), "an erased text is still in a file");
}

/// What a database was when somebody last counted is no guide to what it has become.
#[tokio::test]
async fn what_was_counted_is_forgotten_at_the_next_start() {
    const REMOVAL: &str = "DELETE FROM storage_entries WHERE number IN (
        SELECT number FROM storage_entries WHERE expires_at <= 1 ORDER BY expires_at LIMIT 32)";
    fn reads_everything(database: &Connection) -> Result<bool> {
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {REMOVAL}"))?;
        let steps: Vec<String> = plan
            .query_map([], |row| row.get(3))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(steps.iter().any(|step| step.starts_with("SCAN")))
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.db");
    SqliteDatabase::open(&path).unwrap().close().await;
    let small =
        "INSERT INTO storage_entries (connection, key, value, version) VALUES ('c', 'k', x'00', 1)";
    let other = Connection::open(&path).unwrap();
    other.execute_batch(small).unwrap();
    other.execute_batch("ANALYZE").unwrap();
    assert!(
        reads_everything(&other).unwrap(),
        "the counts make no difference"
    );
    drop(other);
    let database = SqliteDatabase::open(&path).unwrap();
    assert!(!database.write(reads_everything).await.unwrap());
    assert!(!database.read(reads_everything).await.unwrap());
    database.close().await;
}

/// A result that panics when nobody wants it any more.
struct Thorny;

impl Drop for Thorny {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("a defect outside of any change"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_writer_itself_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for database in databases(&directory) {
        create_table(&database).await;
        add(&database, 1).await.unwrap();
        for number in 10..13 {
            // Whoever asked stops waiting, so that the writer has the result, and drops it.
            let asked = database.write(move |database| -> Result<Thorny> {
                database.execute("INSERT INTO numbers VALUES (?1)", [number])?;
                std::thread::sleep(Duration::from_millis(50));
                Ok(Thorny)
            });
            let in_vain = tokio::time::timeout(Duration::from_millis(10), asked).await;
            assert!(in_vain.is_err());
        }
        let goes_on = async {
            while add(&database, 2).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let patience = Duration::from_secs(30);
        let goes_on = tokio::time::timeout(patience, goes_on).await;
        assert!(goes_on.is_ok(), "no delivery is ever taken again");
        assert_eq!(count(&database).await, 5, "what was committed is lost");
        database.close().await;
    }
}
