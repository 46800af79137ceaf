//! A backup of a running host and its key bring everything back, elsewhere and later.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use end_to_end::{HostProcess, NORTHWIND, Setup, TOMAS, eventually, run_cli};
use jiff::SignedDuration;
use serde_json::Value;
use toggl_sandbox::Activity;
use toggl_sandbox::control::{StartTimer, StopTimer};

async fn backup(setup: &Setup, file: &Path, further: &[&str]) -> Output {
    let data = setup.options.data.display().to_string();
    let file = file.display().to_string();
    let arguments = [
        "backup",
        &file,
        "--json",
        "--host",
        &setup.host.url,
        "--data",
        &data,
    ];
    run_cli(&[&arguments, further].concat(), &[], Path::new("."))
        .await
        .unwrap()
}

async fn restore(file: &Path, data: &Path, further: &[&str]) -> Output {
    let (file, data) = (file.display().to_string(), data.display().to_string());
    let arguments = ["restore", &file, "--json", "--data", &data];
    run_cli(&[&arguments, further].concat(), &[], Path::new("."))
        .await
        .unwrap()
}

fn answer(output: Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line in which a command complains, after its progress.
fn complaint(output: Output) -> String {
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    let mut complaints = error.lines().filter(|line| line.starts_with("error: "));
    let complaint = complaints
        .next()
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned();
    assert_eq!(complaints.next(), None, "{error}");
    complaint
}

#[tokio::test]
async fn a_backup_made_under_load_and_its_key_bring_everything_back() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    let control = setup.toggl().clone();
    let load = tokio::spawn(async move {
        let activity = Activity {
            workspace_id: Some(NORTHWIND),
            per_second: 100.0,
            events: Some(200),
            ..Activity::default()
        };
        control.activity(activity).await.unwrap()
    });
    eventually("nothing arrived", async || {
        let list = setup
            .host
            .get("/activities?include=unmapped")
            .await
            .unwrap();
        let has_arrived = !list["activities"].as_array().unwrap().is_empty();
        assert!(has_arrived || !load.is_finished(), "nothing arrived");
        has_arrived
    })
    .await
    .unwrap();
    let file = setup.folder.path().join("backup.sqlite");
    let written = answer(backup(&setup, &file, &[]).await);
    load.await.unwrap();
    setup.settle().await.unwrap();
    assert_eq!(written["connections"], 1, "{written}");
    assert_eq!(
        written["sealing_key_ids"].as_array().unwrap().len(),
        1,
        "{written}"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().len(),
        written["size_bytes"].as_u64().unwrap()
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let names: Vec<_> = fs::read_dir(&setup.options.data)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().all(|name| !name.contains("copy")),
        "the host left its copy behind: {names:?}"
    );
    let bytes = fs::read(&file).unwrap();
    for (what, text) in [
        ("token", setup.sandbox.token().to_owned()),
        (
            "sealing key",
            fs::read_to_string(setup.options.data.join("sealing-key")).unwrap(),
        ),
    ] {
        let found = bytes
            .windows(32)
            .any(|window| window == &text.as_bytes()[..32]);
        assert!(!found, "the {what} is in the backup");
    }

    // It is not overwritten by chance.
    let refused = complaint(backup(&setup, &file, &[]).await);
    assert!(refused.contains("--force"), "{refused}");
    let again = answer(backup(&setup, &file, &["--force"]).await);
    assert_eq!(
        fs::metadata(&file).unwrap().len(),
        again["size_bytes"].as_u64().unwrap()
    );

    let all = "/activities?include=unmapped,deleted&limit=1000";
    let before = setup.host.get(all).await.unwrap();
    let users = setup
        .host
        .get(&format!("/connections/{id}/users"))
        .await
        .unwrap();
    let key = setup.folder.path().join("key-copy");
    fs::copy(setup.options.data.join("sealing-key"), &key).unwrap();
    // The machine is lost.
    setup.host.kill().await.unwrap();
    fs::remove_dir_all(&setup.options.data).unwrap();

    let data = setup.folder.path().join("restored");
    let key = key.display().to_string();
    let restored = answer(restore(&file, &data, &["--sealing-key-file", &key]).await);
    assert_eq!(restored["connections"], 1, "{restored}");
    setup.options.data = data;
    setup.restart().await.unwrap();
    assert_eq!(
        setup.host.get(all).await.unwrap()["activities"],
        before["activities"]
    );
    let now = setup
        .host
        .get(&format!("/connections/{id}/users"))
        .await
        .unwrap();
    assert_eq!(now["users"], users["users"], "mappings were lost");
    setup.ensure_healthy(&id).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_after_the_backup_is_read_again_after_a_restore() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let file = setup.folder.path().join("backup.sqlite");
    answer(backup(&setup, &file, &[]).await);
    let timer = StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    let entry = setup.toggl().start_timer(timer).unwrap();
    setup
        .toggl()
        .stop_timer(StopTimer {
            entry_id: Some(entry.id),
            stop: Some(entry.start + SignedDuration::from_mins(5)),
            ..StopTimer::default()
        })
        .unwrap();
    setup.settle().await.unwrap();
    setup.host.kill().await.unwrap();
    let data = setup.folder.path().join("restored");
    let key = setup.options.data.join("sealing-key").display().to_string();
    answer(restore(&file, &data, &["--sealing-key-file", &key]).await);
    setup.options.data = data;
    setup.restart().await.unwrap();
    assert_eq!(setup.activity(entry.id).await.unwrap(), Value::Null);
    eventually("an entry stays lost after a restore", async || {
        setup.activity(entry.id).await.unwrap() != Value::Null
    })
    .await
    .unwrap();
}

