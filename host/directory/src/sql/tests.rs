use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// An SQLite file made of these statements.
fn database(statements: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(statements).unwrap();
    (folder, path)
}

fn selection(rows: Rows, columns: [&str; 3]) -> Selection {
    let [id, email, name] = columns.map(|column| column.parse().unwrap());
    Selection {
        rows,
        columns: Columns { id, email, name },
    }
}

async fn open(path: &Path, selection: &Selection) -> SqlDirectory {
    match SqlDirectory::sqlite(path, selection, TIMEOUT).await {
        Ok(directory) => directory,
        Err(error) => panic!("{error}"),
    }
}

fn ids(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.id.as_str()).collect()
}

const STAFF: &str = r#"
    CREATE TABLE "the ""staff"" table" ("select" INTEGER PRIMARY KEY, mail TEXT, "full name" TEXT, gone INT);
    INSERT INTO "the ""staff"" table" VALUES
        (1, 'Ada@Example.org', 'Ada', 0), (2, NULL, NULL, 0), (3, ' ÄRNE@example.org ', '', 0),
        (4, 'bob@example.org', '50%_off', 1);
"#;

#[tokio::test]
async fn a_table_or_a_query_says_who_is_a_user() {
    let (_folder, path) = database(STAFF);
    let columns = ["select", "mail", "full name"];
    let table = Rows::table("the \"staff\" table").unwrap();
    let directory = open(&path, &selection(table, columns)).await;
    assert_eq!(directory.count().await.unwrap(), 4);
    assert_eq!(
        ids(&directory.search("", 10).await.unwrap()),
        ["2", "4", "1", "3"]
    );
    let ada = directory
        .find_by_id(&UserId::new("1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (ada.name.as_str(), ada.email.as_deref()),
        ("Ada", Some("Ada@Example.org"))
    );
    assert_eq!(
        directory.find_by_id(&UserId::new("01")).await.unwrap(),
        None
    );
    for (query, expected) in [
        ("%", &["4"][..]),
        ("_OFF", &["4"]),
        ("ärne", &["3"]),
        ("a_a", &[]),
        ("2", &["2"]),
    ] {
        assert_eq!(
            ids(&directory.search(query, 10).await.unwrap()),
            expected,
            "{query}"
        );
    }

    let query = Rows::query(
        "SELECT 'u-' || \"select\" AS id, mail AS email, \"full name\" AS name\n\
         FROM \"the \"\"staff\"\" table\" WHERE NOT gone -- who is there;",
    );
    let directory = open(&path, &selection(query, ["id", "email", "name"])).await;
    assert_eq!(
        ids(&directory.search("", 10).await.unwrap()),
        ["u-1", "u-2", "u-3"]
    );
    let emails = ["ADA@example.ORG", "bob@example.org"].map(str::to_owned);
    let found = directory.find_by_email(&emails).await.unwrap();
    assert_eq!((ids(&found[0]), ids(&found[1])), (vec!["u-1"], vec![]));
}

#[tokio::test]
async fn what_does_not_count_in_an_address_does_not_hide_it() {
    let (_folder, path) = database(
        "CREATE TABLE users (id INTEGER, email TEXT, name TEXT);
         INSERT INTO users VALUES (1, 'ada@example.org', 'A'), (2, char(65279) || 'Bob@Example.org ', 'B'),
             (3, 'Ärne@' || char(8203) || 'example.org', 'C'), (4, 'ÄRNE@example.org', 'D'),
             (5, char(9) || 'ada@example.org', 'E'), (6, 'bobby@example.org', 'F');",
    );
    let directory = open(&path, &Selection::default()).await;
    let emails = [
        " ada@example.org",
        "bob@\u{200b}example.org",
        "ärne@example.org",
    ];
    let found = directory
        .find_by_email(&emails.map(str::to_owned))
        .await
        .unwrap();
    let found: Vec<_> = found.iter().map(|users| ids(users)).collect();
    assert_eq!(found, [vec!["1", "5"], vec!["2"], vec!["3", "4"]]);
}

#[tokio::test]
async fn nothing_of_what_is_looked_for_is_run() {
    let (_folder, path) = database(
        "CREATE TABLE users (id TEXT, email TEXT, name TEXT); INSERT INTO users VALUES ('1', 'a@b.c', 'A');",
    );
    let directory = open(&path, &Selection::default()).await;
    for hostile in [
        "' OR 1=1 --",
        "\"; DROP TABLE users; --",
        "?1",
        "\\",
        "\"]') UNION SELECT 1,2,3 --",
    ] {
        let found = directory
            .find_by_email(&[hostile.to_owned()])
            .await
            .unwrap();
        assert_eq!(ids(&found[0]), [""; 0]);
        assert!(
            directory.search(hostile, 9).await.unwrap().is_empty(),
            "{hostile}"
        );
        assert_eq!(
            directory.find_by_id(&UserId::new(hostile)).await.unwrap(),
            None
        );
    }
    assert_eq!(directory.count().await.unwrap(), 1);
    // A query of the operator cannot change anything either: the file is only read.
    let query = Rows::query("DELETE FROM users RETURNING id, email, name");
    let selection = selection(query, ["id", "email", "name"]);
    assert!(
        SqlDirectory::sqlite(&path, &selection, TIMEOUT)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_mistake_is_named_with_the_setting_that_helps() {
    let (folder, path) = database("CREATE TABLE users (id TEXT, mail TEXT, name TEXT);");
    let table = |name: &str| Rows::table(name).unwrap();
    let names = ["id", "mail", "name"];
    for (selection, expected) in [
        (
            selection(table("people"), names),
            "the table \"people\" cannot be read (no such table: people",
        ),
        (
            Selection::default(),
            "the column \"email\" cannot be read (no such column: u.email",
        ),
        (
            selection(table("users"), ["uid", "mail", "name"]),
            "`id_column`",
        ),
        (
            selection(table("users"), ["id", "mail", "full name"]),
            "`name_column`",
        ),
        (
            selection(Rows::query("SELEC 1"), names),
            "`query` in [directory] of host.toml cannot be run",
        ),
        (
            selection(Rows::query("SELECT 1; SELECT 2"), names),
            "`query`",
        ),
        (selection(Rows::query("SELECT 1) --"), names), "`query`"),
        (
            selection(Rows::query("SELECT id FROM users"), names),
            "`email_column`",
        ),
    ] {
        let Err(error) = SqlDirectory::sqlite(&path, &selection, TIMEOUT).await else {
            panic!("{selection:?} is accepted")
        };
        let error = error.to_string();
        assert!(error.contains(expected), "{error}");
    }
    std::fs::write(
        folder.path().join("users.csv"),
        "id,email,name\n".repeat(100),
    )
    .unwrap();
    for (name, expected) in [
        ("missing.sqlite", "No such file"),
        (".", "cannot be opened"),
        ("users.csv", "is not an SQLite database"),
    ] {
        let path = folder.path().join(name);
        let Err(error) = SqlDirectory::sqlite(&path, &Selection::default(), TIMEOUT).await else {
            panic!("{name} is accepted")
        };
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(
        !folder.path().join("missing.sqlite").exists(),
        "a file was made"
    );
}

#[tokio::test]
async fn an_endless_lookup_ends_and_a_new_file_is_noticed() {
    let (folder, path) =
        database("CREATE TABLE users (id, email, name); INSERT INTO users VALUES (1, 'a@b', 'A');");
    let endless = Rows::query(
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, '' AS email, '' AS name FROM n",
    );
    let endless = selection(endless, ["id", "email", "name"]);
    let directory = SqlDirectory::sqlite(&path, &endless, Duration::from_millis(50)).await;
    let error = directory
        .unwrap_or_else(|error| panic!("{error}"))
        .count()
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("took longer than 0.05 s")
    );

    let directory = open(&path, &Selection::default()).await;
    let (_other, newer) =
        database("CREATE TABLE users (id, email, name); INSERT INTO users VALUES (2, 'c@d', 'C');");
    std::fs::copy(newer, folder.path().join("newer")).unwrap();
    std::fs::rename(folder.path().join("newer"), &path).unwrap();
    assert_eq!(ids(&directory.search("", 9).await.unwrap()), ["2"]);
    std::fs::remove_file(&path).unwrap();
    let error = directory.search("", 9).await.unwrap_err().to_string();
    assert!(error.contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn ten_thousand_members_are_one_question() {
    let (_folder, path) = database(
        "CREATE TABLE users (id INTEGER, email TEXT, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
         INSERT INTO users SELECT i, 'User' || i || '@Example.org', 'User ' || i FROM n;",
    );
    let directory = open(&path, &Selection::default()).await;
    let emails: Vec<String> = (0..10_000)
        .map(|number| format!("USER{number}@example.org"))
        .collect();
    let found = directory.find_by_email(&emails).await.unwrap();
    assert_eq!(found.iter().filter(|users| users.len() == 1).count(), 9_999);
}

#[cfg(unix)]
/// As on a read-only mount: what SQLite shares a file through cannot be made beside it.
#[tokio::test]
async fn a_file_in_wal_mode_is_read_where_nothing_can_be_made_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b?c%20d#e.sqlite");
    let writer = Connection::open(&path).unwrap();
    let made = "PRAGMA journal_mode = WAL; CREATE TABLE users (id, email, name);
        INSERT INTO users VALUES (1, 'a@b', 'A');";
    writer.execute_batch(made).unwrap();
    drop(writer);
    let mut shared = path.clone().into_os_string();
    shared.push("-shm");
    std::os::unix::fs::symlink("/nowhere/shared", &shared).unwrap();
    let directory = open(&path, &Selection::default()).await;
    assert_eq!(ids(&directory.search("", 9).await.unwrap()), ["1"]);

    // What was written last is in a log that cannot be read: that is said, and nothing older is told.
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    std::fs::write(log, "written last").unwrap();
    let error = directory.search("", 9).await.unwrap_err().to_string();
    assert!(
        error.contains("WAL mode") && error.contains("journal_mode = DELETE"),
        "{error}"
    );
}
