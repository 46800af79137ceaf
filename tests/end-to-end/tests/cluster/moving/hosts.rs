//! A host goes on elsewhere as if it had never been moved.

use end_to_end::cluster::Cluster;
use end_to_end::{HostProcess, NORTHWIND, Setup, unlimited_scenario};
use test_services::TestDatabase;

use super::fixture::{Places, complaint};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_moves_to_postgres_goes_on_with_its_webhooks_and_users() {
    let Some(database) = TestDatabase::create().unwrap() else {
        return;
    };
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap().to_owned();
    setup.ensure_deliveries_arrive().await.unwrap();
    let team = format!("/connections/{id}/users");
    let users = setup.host.get(&team).await.unwrap();
    let feed = setup.host.get("/activities/changes?after=0").await.unwrap();
    let subscriptions = setup.toggl().subscriptions();
    setup.keep_address();

    let places = Places {
        folder: tempfile::tempdir().unwrap(),
    };
    let data = setup.options.data.display().to_string();
    let running = places.run(&["export", "--data", &data]).await;
    let sentence = complaint(&running);
    assert!(sentence.contains("stop it first"), "{sentence}");
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let lines = places.export(&["--data", &data], "file").await;
    let token = setup.sandbox.token().to_owned();
    assert!(
        !lines.iter().any(|line| line.contains(&token)),
        "the API token is in the export in clear"
    );

    let (url, far) = (database.url(), places.shown("far"));
    let former_key = format!("{data}/sealing-key");
    places
        .import(
            "file",
            &[
                "--storage",
                &url,
                "--data",
                &far,
                "--source-sealing-key-file",
                &former_key,
            ],
        )
        .await;
    setup.options.data = places.path("far");
    setup.options.arguments = vec!["--storage".to_owned(), url];
    setup.host = HostProcess::start(&setup.options).await.unwrap();

    let moved = setup.host.get(&team).await.unwrap();
    assert_eq!(moved, users, "somebody is mapped to another");
    let moved = setup.host.get("/activities/changes?after=0").await.unwrap();
    assert_eq!(
        moved["activities"], feed["activities"],
        "the feed tells something else"
    );
    let place = feed["next"].as_str().unwrap();
    let address = format!("/activities/changes?after={place}");
    let request = setup.host.request(reqwest::Method::GET, &address);
    let gone = request.send().await.unwrap();
    assert_eq!(
        gone.status(),
        410,
        "whoever follows the feed would not notice that it goes on elsewhere"
    );
    setup.ensure_healthy(&id).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    assert_eq!(
        setup.toggl().subscriptions().len(),
        subscriptions.len(),
        "the webhook was made anew"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_ledger_is_not_exported_while_a_host_runs_and_is_once_it_is_stopped() {
    // So that nobody waits long for a sign of life.
    let often = "[background]\nheartbeat_ms = 500\n";
    let cluster = Cluster::start(1, unlimited_scenario(), often).await;
    let Some(mut cluster) = cluster.unwrap() else {
        return;
    };
    cluster.connect(NORTHWIND).await.unwrap();
    let places = Places {
        folder: tempfile::tempdir().unwrap(),
    };
    std::fs::write(places.path("host.toml"), often).unwrap();
    let (config, url, data) = (
        places.shown("host.toml"),
        cluster.database().url(),
        places.shown("elsewhere"),
    );
    let place = ["--config", &config, "--storage", &url, "--data", &data];

    let file = places.shown("file");
    let export = ["export", "--json", "--output", &file];
    let refused = places.run(&[&export[..], &place].concat()).await;
    let sentence = complaint(&refused);
    assert_eq!(refused.status.code(), Some(1), "{sentence}");
    assert!(
        sentence.contains("is running: stop every host first"),
        "what the host does meanwhile would be missing: {sentence}"
    );
    assert!(!places.path("file").exists(), "a part of an export is left");

    cluster.kill(0).await.unwrap();
    let lines = places.export(&place, "file").await;
    assert!(
        lines.iter().any(|line| line.contains("Northwind")),
        "the export does not have the connection"
    );
}