/// A backup and the key it is sealed with, of a host that has stopped.
async fn stopped() -> (Setup, PathBuf, PathBuf) {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let file = setup.folder.path().join("backup.sqlite");
    answer(backup(&setup, &file, &[]).await);
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let key = setup.options.data.join("sealing-key");
    (setup, file, key)
}

#[tokio::test]
async fn a_restore_that_cannot_succeed_says_why_and_leaves_nothing() {
    let (setup, file, key) = stopped().await;
    let folder = setup.folder.path();
    let data = folder.join("restored");
    let key = key.display().to_string();
    let other_key = folder.join("other-key");
    fs::write(&other_key, "ab".repeat(32)).unwrap();
    fs::set_permissions(&other_key, fs::Permissions::from_mode(0o600)).unwrap();
    let other_key = other_key.display().to_string();

    let used = complaint(restore(&file, &setup.options.data, &[]).await);
    assert!(
        used.contains("is not empty") && used.contains("--data"),
        "{used}"
    );

    let bytes = fs::read(&file).unwrap();
    let variant = |name: &str, change: &dyn Fn(&rusqlite::Connection)| {
        let path = folder.join(name);
        fs::write(&path, &bytes).unwrap();
        change(&rusqlite::Connection::open(&path).unwrap());
        path
    };
    let cut = folder.join("cut.sqlite");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let text = folder.join("text.sqlite");
    fs::write(&text, "no database").unwrap();
    let empty = folder.join("empty.sqlite");
    fs::write(&empty, "").unwrap();
    let newer = variant("newer.sqlite", &|database| {
        database.execute_batch("PRAGMA user_version = 999").unwrap();
    });
    let swapped = variant("swapped.sqlite", &|database| {
        let moved = "UPDATE storage_entries SET key = key || 'x' WHERE key LIKE 'secret/%'";
        assert_eq!(database.execute(moved, []).unwrap(), 1);
    });
    let missing = folder.join("missing.sqlite");
    for (file, key, expected) in [
        (&cut, None, "is no whole backup"),
        (&text, None, "is no whole backup"),
        (&empty, None, "is no whole backup"),
        (&missing, None, "cannot copy"),
        (&newer, None, "newer version"),
        (&swapped, Some(&key), "choose another backup"),
        (&file, Some(&other_key), "is sealed with the key"),
    ] {
        let further: Vec<&str> = key
            .into_iter()
            .flat_map(|key| ["--sealing-key-file", key.as_str()])
            .collect();
        let why = complaint(restore(file, &data, &further).await);
        assert!(why.contains(expected), "{}: {why}", file.display());
        assert!(
            !data.exists(),
            "{}: something was left behind",
            file.display()
        );
    }
    let output = restore(&file, &data, &["--sealing-key-file", &key]).await;
    answer(output);
}

