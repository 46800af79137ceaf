//! Floods of forged deliveries, and what they leave of the real ones.

use end_to_end::flood::{Attack, measure};
use end_to_end::strangers::{self, Strangers};
use end_to_end::{RawConnection, eventually, post};

use super::support::{Network, OTHER, SIGNATURE, TOGGL, UNKNOWN, patient};

/// Sends so many forged deliveries on one connection and returns the statuses.
async fn forge(connection: &mut RawConnection, request: &[u8], number: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..number {
        connection.send(request).await.unwrap();
        statuses.push(patient(connection.answer()).await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn a_flood_is_refused_before_anything_waits_and_real_deliveries_are_taken() {
    let network = Network::limited(
        "refused_deliveries_per_second = 2\nrefusal_delay_ms = 0\nwaiting_calls_per_connection = 4\nconnections_per_source = 200",
    )
    .await;
    let forged = network.forged(&network.hook);
    let (signature, body) = network.genuine(1);
    let flood = async {
        let mut attackers = tokio::task::JoinSet::new();
        for number in 0..100_u8 {
            let from = std::net::Ipv4Addr::new(127, 8, number % 10, number);
            // From the same address as the real ones, too.
            let from = if number % 10 == 9 { TOGGL } else { from };
            let (mut connection, forged) = (network.open(from).await, forged.clone());
            attackers.spawn(async move { forge(&mut connection, &forged, 20).await });
        }
        attackers.join_all().await.concat()
    };
    let genuine = async {
        let mut answers = Vec::new();
        for entry in 1..=50 {
            answers.push(
                network
                    .ask(TOGGL, network.genuine_request(entry))
                    .await
                    .status,
            );
        }
        answers
    };
    let (refused, taken) = tokio::join!(flood, genuine);
    assert_eq!(refused, [401; 2000]);
    assert_eq!(taken, [200; 50], "a flood keeps real deliveries out");
    let unknown = network.ask(OTHER, network.forged(UNKNOWN)).await;
    let known = network.ask(OTHER, &forged).await;
    assert_eq!(known, unknown, "it shows which hooks exist");
    // Without the right prefix, or in another encoding, nothing is signed.
    for wrong in [
        signature.replace("sha256=", ""),
        signature.replace("sha256=", "sha1="),
        format!("{signature}00"),
        signature[..signature.len() - 2].to_owned(),
    ] {
        let answer = network.ask(OTHER, post(&network.hook, &[(SIGNATURE, &wrong)], &body));
        assert_eq!(answer.await.status, 401, "{wrong}");
    }
    let log = network.log_with("somebody forges them").await;
    let warnings = log
        .lines()
        .filter(|line| line.contains("somebody forges them"));
    assert!(warnings.count() <= 40, "a flood fills the log: {log}");
    network.assert_healthy(100).await;
}

#[tokio::test]
async fn refused_requests_do_not_fill_the_log() {
    let network = Network::limited("").await;
    let before = network.setup.host.log().unwrap().len();
    let mut connection = network.open(OTHER).await;
    for path in [
        "/api/v1/users",
        "/api/v1/nothing",
        "/readyz/x",
        "/api/openapi.json",
    ] {
        for _ in 0..500 {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            connection.send(request).await.unwrap();
            let answer = patient(connection.answer()).await.unwrap();
            assert!([200, 401, 404].contains(&answer.status), "{answer:?}");
        }
    }
    let log = network.log_with("requests were refused").await;
    assert!(log.contains("127.0.0.0/24"), "{log}");
    assert!(log.len() - before < 20_000, "anybody fills the log: {log}");
}

#[tokio::test]
async fn one_delivery_that_comes_again_and_again_has_one_row() {
    let network = Network::limited("delivery_log_rows = 20").await;
    for entry in 1..=10 {
        assert_eq!(
            network
                .ask(TOGGL, network.genuine_request(entry))
                .await
                .status,
            200
        );
    }
    let request = network.genuine_request(5);
    let mut attackers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (mut attacker, request) = (network.open(OTHER).await, request.clone());
        attackers.spawn(async move { forge(&mut attacker, &request, 20).await });
    }
    assert_eq!(attackers.join_all().await.concat(), [200; 1000]);
    let log = async || network.setup.host.get("/deliveries").await.unwrap()["deliveries"].clone();
    let of_event = |log: &serde_json::Value, event: &str| -> Vec<u64> {
        let rows = log.as_array().unwrap().iter();
        let rows = rows.filter(|row| row["event_id"] == event);
        rows.map(|row| row["attempts"].as_u64().unwrap()).collect()
    };
    eventually("they are not counted", async || {
        of_event(&log().await, "5") == [1001]
    })
    .await
    .unwrap();
    let log = log().await;
    for entry in 1..=10 {
        let rows = of_event(&log, &entry.to_string()).len();
        assert_eq!(rows, 1, "rows of delivery {entry} in {log}");
    }
}

#[tokio::test]
async fn real_deliveries_are_taken_during_every_attack() {
    let figures = measure(1, 50).await.unwrap();
    for measured in figures {
        println!("{measured:?}");
        let is_flood = ![Attack::Quiet, Attack::SlowConnections].contains(&measured.attack);
        assert_eq!(
            measured.attacks_per_second > 0.0,
            is_flood,
            "there was no attack: {measured:?}"
        );
    }
}

#[tokio::test]
async fn among_strangers_of_all_kinds_no_real_delivery_is_lost() {
    let seen = strangers::run(Strangers {
        sources: 20,
        idle: 2,
        forging: 2,
        flooding: 4,
        deliveries: 200,
        seed: 14,
    })
    .await
    .unwrap();
    println!("{seen:?}");
    assert_eq!(
        (seen.refused, seen.lost, seen.unhealthy),
        (0, 0, 0),
        "{seen:?}"
    );
    assert!(
        seen.forged_per_second > 0.0 && seen.repeated_per_second > 0.0,
        "{seen:?}"
    );
    assert!(seen.rows_of_repeated <= 1, "{seen:?}");
    assert!(seen.logged < 100_000, "{seen:?}");
    assert!(
        seen.memory.1 - seen.memory.0.min(seen.memory.1) < 256 << 20,
        "{seen:?}"
    );
}
