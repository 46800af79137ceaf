//! Connections that cost the host something and never get to the point.

use std::net::Ipv4Addr;
use std::time::Duration;

use end_to_end::{RawConnection, eventually, post};
use tokio::process::Command;

use super::support::{Network, OTHER, SIGNATURE, TOGGL, UNKNOWN, patient};

/// Where nobody else's connections come from.
const DEAF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Sends a byte every now and then until the host has had enough, and returns what it said.
async fn drip(mut connection: RawConnection, beginning: String) -> String {
    connection.send(beginning).await.unwrap();
    let dripping = async {
        while connection.send("a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    patient(dripping).await;
    String::from_utf8(connection.rest().await.unwrap_or_default()).unwrap()
}

#[tokio::test]
async fn whoever_lets_the_host_wait_is_hung_up_on() {
    let network = Network::limited(
        "header_timeout_ms = 700\nrequest_read_timeout_ms = 900\nrequest_stall_timeout_ms = 400",
    )
    .await;
    let (signature, _) = network.genuine(1);
    let post = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\n",
        network.hook
    );
    // One that says nothing, and one that says nothing more.
    let mut silent = network.open(OTHER).await;
    assert!(patient(silent.rest()).await.unwrap().is_empty());
    let mut idle = network.open(OTHER).await;
    idle.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(patient(idle.answer()).await.unwrap().status, 200);
    assert!(patient(idle.rest()).await.unwrap().is_empty());

    // Headers and bodies that never end, byte by byte.
    drip(network.open(OTHER).await, "GET /".into()).await;
    drip(network.open(OTHER).await, format!("{post}x: ")).await;
    let beginning = format!("{post}content-length: 1000\r\n\r\n");
    let answer = drip(network.open(OTHER).await, beginning).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    // A body that stops.
    let mut stopped = network.open(OTHER).await;
    let beginning = format!("{post}content-length: 1000\r\n\r\n{{");
    stopped.send(beginning).await.unwrap();
    assert_eq!(patient(stopped.answer()).await.unwrap().status, 408);
    network.assert_healthy(2).await;
}

#[tokio::test]
async fn who_does_not_read_answers_is_hung_up_on() {
    let network = Network::limited("response_stall_timeout_ms = 500").await;
    let mut connection = network.open(DEAF).await;
    let requests = 600;
    let request = "GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    connection.send(request.repeat(requests)).await.unwrap();
    // Nothing is read until the host has noticed.
    eventually("whoever does not read is never hung up on", async || {
        !is_connected(&network)
    })
    .await
    .unwrap();
    let answers = patient(connection.rest()).await.unwrap_or_default();
    let answers = String::from_utf8_lossy(&answers).into_owned();
    assert!(
        answers.matches("HTTP/1.1 200").count() < requests,
        "everything was kept for a client that does not read"
    );
    network.assert_healthy(1).await;
}

/// Whether the host still has a connection from [`DEAF`], as the system knows it.
fn is_connected(network: &Network) -> bool {
    const REMOTE: &str = "0300007F:";
    const ESTABLISHED: &str = "01";
    let id = network.setup.host.id().unwrap();
    let table = std::fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap();
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].starts_with(REMOTE) && fields[3] == ESTABLISHED
    })
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Whether the host answers on a connection.
async fn is_answered(connection: &mut RawConnection) -> bool {
    connection.send(HEALTH).await.is_ok()
        && patient(connection.answer())
            .await
            .is_ok_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn one_source_cannot_have_all_connections() {
    let network = Network::limited("connections = 30\nconnections_per_source = 10").await;
    let mut opened = Vec::new();
    for _ in 0..40 {
        let mut connection = network.open(OTHER).await;
        assert!(
            is_answered(&mut connection).await,
            "a new one is turned away"
        );
        opened.push(connection);
    }
    let mut left = 0;
    for connection in &mut opened {
        left += usize::from(is_answered(connection).await);
    }
    assert_eq!(left, 10, "of 40 connections of one source");
    for connection in opened.iter_mut().rev().take(10) {
        assert!(
            is_answered(connection).await,
            "not those that wait are closed"
        );
    }
    // Everybody else is served.
    network.assert_healthy(1).await;
    let log = network.setup.host.log().unwrap();
    assert_eq!(
        log.matches("one source has many connections open").count(),
        1,
        "a flood fills the log: {log}"
    );
}

/// An address of this machine, in one of ten networks.
fn stranger(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 7, number % 10, number)
}

