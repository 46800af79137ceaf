//! Whatever interrupts an import, the same command goes on.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use end_to_end::eventually;
use rusqlite::Connection;

use super::fixture::{Places, complaint};

/// How many lines of an import are in.
fn lines_in(places: &Places, place: &str) -> u64 {
    let database = Connection::open(places.path(place).join("host.sqlite"));
    let lines = database.and_then(|database| {
        database.query_row("SELECT lines FROM arrived_export", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    lines.map_or(0, |lines| lines.unsigned_abs())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_goes_on_and_no_host_starts_before() {
    let places = Places::start().await;
    let (key, origin, home) = (places.key(), places.shown("origin"), places.shown("home"));
    let before = places.export(&["--data", &origin], "file").await;
    let text = fs::read(places.path("file")).unwrap();

    let program = end_to_end::host_program().unwrap();
    let mut child = Command::new(program)
        .args(["import", "-", "--json", "--data", &home])
        .args(["--sealing-key-file", &key])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&text[..text.len() * 2 / 3]).unwrap();
    eventually("nothing arrives", async || lines_in(&places, "home") > 0)
        .await
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(input);

    let component = end_to_end::component().unwrap();
    let component = component.display().to_string();
    let host = places
        .run(&[
            "serve",
            "--data",
            &home,
            "--component",
            &component,
            "--listen",
            "127.0.0.1:0",
            "--sealing-key-file",
            &key,
        ])
        .await;
    assert!(
        complaint(&host).contains("a part of an export only"),
        "a host serves half of what there was: {}",
        complaint(&host)
    );

    let place = ["--data", home.as_str(), "--sealing-key-file", key.as_str()];
    let imported = places.import("file", &place).await;
    assert!(
        imported["lines_before"].as_u64().unwrap() >= 5000,
        "{imported}"
    );
    let after = places.export(&place, "again").await;
    assert_eq!(before, after);

    let again = places.import("file", &place).await;
    assert_eq!(again["counts"], serde_json::Value::Null, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_or_damaged_says_so_and_a_whole_one_goes_on() {
    let places = Places::start().await;
    let (key, origin, home) = (places.key(), places.shown("origin"), places.shown("home"));
    let before = places.export(&["--data", &origin], "file").await;
    let text = fs::read_to_string(places.path("file")).unwrap();
    let place = ["--data", home.as_str(), "--sealing-key-file", key.as_str()];

    fs::write(places.path("cut"), &text[..text.len() - 100_000]).unwrap();
    let cut = places.try_import("cut", &place).await;
    assert!(
        complaint(&cut).contains("it was cut off"),
        "{}",
        complaint(&cut)
    );
    assert_eq!(cut.status.code(), Some(1));

    let mut lines: Vec<&str> = text.lines().collect();
    let whole = lines[11_000];
    lines[11_000] = &whole[..whole.len() / 2];
    fs::write(places.path("damaged"), lines.join("\n") + "\n").unwrap();
    let damaged = places.try_import("damaged", &place).await;
    let sentence = complaint(&damaged);
    assert!(
        sentence.contains("line 11001 of the export is damaged"),
        "{sentence}"
    );

    places.import("file", &place).await;
    assert_eq!(before, places.export(&place, "again").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_export_leaves_is_private_and_removed_by_the_next() {
    let places = Places::start().await;
    let exports = places.path("exports");
    fs::create_dir(&exports).unwrap();
    let (file, origin) = (places.shown("exports/file"), places.shown("origin"));
    let begun = || -> Vec<fs::DirEntry> {
        let files = fs::read_dir(&exports).unwrap().flatten();
        files
            .filter(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 0))
            .collect()
    };
    let mut child = Command::new(end_to_end::host_program().unwrap())
        .args(["export", "--output", &file, "--data", &origin])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("nothing is written", async || !begun().is_empty())
        .await
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let left = begun();
    assert_eq!(left.len(), 1);
    assert_ne!(
        left[0].path(),
        places.path("exports/file"),
        "a part of an export is taken for one, or it was too fast to be killed"
    );
    let mode = left[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read names and descriptions");

    places.export(&["--data", &origin], "exports/file").await;
    let names: Vec<_> = begun().iter().map(fs::DirEntry::file_name).collect();
    assert_eq!(names, ["file"]);
}
