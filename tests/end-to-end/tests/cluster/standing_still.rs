//! A host that stands still is no burden to the others.

use end_to_end::cluster::Cluster;
use end_to_end::{
    NORTHWIND, PATIENCE, delivery, eventually, finished_entry, path_of, unlimited_scenario,
};
use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::time::timeout;
use tokio_postgres::NoTls;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stands_still_in_the_middle_of_a_change_does_not_hold_up_the_others() {
    let cluster = Cluster::start(2, unlimited_scenario(), "").await.unwrap();
    let Some(mut cluster) = cluster else {
        return;
    };
    cluster.connect(NORTHWIND).await.unwrap();
    let (database, connection) = tokio_postgres::connect(&cluster.database().url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    database
        .batch_execute("BEGIN; SELECT * FROM integration_host.ledger_changes FOR UPDATE")
        .await
        .unwrap();
    // This waits for the change feed, and by then has the connection's row.
    let first = to_host(&cluster, 0, 1);
    let first = tokio::spawn(async move { first.send().await.unwrap().status() });
    // Whoever waits without having changed or locked anything is no delivery.
    let locks = "SELECT FROM pg_locks AS waiting WHERE NOT granted AND EXISTS (
        SELECT FROM pg_locks AS own
        WHERE own.pid = waiting.pid AND own.granted AND own.locktype = 'transactionid'
    )";
    eventually("no delivery waits", async || {
        !database.query(locks, &[]).await.unwrap().is_empty()
    })
    .await
    .unwrap();
    cluster.pause(0).await.unwrap();
    database.batch_execute("ROLLBACK").await.unwrap();

    let second = to_host(&cluster, 1, 2).send();
    let second = timeout(PATIENCE, second).await.unwrap();
    assert_eq!(
        second.unwrap().status(),
        StatusCode::OK,
        "while one machine stands still, the others take no deliveries of a workspace"
    );

    cluster.wake(0).await.unwrap();
    let first = timeout(PATIENCE, first).await.unwrap();
    assert_eq!(
        first.unwrap(),
        StatusCode::SERVICE_UNAVAILABLE,
        "a delivery was acknowledged whose change was undone"
    );
    let again = to_host(&cluster, 0, 1).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::OK, "the host does not go on");
}

/// A delivery to one of the hosts, of a new entry.
fn to_host(cluster: &Cluster, host: usize, number: u64) -> RequestBuilder {
    let subscription = cluster.sandbox.control().subscriptions().remove(0);
    let body = finished_entry(&subscription, number, number);
    let (signature, body) = delivery(&subscription.secret, &body);
    let url = &cluster.host(host).unwrap().url;
    let client = Client::builder().no_proxy().build().unwrap();
    client
        .post(format!("{url}{}", path_of(&subscription.url_callback)))
        .header("content-type", "application/json")
        .header("X-Webhook-Signature-256", signature)
        .body(body)
}