#[tokio::test]
async fn a_hundred_sources_that_do_little_keep_nobody_out() {
    let network = Network::limited(
        "connections = 100\nconnections_per_source = 25\nheader_timeout_ms = 60000\nrequest_read_timeout_ms = 60000\nrequest_stall_timeout_ms = 60000",
    )
    .await;
    let (signature, _) = network.genuine(1);
    let slow_body = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ncontent-length: 1000\r\n\r\n{{",
        network.hook
    );
    let mut strangers = Vec::new();
    let mut regular = network.open(TOGGL).await;
    for round in 0..3 {
        for number in 0..100 {
            let mut connection = network.open(stranger(number)).await;
            let _ = match number % 4 {
                // Silent, one that has begun, one that goes on for ever, and one small request.
                0 => Ok(()),
                1 => connection.send("GET /heal").await,
                2 => connection.send(&slow_body).await,
                _ => connection.send(HEALTH).await,
            };
            strangers.push(connection);
        }
        for entry in 1..=10 {
            let entry = round * 100 + entry;
            let answer = network.ask(TOGGL, network.genuine_request(entry)).await;
            assert_eq!(answer.status, 200, "a real delivery is kept out");
            regular
                .send(network.genuine_request(entry + 50))
                .await
                .unwrap();
            let answer = patient(regular.answer()).await;
            let answer = answer.expect("a connection of real deliveries was closed");
            assert_eq!(answer.status, 200);
            let answer = network.ask(OTHER, HEALTH).await;
            assert_eq!(answer.status, 200, "health checks are kept out");
        }
        let (status, _) = network
            .setup
            .host
            .call(
                reqwest::Method::GET,
                "/connections",
                serde_json::Value::Null,
            )
            .await
            .unwrap();
        assert_eq!(status, 200, "people are kept out");
    }
    let id = network.setup.host.id().unwrap();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    assert!(open < 250, "{open} files are open");
    network.assert_healthy(1000).await;
}

#[tokio::test]
async fn half_sent_bodies_of_one_source_refuse_nobody_elses() {
    let network = Network::limited("large_requests = 8\nrequest_stall_timeout_ms = 30000").await;
    let (signature, _) = network.genuine(1);
    let half = |path: &str, length: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n{SIGNATURE}: {signature}\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.into_bytes(), vec![b'a'; length - 1]].concat()
    };
    let mut begun = Vec::new();
    for path in [UNKNOWN, "/sign-in", network.hook.as_str()] {
        for _ in 0..12 {
            let mut connection = network.open(OTHER).await;
            let _ = connection.send(half(path, 70_000)).await;
            begun.push(connection);
        }
    }
    // One large real delivery; what is in it beyond the entry is nobody's business.
    let (signature, body) = network.large(2, 90_000);
    let request = post(&network.hook, &[(SIGNATURE, &signature)], &body);
    let answer = network.ask(TOGGL, request).await;
    assert_eq!(
        answer.status, 200,
        "a large delivery is refused: {answer:?}"
    );
    network.assert_healthy(3).await;
}

#[tokio::test]
async fn a_host_that_is_out_of_files_goes_on_when_there_are_some() {
    let network = Network::limited("").await;
    let id = network.setup.host.id().unwrap().to_string();
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
    let limit = |files: usize| {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &id, &format!("--nofile={files}:")]);
        command
    };
    assert!(limit(open + 5).status().await.unwrap().success());
    let mut connections = Vec::new();
    for _ in 0..60 {
        connections.push(network.open(OTHER).await);
    }
    network.log_with("cannot accept connections").await;
    assert!(limit(1000).status().await.unwrap().success());
    drop(connections);
    network.assert_healthy(1).await;
    let log = network.setup.host.log().unwrap();
    assert!(
        log.matches("cannot accept connections").count() < 5,
        "it tries again and again without a pause: {log}"
    );
}

#[tokio::test]
async fn a_host_that_is_asked_to_stop_does_not_wait_for_those_who_do_nothing() {
    let mut network = Network::limited("shutdown_ms = 1000").await;
    let idle = network.open(OTHER).await;
    let mut begun = network.open(OTHER).await;
    begun.send("GET / HTT").await.unwrap();
    let mut waiting = network.open(TOGGL).await;
    waiting
        .send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(patient(waiting.answer()).await.unwrap().status, 200);
    assert_eq!(network.setup.host.terminate().await.unwrap(), Some(0));
    assert!(patient(waiting.rest()).await.unwrap().is_empty());
    drop((idle, begun));
}
