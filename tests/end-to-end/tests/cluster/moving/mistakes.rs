//! Every mistake is one sentence, and nothing is lost by it.

use std::fs;

use super::fixture::{Places, complaint};

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_in_one_sentence() {
    let places = Places::start().await;
    let (key, origin, home) = (places.key(), places.shown("origin"), places.shown("home"));
    let place = ["--data", home.as_str(), "--sealing-key-file", key.as_str()];
    places.export(&["--data", &origin], "file").await;
    let text = fs::read_to_string(places.path("file")).unwrap();

    // Another key: nothing sealed is taken over unread.
    let stranger = places.shown("stranger");
    let refused = places.try_import("file", &["--data", &stranger]).await;
    let sentence = complaint(&refused);
    assert!(sentence.contains("--source-sealing-key-file"), "{sentence}");
    places
        .import(
            "file",
            &["--data", &stranger, "--source-sealing-key-file", &key],
        )
        .await;

    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    let changed = text.replacen("Wörk", "Work", 1);
    for (name, contents, expected) in [
        ("nothing", "", "this is not an export"),
        ("other", "{\"header\":{}}\n", "this is not an export"),
        ("newer", newer.as_str(), "written by a newer version"),
        ("changed", changed.as_str(), "not as it was written"),
    ] {
        fs::write(places.path(name), contents).unwrap();
        let data = places.shown(&format!("for-{name}"));
        let place = ["--data", &data, "--sealing-key-file", &key];
        let refused = places.try_import(name, &place).await;
        let sentence = complaint(&refused);
        assert!(sentence.contains(expected), "{name}: {sentence}");
        assert!(!refused.status.success());
    }

    // Something twice: on SQLite and, as the conformance suite has it, everywhere.
    let lines: Vec<&str> = text.lines().collect();
    for kind in ["connection", "member", "subject", "activity"] {
        let mark = format!("{{\"record\":{{\"{kind}\":");
        let line = (lines.iter().position(|line| line.starts_with(&mark))).unwrap();
        let mut doubled = lines.clone();
        doubled.insert(line + 1, lines[line]);
        fs::write(places.path("doubled"), doubled.join("\n") + "\n").unwrap();
        let data = places.shown(&format!("for-doubled-{kind}"));
        let place = ["--data", &data, "--sealing-key-file", &key];
        let refused = places.try_import("doubled", &place).await;
        let sentence = complaint(&refused);
        assert!(
            sentence.contains(&format!("line {} of the export, the {kind} ", line + 2))
                && sentence.contains("it is there already"),
            "{kind}: {sentence}"
        );
    }

    // Something is there already.
    let refused = places.try_import("file", &["--data", &origin]).await;
    let sentence = complaint(&refused);
    assert!(sentence.contains("the ledger is not empty"), "{sentence}");

    // No place at all.
    let missing = places.run(&["export", "--data", &home]).await;
    let sentence = complaint(&missing);
    assert!(sentence.contains("there is no database"), "{sentence}");
    let memory = places.run(&["export", "--storage", "memory:"]).await;
    let sentence = complaint(&memory);
    assert!(sentence.contains("keeps in memory"), "{sentence}");

    // A host, or any other program, has the file open.
    let file = places.path("origin").join("host.sqlite");
    let database = rusqlite::Connection::open(file).unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema";
    database.query_row(tables, [], |_| Ok(())).unwrap();
    let busy = places.run(&["export", "--data", &origin]).await;
    let sentence = complaint(&busy);
    assert!(
        sentence.contains("is in use by another program"),
        "{sentence}"
    );
    drop(database);
    places.import("file", &place).await;
}