#[tokio::test]
async fn a_lost_key_is_asked_for_and_not_replaced_by_another() {
    let (mut setup, file, key) = stopped().await;
    let data = setup.folder.path().join("restored");
    let restored = answer(restore(&file, &data, &[]).await);
    assert_eq!(restored["sealing_key"], Value::Null);
    let id = restored["sealing_key_ids"][0].as_str().unwrap().to_owned();

    setup.options.data = data.clone();
    let refused = HostProcess::start(&setup.options)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains(&id) && refused.contains("is missing"),
        "{refused}"
    );
    assert!(!data.join("sealing-key").exists(), "another key was made");
    fs::copy(&key, data.join("sealing-key")).unwrap();
    setup.restart().await.unwrap();
    let connections = setup.host.get("/connections").await.unwrap();
    assert_eq!(
        connections["connections"][0]["status"], "active",
        "{connections}"
    );
}

#[tokio::test]
async fn what_is_in_memory_only_cannot_be_backed_up() {
    let setup = Setup::builder()
        .arguments(&["--storage", "memory:"])
        .start()
        .await
        .unwrap();
    let file = setup.folder.path().join("backup.sqlite");
    let why = complaint(backup(&setup, &file, &[]).await);
    assert!(why.contains("--storage sqlite:PATH"), "{why}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_key_that_is_in_place_is_in_no_restores_way() {
    let setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let file = setup.folder.path().join("backup.sqlite");
    answer(backup(&setup, &file, &[]).await);
    // As it is left when a restore was killed, and the next attempt did not succeed.
    let data = setup.folder.path().join("restored");
    fs::create_dir(&data).unwrap();
    let (key, kept) = (
        setup.options.data.join("sealing-key"),
        data.join("sealing-key"),
    );
    fs::copy(&key, &kept).unwrap();
    let given = ["--sealing-key-file", &key.display().to_string()];
    complaint(restore(&setup.folder.path().join("none"), &data, &given).await);
    assert_eq!(fs::read(&kept).unwrap(), fs::read(&key).unwrap());
    answer(restore(&file, &data, &given).await);
    // With anything else there it is refused.
    let sentence = complaint(restore(&file, &data, &given).await);
    assert!(sentence.contains("not empty"), "{sentence}");
}

/// The files in a directory that are being written: their names, and whether only their owner can read them.
fn being_written(directory: &Path, mark: &str) -> Vec<(PathBuf, bool)> {
    let files = fs::read_dir(directory).unwrap().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().contains(mark));
    files
        .filter_map(|file| {
            let metadata = file.metadata().ok()?;
            let is_private = metadata.permissions().mode() & 0o077 == 0;
            (metadata.len() > 0).then(|| (file.path(), is_private))
        })
        .collect()
}

/// Waits until something is being written in a directory.
async fn until_being_written(directory: &Path, mark: &str) {
    eventually("nothing was written", async || {
        !being_written(directory, mark).is_empty()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_killed_backup_leaves_is_private_and_removed_by_the_next() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    // Enough for a copy to take a moment.
    let data = setup.options.data.clone();
    let database = rusqlite::Connection::open(data.join("host.sqlite")).unwrap();
    database
        .execute_batch("CREATE TABLE ballast (weight BLOB)")
        .unwrap();
    for _ in 0..16 {
        let weight = "INSERT INTO ballast VALUES (zeroblob(8000000))";
        database.execute(weight, []).unwrap();
    }
    drop(database);
    setup.restart().await.unwrap();
    let folder = setup.folder.path().join("backups");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("monday.sqlite");
    let begin = |setup: &Setup| {
        tokio::process::Command::new(end_to_end::host_program().unwrap())
            .arg("backup")
            .arg(&file)
            .args(["--host", &setup.host.url, "--data"])
            .arg(&setup.options.data)
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };

    let mut command = begin(&setup);
    until_being_written(&folder, "monday").await;
    command.kill().await.unwrap();
    let mut command = begin(&setup);
    until_being_written(&data, ".copy-").await;
    setup.host.kill().await.unwrap();
    assert!(!command.wait().await.unwrap().success());
    for (directory, mark) in [(&folder, "monday"), (&data, ".copy-")] {
        for (path, is_private) in being_written(directory, mark) {
            assert!(is_private, "others can read {}", path.display());
        }
    }
    assert!(!being_written(&data, ".copy-").is_empty());
    assert!(!file.exists(), "a part of a backup is taken for one");

    setup.restart().await.unwrap();
    answer(backup(&setup, &file, &[]).await);
    let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(being_written(&data, ".copy-"), []);
}
