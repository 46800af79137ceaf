use super::*;
use integration_host_contract::clock::ManualClock;

fn write(name: &str, content: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

fn load(name: &str, content: &str) -> FileDirectory {
    let (_directory, path) = write(name, content);
    FileDirectory::load(path).unwrap_or_else(|error| panic!("{content:?}: {error}"))
}

#[tokio::test]
async fn files_are_read_as_spreadsheets_and_other_programs_write_them() {
    for (name, content) in [
        (
            "u.csv",
            "id;email;name\r\n1;ada@example.org;Ada\r\n;;\r\n2;;\r\n;;\r\n",
        ),
        (
            "u.csv",
            "sep=;\r\nid;email;name\r\n1;ada@example.org;Ada\r\n2;;\r\n",
        ),
        (
            "u.csv",
            "\r\n;;\r\nsep=;\r\n;;\r\nid;email;name\r\n1;ada@example.org;Ada\r\n2;;\r\n",
        ),
        (
            "u.csv",
            "\n\"id\";email;name;notes\n1;ada@example.org;Ada;\"a\n\"\"b\"\"; c\"\n2;;;5\" wide\n",
        ),
        (
            "u.csv",
            "\"ID\";\"Email\";\"Name\"\n1;\"ada@example.org\";Ada\n2;;\n",
        ),
        ("u.csv", "id\temail\tname\n1\tada@example.org\tAda\n2\t\t\n"),
        (
            "u.csv",
            "id,email,name,\n1,ada@example.org,Ada,,,\n,,,\n \n2,,,\n",
        ),
        (
            "u.csv",
            "id,email,name\n1,\u{feff}ada@\u{200b}example.org,Ada\n2,\u{200b},\n",
        ),
        (
            "u.json",
            r#"[{"id":1,"email":"ada@example.org","name":"Ada"},{"id":2,"email":null,"name":null}]"#,
        ),
        (
            "u.json",
            r#"[{"id":"1","email":"ada@example.org","name":"Ada"},{"id":2}]"#,
        ),
    ] {
        let users = load(name, content);
        let found = users
            .find_by_email(&["Ada@Example.org".to_owned()])
            .await
            .unwrap();
        assert_eq!(ids(&found[0]), ["1"], "{content:?}");
        let all = users.search("", 10).await.unwrap();
        assert_eq!(ids(&all), ["2", "1"], "{content:?}");
        assert_eq!(all[0].name, "2", "{content:?}");
    }
}

#[test]
fn what_cannot_be_an_address_is_counted_with_the_place_of_the_first() {
    let (_directory, path) = write(
        "u.csv",
        "id,email,name\n1,ada@example.org,A\n2,nobody,B\n3,,C\n4,a@b.c d@e.f,D\n",
    );
    let doubtful = parse::read(&path).unwrap().doubtful;
    assert_eq!((doubtful.number, doubtful.first.as_str()), (2, "line 3"));
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
            ", line 1, has no column `name`: the first line must name the columns id,email,name",
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
            "u.csv",
            b"id,email,name\n1,a@b,A\n2,c@d,Doe, Jane\n",
            ", line 3, has 4 fields where the first line has 3: put a field that contains “,” in",
        ),
        // Spreadsheets write columns without a name.
        (
            "u.csv",
            b"id,email,name,,\n1,a@b,Doe, Jane,\n",
            ", line 2, has 5 fields where the first line has 3",
        ),
        (
            "u.csv",
            b"\n;;\nid;email;name\n1;a@b;Doe; Jane\n",
            ", line 4, has 4 fields",
        ),
        (
            "u.csv",
            b"id,email,name\n1,a@b,A\n2,c@d,\"C\n3,e@f,E\n",
            ", line 3, opens a quotation mark that nothing closes",
        ),
        (
            "u.csv",
            b"id,email,name\n1,a@b,\"A\n2,c@d,C\n3,e@f,\"E\"\n",
            ", line 2, has a field that holds the line after it",
        ),
        (
            "u.csv",
            b"sep=;\r\nid;email;name\r\n1;a@b;Doe; Jane\r\n",
            ", line 3, has 4 fields",
        ),
        (
            "u.csv",
            b"id|email|name\n1|a@b|A\n",
            ", line 1, has no column `id`: the first line must name the columns id,email,name, with a comma",
        ),
        (
            "u.csv",
            b"id,email,email,name\n1,a@b,c@d,A\n",
            ", line 1, has the column `email` twice",
        ),
        (
            "u.json",
            b"[{\"id\":true,\"name\":\"A\"}]",
            "it must be a text or a number",
        ),
        (
            "u.json",
            b"[{\"id\":null,\"name\":\"A\"}]",
            ", entry 1, has an empty id",
        ),
        ("u.json", b"[{\"name\":\"A\"}]", "missing field `id`"),
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
