//! A whole host whose storage is in Redis.

use std::path::Path;

use end_to_end::{NORTHWIND, Setup, delivery, eventually, finished_entry};
use reqwest::StatusCode;
use test_services::part_of_redis;

use super::*;

#[tokio::test]
async fn a_host_that_is_killed_goes_on_with_what_is_in_redis_and_beside_it() {
    let Some(storage) = part_of_redis().unwrap() else {
        return;
    };
    let mut setup = Setup::builder()
        .unlimited()
        .arguments(&["--storage", &storage])
        .start()
        .await
        .unwrap();
    assert_eq!(setup.host.summary["storage"], storage.as_str());
    let data = setup.options.data.display().to_string();
    assert_eq!(
        setup.host.summary["ledger"],
        format!("sqlite:{data}/host.sqlite")
    );
    setup.ensure_everything_outlives_a_kill().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_loses_no_delivery_and_learns_no_secret() {
    let Some(mut server) = RedisServer::start(&[]).unwrap() else {
        return;
    };
    let configuration = format!(
        "storage = \"{}\"\n[limits]\nreplay_delay_ms = 100\n",
        server.url()
    );
    let setup = Setup::builder()
        .unlimited()
        .configuration(configuration)
        .start()
        .await
        .unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let subscription = setup.toggl().subscriptions().remove(0);
    let deliver = async |entry: u64| {
        let (signature, body) = delivery(
            &subscription.secret,
            &finished_entry(&subscription, entry, entry),
        );
        setup
            .host
            .deliver(&subscription.url_callback, Some(&signature), body)
            .await
            .unwrap()
    };
    assert_eq!(deliver(1).await, StatusCode::OK);
    server.kill().unwrap();
    for entry in 2..=4 {
        assert_eq!(deliver(entry).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    server.start_again().unwrap();
    assert_eq!(deliver(5).await, StatusCode::OK);
    eventually("a delivery is lost", async || {
        setup.count_activities().await.unwrap() >= 5
    })
    .await
    .unwrap();

    let stored = everything_in(server.folder());
    assert!(stored.len() > 1_000, "nothing is stored in Redis");
    for secret in [setup.sandbox.token(), &subscription.secret] {
        assert!(
            !stored
                .windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "a secret is in Redis in clear"
        );
    }
}

/// What all files of a folder hold.
fn everything_in(folder: &Path) -> Vec<u8> {
    let mut content = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        content.extend(if path.is_dir() {
            everything_in(&path)
        } else {
            std::fs::read(&path).unwrap()
        });
    }
    content
}
