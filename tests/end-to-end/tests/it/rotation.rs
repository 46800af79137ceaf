//! The sealing key can be exchanged under load and at any risk: nothing is lost, nothing stays sealed
//! with the former key.

use std::fs;
use std::path::Path;
use std::time::Duration;

use end_to_end::{NORTHWIND, Setup, eventually, run_cli};
use integration_host_seal::{KeyRing, KeySource};
use reqwest::Method;
use serde_json::{Value, json};
use toggl_sandbox::Activity;

/// The output of a command of the running host, as JSON, or what it complains about.
async fn command(setup: &Setup, arguments: &[&str]) -> Result<Value, String> {
    let data = setup.options.data.display().to_string();
    let target = ["--json", "--host", &setup.host.url, "--data", &data];
    let output = run_cli(&[arguments, &target].concat(), &[], Path::new("."))
        .await
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

async fn keys(setup: &Setup) -> KeyRing {
    let file = KeySource::File(setup.options.data.join("sealing-key"));
    file.load_existing(Duration::from_secs(1)).await.unwrap()
}

/// Keeps many further values, so that looking through everything takes a while.
async fn store_many(setup: &Setup, connection: &str, count: usize) {
    let ring = keys(setup).await;
    let mut database = rusqlite::Connection::open(setup.options.data.join("host.sqlite")).unwrap();
    database.busy_timeout(Duration::from_secs(60)).unwrap();
    let transaction = database.transaction().unwrap();
    for number in 0..count {
        let key = format!("integration/zz-test/{number:06}");
        let sealed = ring.seal(&["storage", connection, &key], b"value");
        transaction
            .execute(
                "INSERT INTO storage_entries (connection, key, value, version) VALUES (?1, ?2, ?3, 1)",
                (connection, key, sealed),
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// The ids of the keys that something in the database is sealed with.
fn key_ids(setup: &Setup) -> Vec<String> {
    let ids = integration_host_database::key_ids_in(&setup.options.data.join("host.sqlite"));
    ids.unwrap().into_iter().collect()
}

#[tokio::test]
async fn the_key_is_exchanged_while_deliveries_arrive_and_none_is_refused() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    store_many(&setup, id, 2_000).await;
    let former = keys(&setup).await.id();

    let control = setup.toggl().clone();
    let load = tokio::spawn(async move {
        let activity = Activity {
            workspace_id: Some(NORTHWIND),
            per_second: 100.0,
            events: Some(300),
            ..Activity::default()
        };
        control.activity(activity).await.unwrap()
    });
    let mut rotations = 0;
    while !load.is_finished() || rotations == 0 {
        let rotation = command(&setup, &["rotate-key"]).await.unwrap();
        assert_eq!(rotation["former_keys"], "removed", "{rotation}");
        assert_eq!(rotation["key_is_new"], true, "{rotation}");
        assert!(
            rotation["resealed"].as_u64().unwrap() >= 2_000,
            "{rotation}"
        );
        rotations += 1;
    }
    load.await.unwrap();
    setup.settle().await.unwrap();
    let refused: Vec<_> = setup
        .toggl()
        .deliveries()
        .into_iter()
        .flat_map(|delivery| delivery.attempts)
        .filter(|attempt| attempt.status != Some(200))
        .collect();
    assert!(
        refused.is_empty(),
        "{} deliveries were not taken while the key was exchanged {rotations} times: {:?}; the host says: {:?}",
        refused.len(),
        refused.first(),
        setup
            .host
            .log()
            .unwrap()
            .lines()
            .find(|line| line.contains("a delivery failed"))
    );

    let now = keys(&setup).await;
    assert_ne!(now.id(), former);
    assert!(now.older_ids().is_empty(), "the former key is still kept");
    assert_eq!(
        key_ids(&setup),
        [now.id()],
        "something is still sealed with a former key"
    );
    setup.ensure_healthy(id).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    setup.restart().await.unwrap();
    setup.ensure_healthy(id).await.unwrap();
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_rotation_loses_nothing_and_it_goes_on_later() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    store_many(&setup, &id, 5_000).await;
    let former = keys(&setup).await.id();
    let mut cut_off = 0;
    // At every step there is: before anything was sealed again, and after so many values.
    for values in [0, 1, 1_000, 4_000, 6_000] {
        let rotating = setup.host.request(Method::POST, "/sealing-key/rotate");
        let rotating = tokio::spawn(async move { rotating.send().await });
        eventually("a rotation neither goes on nor ends", async || {
            let status = setup.host.get("/sealing-key").await.unwrap();
            let progress = &status["rotation"]["values"];
            rotating.is_finished() || progress.as_u64().is_some_and(|seen| seen >= values)
        })
        .await
        .unwrap();
        setup.host.kill().await.unwrap();
        cut_off += usize::from(
            !rotating
                .await
                .unwrap()
                .is_ok_and(|answer| answer.status().is_success()),
        );
        setup.restart().await.unwrap();
        setup.ensure_healthy(&id).await.unwrap();
        let at_hand = keys(&setup).await;
        for needed in key_ids(&setup) {
            assert!(
                at_hand.has_key(&needed),
                "the key {needed} is gone, and something is sealed with it"
            );
        }
    }
    assert!(cut_off >= 3, "only {cut_off} rotations were cut off");
    let rotation = command(&setup, &["rotate-key"]).await.unwrap();
    assert_eq!(rotation["former_keys"], "removed", "{rotation}");
    let now = keys(&setup).await;
    assert_ne!(now.id(), former);
    assert_eq!(key_ids(&setup), [now.id()]);
    assert!(now.older_ids().is_empty());
    setup.ensure_healthy(&id).await.unwrap();
}

#[tokio::test]
async fn a_key_that_somebody_else_keeps_is_exchanged_there() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let file = setup.options.data.join("sealing-key");
    let former = fs::read_to_string(&file).unwrap().trim().to_owned();
    fs::remove_file(&file).unwrap();

    let variable = "INTEGRATION_HOST_SEALING_KEY".to_owned();
    setup.options.environment = vec![(variable.clone(), former.clone())];
    setup.restart().await.unwrap();
    setup.ensure_healthy(id).await.unwrap();
    assert!(
        !file.exists(),
        "a key from the environment was written to a file"
    );
    let error = command(&setup, &["rotate-key"]).await.unwrap_err();
    assert!(
        error.contains("put a new key there before the present one") && error.contains(&variable),
        "{error}"
    );
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));

    let new = "5e".repeat(32);
    setup.options.environment = vec![(variable.clone(), format!("{new},{former}"))];
    setup.restart().await.unwrap();
    setup.ensure_healthy(id).await.unwrap();
    let rotation = command(&setup, &["rotate-key"]).await.unwrap();
    assert_eq!(
        (&rotation["former_keys"], &rotation["key_is_new"]),
        (&json!("dispensable"), &json!(false)),
        "{rotation}"
    );
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));

    // The new key alone, this time from a program.
    let config = setup.folder.path().join("host.toml");
    let settings = format!("sealing_key_command = [\"echo\", \"{new}\"]\n");
    fs::write(&config, settings).unwrap();
    setup.options.environment.clear();
    setup.options.arguments = vec!["--config".to_owned(), config.display().to_string()];
    setup.restart().await.unwrap();
    setup.ensure_healthy(id).await.unwrap();
    let log = setup.host.log().unwrap();
    for key in [&new, &former] {
        assert!(!log.contains(key.as_str()), "a sealing key is in the log");
    }
}
