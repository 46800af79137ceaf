//! What is lost or half made is never taken for a place where nothing ever was.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use end_to_end::{HostProcess, NORTHWIND, Setup, eventually, run_cli};
use test_services::TestDatabase;

/// Why a host does not start.
async fn refusal(setup: &Setup) -> String {
    let refused = HostProcess::start(&setup.options).await.err();
    refused.expect("the host starts").to_string()
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A host with a connection that was killed, so that its write-ahead log was not written into the database.
async fn killed(arguments: &[&str]) -> Setup {
    let mut setup = Setup::builder().arguments(arguments).start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    setup.host.kill().await.unwrap();
    setup
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_replaced_and_its_log_not_destroyed() {
    let mut setup = killed(&[]).await;
    let database = setup.options.data.join("host.sqlite");
    let log = beside(&database, "-wal");
    let aside = setup.folder.path().join("aside");
    let committed = fs::read(&log).unwrap();
    fs::rename(&database, &aside).unwrap();

    for arguments in [vec![], vec!["--new".to_owned()]] {
        setup.options.arguments = arguments;
        let sentence = refusal(&setup).await;
        assert!(
            sentence.contains("host.sqlite is missing")
                && sentence.contains("put the database back"),
            "{sentence}"
        );
        assert_eq!(fs::read(&log).unwrap(), committed, "the log was changed");
    }
    setup.options.arguments = Vec::new();
    fs::rename(&aside, &database).unwrap();
    setup.restart().await.unwrap();
    assert!(setup.count_activities().await.unwrap() > 0);

    // With its log too, or as an empty file.
    setup.host.kill().await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&database, suffix)).unwrap();
    }
    for sign in ["cache", "sealing-key", "admin-token"] {
        let sentence = refusal(&setup).await;
        for part in ["host.sqlite is missing", sign, "restore", "--new"] {
            assert!(sentence.contains(part), "{sentence}");
        }
        fs::write(&database, "").unwrap();
        let path = setup.options.data.join(sign);
        fs::rename(path, setup.folder.path().join(sign)).unwrap();
    }
    let sentence = {
        fs::write(setup.options.data.join("sealing-key"), "ab".repeat(32)).unwrap();
        refusal(&setup).await
    };
    assert!(sentence.contains("--new"), "{sentence}");
    fs::remove_file(setup.options.data.join("sealing-key")).unwrap();
    setup.restart().await.unwrap();
    assert_eq!(setup.count_activities().await.unwrap(), 0);
    setup.host.kill().await.unwrap();
    setup.options.arguments = vec!["--new".to_owned()];
    let sentence = refusal(&setup).await;
    assert!(sentence.contains("leave out --new"), "{sentence}");
}

#[tokio::test]
async fn one_of_two_databases_that_is_gone_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let (ledger, storage) = (place("ledger"), place("storage"));
    let mut setup = killed(&["--ledger", &ledger, "--storage", &storage]).await;
    for name in ["ledger", "storage"] {
        setup.restart().await.unwrap();
        // In order, so that nothing but the database shows that it was there.
        assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
        let database = folder.path().join(name);
        let aside = folder.path().join("aside");
        fs::rename(&database, &aside).unwrap();
        let sentence = refusal(&setup).await;
        assert!(
            sentence.contains(&format!("{name} is missing")) && sentence.contains("--new"),
            "{sentence}"
        );
        assert!(!database.exists(), "an empty {name} was made");
        fs::rename(&aside, &database).unwrap();
    }
    setup.restart().await.unwrap();
    assert!(setup.count_activities().await.unwrap() > 0);
}

#[tokio::test]
async fn a_ledger_that_a_server_lost_is_not_replaced_by_an_empty_one() {
    let databases = (
        TestDatabase::create().unwrap(),
        TestDatabase::create().unwrap(),
    );
    let (Some(first), Some(second)) = databases else {
        return;
    };
    let kept_in = |database: &TestDatabase| {
        let url = database.url();
        ["--storage", &url, "--ledger", &url].map(str::to_owned)
    };
    let arguments = kept_in(&first);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut setup = killed(&arguments).await;
    // As if the server had begun anew.
    setup.options.arguments = kept_in(&second).to_vec();
    for _ in 0..2 {
        let sentence = refusal(&setup).await;
        for part in ["is empty", "ledger-id", "--new"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }
    setup.options.arguments = kept_in(&first).to_vec();
    setup.restart().await.unwrap();
    assert!(setup.count_activities().await.unwrap() > 0);
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    setup.options.arguments = kept_in(&second).to_vec();
    setup.options.arguments.push("--new".to_owned());
    setup.restart().await.unwrap();
    assert_eq!(setup.count_activities().await.unwrap(), 0);
}

#[tokio::test]
async fn a_restore_that_was_killed_goes_on_and_is_never_taken_for_a_new_place() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    let file = setup
        .folder
        .path()
        .join("backup.sqlite")
        .display()
        .to_string();
    let data = setup.options.data.display().to_string();
    let url = setup.host.url.clone();
    let backup = ["backup", &file, "--host", &url, "--data", &data];
    let made = run_cli(&backup, &[], Path::new(".")).await.unwrap();
    assert!(made.status.success());
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let key = setup.options.data.join("sealing-key").display().to_string();

    let mut unfinished = 0;
    for round in 0..8 {
        let restored = setup.folder.path().join(format!("restored-{round}"));
        let data = restored.display().to_string();
        let restore = [
            "restore",
            &file,
            "--data",
            &data,
            "--sealing-key-file",
            &key,
        ];
        let mut child = tokio::process::Command::new(end_to_end::host_program().unwrap())
            .args(restore)
            .spawn()
            .unwrap();
        // Killed as soon as it has begun, and a little later each time.
        let draft = restored.join("host.sqlite.draft");
        eventually("it neither begins nor ends", async || {
            draft.exists() || child.try_wait().unwrap().is_some()
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(round * 10)).await;
        child.kill().await.unwrap();
        setup.options.data = restored.clone();
        if draft.exists() {
            unfinished += 1;
            let sentence = refusal(&setup).await;
            assert!(sentence.contains("restore` again"), "{sentence}");
            let again = run_cli(&restore, &[], Path::new(".")).await.unwrap();
            let error = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(again.status.success(), "{error}");
        }
        assert!(!draft.exists());
        setup.restart().await.unwrap();
        assert!(
            setup.count_activities().await.unwrap() > 0,
            "the host began an empty ledger"
        );
        assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    }
    assert!(unfinished > 0, "no restore was killed in time");
}
