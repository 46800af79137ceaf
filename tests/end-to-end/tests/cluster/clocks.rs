//! Clocks that are wrong, or that stood still with everything else, and a database that does not answer.

use std::time::{Duration, Instant};

use end_to_end::cluster::Cluster;
use end_to_end::{NORTHWIND, PATIENCE, TOMAS, eventually, unlimited_scenario};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use toggl_sandbox::control::SetSubscription;
use toggl_sandbox::{CallFault, NewEntry};
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

/// What a host with a clock that is ahead by thirty days could leave behind.
const AHEAD: &str = "UPDATE integration_host.heartbeat SET at = at + 2592000000;
    UPDATE integration_host.connections SET connected_at = connected_at + 2592000000,
        covered_until = covered_until + 2592000000, reconciled_at = covered_until + 2592000000;
    UPDATE integration_host.leases SET held_until = held_until + interval '30 days',
        rests_until = rests_until + interval '30 days'";

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_after_a_clock_was_ahead_is_read_all_the_same() {
    let mut scenario = unlimited_scenario();
    scenario.delivery.retry_delays_ms = Vec::new();
    let configuration = "[background]\noutage_ms = 1\nstart_delay_ms = 50\n";
    let cluster = Cluster::start(2, scenario, configuration).await.unwrap();
    let Some(mut cluster) = cluster else {
        return;
    };
    cluster.connect(NORTHWIND).await.unwrap();
    for host in 0..2 {
        cluster.kill(host).await.unwrap();
    }
    cluster.database().execute(AHEAD).unwrap();
    let stop = Timestamp::now();
    let entry = NewEntry {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        start: Some(stop - SignedDuration::from_mins(1)),
        stop: Some(stop),
        ..NewEntry::default()
    };
    let entry = cluster.sandbox.control().log_time(entry).unwrap();
    // Its delivery is given up.
    sleep(Duration::from_millis(500)).await;
    for host in 0..2 {
        cluster.start_again(host).await.unwrap();
    }
    let wanted = entry.id.to_string();
    eventually(
        "work logged during the outage is lost, because a clock was ahead before",
        async || {
            let path = "/activities?include=unmapped,deleted&limit=1000";
            let list = cluster.host(0).unwrap().get(path).await.unwrap();
            let mut activities = list["activities"].as_array().unwrap().iter();
            activities.any(|activity| activity["source"]["entry_id"] == wanted.as_str())
        },
    )
    .await
    .unwrap();
    let ahead = "SELECT count(*) FROM integration_host.heartbeat
        WHERE at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 120000";
    assert_eq!(cluster.database().number(ahead).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_something_at_toggl_is_sent_by_a_lease_that_is_looked_at_before() {
    let cluster = Cluster::start(1, unlimited_scenario(), "").await.unwrap();
    let Some(mut cluster) = cluster else {
        return;
    };
    let connection = cluster.connect(NORTHWIND).await.unwrap();
    let toggl = cluster.sandbox.control().clone();
    let subscription_id = toggl.subscriptions()[0].id;
    let disabled = SetSubscription {
        subscription_id,
        enabled: Some(false),
        ..SetSubscription::default()
    };
    toggl.set_subscription(disabled).unwrap();
    toggl.fail_calls(CallFault {
        method: Some("GET".into()),
        path: Some("*/subscriptions/*".into()),
        delay_ms: 1_000,
        ..CallFault::default()
    });
    let asked = cluster.questions_of(0, "subscriptions");
    let path = format!("/connections/{}/check", connection["id"].as_str().unwrap());
    let check = cluster.host(0).unwrap().request(Method::POST, &path);
    let check = tokio::spawn(check.send());
    eventually("the host asks nothing", async || {
        cluster.questions_of(0, "subscriptions") > asked
    })
    .await
    .unwrap();
    // As if this host had been continued from a snapshot: for its clock no time has passed, and another has taken over.
    toggl.clear_requests();
    let granted = "UPDATE integration_host.leases SET fence = fence + 1000000,
        held_until = clock_timestamp() + interval '1 second' WHERE name LIKE 'effects/%'";
    cluster.database().execute(granted).unwrap();

    let answer = timeout(PATIENCE, check).await.unwrap().unwrap().unwrap();
    let (status, problem) = (answer.status(), answer.text().await.unwrap());
    assert_ne!(status, StatusCode::OK, "{problem}");
    let changes: Vec<_> = toggl
        .requests()
        .into_iter()
        .filter(|request| request.method != "GET" && request.path.contains("subscriptions"))
        .collect();
    assert!(
        changes.is_empty(),
        "the webhook that another host looks after was changed: {changes:?}"
    );
    assert!(!toggl.subscriptions()[0].enabled);

    // When the lease is free again, the check repairs what is wrong.
    toggl.clear_faults();
    eventually("the webhook is not repaired", async || {
        let host = cluster.host(0).unwrap();
        let (_, health) = host.call(Method::POST, &path, Value::Null).await.unwrap();
        match health["healthy"] == true {
            true => Ok(()),
            false => Err(health.to_string()),
        }
    })
    .await
    .unwrap();
    assert!(toggl.subscriptions()[0].enabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_learns_soon_that_the_database_does_not_answer() {
    let cluster = Cluster::start(1, unlimited_scenario(), "").await.unwrap();
    let Some(cluster) = cluster else {
        return;
    };
    let (database, connection) = tokio_postgres::connect(&cluster.database().url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    database
        .batch_execute("BEGIN; LOCK TABLE integration_host.probes IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/readyz", cluster.host(0).unwrap().url);
    let asked = Instant::now();
    let ready = client.get(&url).send().await.unwrap().status();
    let took = asked.elapsed();
    assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    database.batch_execute("ROLLBACK").await.unwrap();
    eventually("a balancer sends it nothing any more", async || {
        client.get(&url).send().await.unwrap().status() == StatusCode::OK
    })
    .await
    .unwrap();
}
