//! Floods of forged deliveries, and what they leave of the real ones.

use end_to_end::flood::{Attack, measure};
use end_to_end::{RawAnswer, RawConnection, post};

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

/// Forges until no more is looked at, and returns that answer.
async fn forge_until_limited(connection: &mut RawConnection, request: &[u8]) -> RawAnswer {
    for _ in 0..10_000 {
        connection.send(request).await.unwrap();
        let answer = patient(connection.answer()).await.unwrap();
        if answer.status == 429 {
            return answer;
        }
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    panic!("the integration is run for every forged delivery");
}

#[tokio::test]
async fn a_flood_is_no_longer_looked_at_and_real_deliveries_are() {
    let network = Network::limited(
        "refused_deliveries_per_second = 2\nrefusal_delay_ms = 0\nrequest_stall_timeout_ms = 500",
    )
    .await;
    let mut attacker = network.open(OTHER).await;
    let limited = forge_until_limited(&mut attacker, &network.forged(&network.hook)).await;
    assert!(
        limited
            .headers
            .contains(&("retry-after".into(), "1".into()))
    );
    let unknown = forge_until_limited(&mut attacker, &network.forged(UNKNOWN)).await;
    assert_eq!(unknown, limited, "the limit tells which hooks exist");

    // Toggl's come from elsewhere.
    for entry in 1..=50 {
        let answer = network.ask(TOGGL, network.genuine_request(entry)).await;
        assert_eq!(answer.status, 200, "a flood keeps real deliveries out");
    }

    // A body is not waited for any more. Where a moment has passed, one more is looked at.
    let (signature, _) = network.genuine(1);
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ncontent-length: 1000\r\n\r\n",
        network.hook
    );
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 20 {
        forge_until_limited(&mut attacker, &network.forged(&network.hook)).await;
        statuses.push(network.ask(OTHER, &head).await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");

    let log = network.setup.host.log().unwrap();
    let warnings = log
        .lines()
        .filter(|line| line.contains("somebody forges them"));
    assert!((1..=20).contains(&warnings.count()), "{log}");
    network.assert_healthy(100).await;
}

#[tokio::test]
async fn behind_a_proxy_a_flood_counts_against_its_sender_alone() {
    let network = Network::configured(
        "trusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nrefused_deliveries_per_second = 5\nrefusal_delay_ms = 0",
    )
    .await;
    let (signature, body) = network.genuine(1);
    let from = |client: &str, signature: &str| {
        post(
            &network.hook,
            &[(SIGNATURE, signature), ("x-forwarded-for", client)],
            &body,
        )
    };
    let wrong = format!("sha256={}", "0".repeat(64));
    let mut proxy = network.open(TOGGL).await;
    forge_until_limited(&mut proxy, &from("203.0.113.9, 192.0.2.1", &wrong)).await;
    let real = forge(&mut proxy, &from("192.0.2.2", &signature), 50).await;
    assert_eq!(real, [200; 50], "all clients of a proxy are taken for one");
    // Another address on the left, each time a new one, does not help the attacker.
    let mut statuses = Vec::new();
    for number in 0..200 {
        let client = format!("198.51.100.{number}, 192.0.2.1");
        statuses.extend(forge(&mut proxy, &from(&client, &wrong), 1).await);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn where_real_and_forged_share_an_address_real_ones_still_come_through() {
    let network =
        Network::limited("refused_deliveries_per_second = 50\nrefusal_delay_ms = 0").await;
    let mut connection = network.open(TOGGL).await;
    forge_until_limited(&mut connection, &network.forged(&network.hook)).await;
    // Toggl delivers again what was not taken.
    let mut taken = false;
    for _ in 0..10_000 {
        let answers = forge(&mut connection, &network.genuine_request(1), 1).await;
        taken |= answers == [200];
        if taken {
            break;
        }
    }
    assert!(taken, "one forger keeps everybody behind the address out");
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
