//! Connections that cost the host something and never get to the point.

use std::net::Ipv4Addr;
use std::time::Duration;

use end_to_end::RawConnection;
use tokio::process::Command;

use super::support::{Network, OTHER, SIGNATURE, TOGGL, patient};

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
    let noticed = async {
        while is_connected(&network) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    patient(noticed).await;
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

#[tokio::test]
async fn one_source_cannot_have_all_connections() {
    let network = Network::limited("connections = 30\nconnections_per_source = 10").await;
    let mut kept = Vec::new();
    let mut closed = 0;
    for _ in 0..40 {
        let mut connection = network.open(OTHER).await;
        let _ = connection
            .send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        match patient(connection.answer()).await {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                kept.push(connection);
            }
            Err(_) => closed += 1,
        }
    }
    assert_eq!((kept.len(), closed), (10, 30));
    // Everybody else is served, and so is this source once it has hung up.
    network.assert_healthy(1).await;
    kept.clear();
    let again = async {
        loop {
            let mut connection = network.open(OTHER).await;
            let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
            if connection.send(request).await.is_ok() && connection.answer().await.is_ok() {
                break;
            }
        }
    };
    patient(again).await;
    let log = network.setup.host.log().unwrap();
    assert_eq!(
        log.matches("one source has too many connections").count(),
        1,
        "a flood fills the log: {log}"
    );
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
    let noticed = async {
        while !network
            .setup
            .host
            .log()
            .unwrap()
            .contains("cannot accept connections")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    patient(noticed).await;
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
