//! What one host does, the others know.

use std::time::Duration;

use end_to_end::cluster::Cluster;
use end_to_end::{NORTHWIND, TOMAS, unlimited_scenario};
use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::{Flush, StartTimer};
use tokio::time::timeout;

async fn two_hosts() -> Option<Cluster> {
    Cluster::start(2, unlimited_scenario(), "").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_connects_the_other_serves() {
    let Some(mut cluster) = two_hosts().await else {
        return;
    };
    let connection = cluster.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    let (one, other) = (cluster.host(0).unwrap(), cluster.host(1).unwrap());

    let seen = other.get(&format!("/connections/{id}")).await.unwrap();
    assert_eq!(seen["scope"], connection["scope"]);
    let check = format!("/connections/{id}/check");
    let (status, health) = other.call(Method::POST, &check, Value::Null).await.unwrap();
    assert_eq!(
        (status, &health["healthy"]),
        (StatusCode::OK, &json!(true)),
        "the other host cannot open the secrets: {health}"
    );

    let secrets = json!({ "api-token": cluster.sandbox.token() });
    let again = json!({ "secrets": secrets, "scope_id": NORTHWIND.to_string() });
    let (status, problem) = other
        .call(Method::POST, "/connections", again)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");

    let path = format!("/connections/{id}");
    let (status, _) = other
        .call(Method::DELETE, &path, Value::Null)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::NO_CONTENT);
    let left = one.get("/connections").await.unwrap();
    assert_eq!(left["connections"], json!([]));
    assert!(cluster.sandbox.control().subscriptions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_shows_at_once_what_another_host_accepted() {
    let Some(mut cluster) = two_hosts().await else {
        return;
    };
    cluster.connect(NORTHWIND).await.unwrap();
    let mut streams = Vec::new();
    for number in 0..2 {
        let host = cluster.host(number).unwrap();
        let stream = host.request(Method::GET, "/activities/stream?after=0");
        streams.push(stream.send().await.unwrap().bytes_stream());
    }
    let timer = StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    let entry = cluster.sandbox.control().start_timer(timer).unwrap();
    assert!(
        cluster
            .sandbox
            .control()
            .flush(Flush::default())
            .await
            .settled
    );
    // One of the two did not take the delivery.
    for stream in &mut streams {
        let shown = async {
            let mut text = String::new();
            while !text.contains(&entry.id.to_string()) {
                let piece = stream.next().await.expect("the stream ended").unwrap();
                text.push_str(&String::from_utf8_lossy(&piece));
            }
        };
        timeout(Duration::from_secs(4), shown)
            .await
            .expect("a page on the other host would not move before it is loaded again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_good_at_every_host_and_ends_at_every_host() {
    let Some(cluster) = two_hosts().await else {
        return;
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let hosts = [0, 1].map(|number| cluster.host(number).unwrap());
    let sign_in = async |number: usize| {
        let host = hosts[number];
        let (_, made) = host
            .call(Method::POST, "/sign-in-links", Value::Null)
            .await
            .unwrap();
        let (page, code) = made["path"].as_str().unwrap().split_once('?').unwrap();
        let answer = client
            .post(format!("{}{page}", host.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(code.to_owned())
            .send()
            .await
            .unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };
    let is_signed_in = async |number: usize, cookie: &str| {
        let request = client.get(format!("{}/timeline", hosts[number].url));
        let answer = request.header("cookie", cookie).send().await.unwrap();
        answer.text().await.unwrap().contains("Sign out")
    };
    let (first, second) = (sign_in(0).await, sign_in(1).await);
    for number in [0, 1] {
        assert!(is_signed_in(number, &first).await && is_signed_in(number, &second).await);
    }
    let sign_out = client.post(format!("{}/sign-out", hosts[0].url));
    sign_out.header("cookie", &first).send().await.unwrap();
    for number in [1, 0] {
        assert!(
            !is_signed_in(number, &first).await,
            "a copied cookie opens host {number} after its owner signed out"
        );
        assert!(is_signed_in(number, &second).await);
    }
    let everybody = hosts[1]
        .call(Method::DELETE, "/sessions", Value::Null)
        .await
        .unwrap();
    assert_eq!(everybody.0, StatusCode::NO_CONTENT);
    for number in [0, 1] {
        assert!(!is_signed_in(number, &second).await);
    }
}
