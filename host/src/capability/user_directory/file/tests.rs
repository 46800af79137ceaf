use super::*;
use crate::clock::ManualClock;

fn write(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn problem(name: &str, content: impl AsRef<[u8]>) -> String {
    let (_directory, path) = write(name, content);
    let Err(error) = FileDirectory::load(&path) else {
        panic!("accepted a malformed file")
    };
    let error = error.to_string();
    assert!(
        error.starts_with(&format!("the user directory {}", path.display())),
        "{error}"
    );
    error
}

fn ids(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.id.as_str()).collect()
}

const CSV: &str = "\u{feff}name , team,ID,email\n\
    \"Doe, Jane\",a,u-1,Jane@Example.org\n\
    Bob,b,u-2, bob@example.org \n\
    Ärne,c,u-3,\n\
    Bob the second,d,u-4,BOB@example.org\n";

#[tokio::test]
async fn users_are_found_by_address_id_and_any_part() {
    let json = r#"[{"id":"u-1","email":"Jane@Example.org","name":"Doe, Jane","team":1},
        {"id":"u-2","email":"bob@example.org","name":"Bob"},{"id":"u-3","email":null,"name":"Ärne"},
        {"id":"u-4","email":"BOB@example.org","name":"Bob the second"}]"#;
    for (name, content) in [
        ("users.csv", CSV),
        ("users", CSV),
        ("users.json", json),
        ("users", json),
    ] {
        let (_directory, path) = write(name, content);
        let users = FileDirectory::load(path).unwrap();
        assert_eq!(users.len(), 4);
        let emails = [
            " JANE@example.org",
            "bob@EXAMPLE.org",
            "nobody@example.org",
            "",
        ]
        .map(str::to_owned);
        let found = users.find_by_email(&emails).await.unwrap();
        let found: Vec<Vec<&str>> = found.iter().map(|users| ids(users)).collect();
        assert_eq!(found, [vec!["u-1"], vec!["u-2", "u-4"], vec![], vec![]]);

        let jane = users
            .find_by_id(&UserId::new("u-1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (jane.name.as_str(), jane.email.as_deref()),
            ("Doe, Jane", Some("Jane@Example.org"))
        );
        assert!(
            users
                .find_by_id(&UserId::new("U-1"))
                .await
                .unwrap()
                .is_none()
        );

        for (query, limit, expected) in [
            ("", 10, &["u-2", "u-4", "u-1", "u-3"][..]),
            ("", 2, &["u-2", "u-4"]),
            ("BOB", 10, &["u-2", "u-4"]),
            ("äRN", 10, &["u-3"]),
            ("u-1", 10, &["u-1"]),
            ("example.org", 10, &["u-2", "u-4", "u-1"]),
            ("bobbob", 10, &[]),
            ("o", 0, &[]),
        ] {
            let found = users.search(query, limit).await.unwrap();
            assert_eq!(ids(&found), expected, "search for {query:?}");
        }
    }
}

#[test]
fn a_mistake_is_named_with_its_line_and_remedy() {
    for (name, content, expected) in [
        (
            "u.csv",
            &b"id,email\n1,a"[..],
            ", line 1, has no column `name`: the first line must name",
        ),
        ("u.csv", b"", ", line 1, has no column `id`"),
        (
            "u.csv",
            b"id,email,name\n1,a@b,A\n\n ,c@d,C\n",
            ", line 4, has an empty id: give",
        ),
        (
            "u.csv",
            b"id,email,name\n1,a@b,A\n1,c@d,C\n",
            ", line 3, repeats the id `1` of line 2: give",
        ),
        (
            "u.csv",
            b"id,email,name\n1\n",
            ", line 2, has 1 fields where the first line has 3: add",
        ),
        (
            "u.csv",
            b"id,email,name\n1,a,\xff\n",
            ", line 2, is not UTF-8: save",
        ),
        ("u.json", b"{}", ", line 1, must be a JSON array"),
        (
            "u.json",
            b"[{\"id\":1,\"name\":\"A\"}]",
            ", line 1, must be a JSON array",
        ),
        (
            "u.json",
            b"[\n{\"id\":\"1\",\"name\":\"A\"},\n{\"id\":\"1\",\"name\":\"A\"}]",
            ", entry 2, repeats",
        ),
        ("u.json", b"[", ", line 1, must be a JSON array"),
    ] {
        let error = problem(name, content);
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let Err(missing) = FileDirectory::load("/nowhere/users.csv") else {
        panic!("a missing file was read")
    };
    assert!(
        missing
            .to_string()
            .starts_with("the user directory /nowhere/users.csv cannot be read")
    );
}

#[tokio::test]
async fn a_change_is_noticed_and_a_broken_version_is_not_used() {
    let (_directory, path) = write("users.csv", "id,email,name\n1,a@b,A\n");
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let users = FileDirectory::load_with_clock(&path, clock.clone()).unwrap();
    let count = async || users.search("", 10).await.unwrap().len();

    std::fs::write(&path, "id,email,name\n1,a@b,A\n2,c@d,C\n").unwrap();
    assert_eq!(count().await, 1, "the file was read again within a second");
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(count().await, 2);

    std::fs::write(&path, "id,email\n").unwrap();
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(count().await, 2, "a broken file emptied the directory");
    std::fs::remove_file(&path).unwrap();
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(count().await, 2, "a missing file emptied the directory");
    std::fs::write(&path, "id,email,name\n3,e@f,E\n").unwrap();
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_hundred_thousand_users_are_searched() {
    let mut csv = "id,email,name\n".to_owned();
    for number in 0..100_000 {
        csv.push_str(&format!(
            "u-{number},user{number}@example.org,User Number {number:06}\n"
        ));
    }
    let (_directory, path) = write("users.csv", csv);
    let users = FileDirectory::load(path).unwrap();
    let found = users.search("USER99999@", 10).await.unwrap();
    assert_eq!(ids(&found), ["u-99999"]);
    assert_eq!(users.search("example", 20).await.unwrap().len(), 20);
    assert!(users.search("nobody", 20).await.unwrap().is_empty());
}
