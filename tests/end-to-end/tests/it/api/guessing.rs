//! Guessing the admin token gets nobody in, and locks out nobody else.

use reqwest::StatusCode;

use super::support::{Api, assert_problem, send};

const SMALL: &str = "trusted_proxies = [\"127.0.0.1\"]\n[limits]\nwrong_admin_tokens = 5\n";

/// A client of a reverse proxy.
async fn ask(api: &Api, client: &str, token: &str) -> super::support::Answer {
    let request = api
        .open("GET", "/api/v1/connections")
        .header("x-forwarded-for", client)
        .bearer_auth(token);
    send(request).await
}

#[tokio::test]
async fn who_guesses_is_locked_out_and_nobody_else_is() {
    let api = Api::configured(SMALL).await;
    for number in 0..5 {
        let answer = ask(&api, "192.0.2.1", &format!("guess-{number}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for token in ["another-guess", &api.token] {
        let answer = ask(&api, "192.0.2.1", token).await;
        assert_problem(&answer, "a locked out client");
        assert_eq!(
            answer.status,
            StatusCode::TOO_MANY_REQUESTS,
            "a guesser learns which token is right"
        );
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
        let told = &answer.body;
        assert!(
            told.contains("for another") && told.contains("second"),
            "until when? {told}"
        );
    }
    // What a client claims about itself, further left, changes nothing.
    let answer = ask(&api, "198.51.100.7, 192.0.2.1", &api.token).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);

    for other in ["192.0.2.2", "2001:db8::1"] {
        let answer = ask(&api, other, &api.token).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{other} is locked out with it"
        );
    }
    for (number, client) in ["2001:db8:1::1", "2001:db8:1::2"]
        .iter()
        .cycle()
        .take(5)
        .enumerate()
    {
        ask(&api, client, &format!("guess-{number}")).await;
    }
    let answer = ask(&api, "2001:db8:1::3", &api.token).await;
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "an IPv6 network guesses with one address after the other"
    );

    let log = api.setup.host.log().unwrap();
    let warnings: Vec<_> = log
        .lines()
        .filter(|line| line.contains("locked out"))
        .collect();
    assert_eq!(warnings.len(), 2, "one for each lock-out: {warnings:?}");
    assert!(warnings[0].contains("192.0.2.1"), "{warnings:?}");
    assert!(!log.contains("guess-"), "a token is in the log");
    api.assert_still_works().await;
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_escapes_by_claiming_another_address() {
    let api = Api::configured("[limits]\nwrong_admin_tokens = 5\n").await;
    for number in 0..5 {
        ask(&api, &format!("192.0.2.{number}"), "guess").await;
    }
    let answer = ask(&api, "192.0.2.99", &api.token).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let log = api.setup.host.log().unwrap();
    let hints = log.lines().filter(|line| line.contains("trusted_proxies"));
    assert_eq!(hints.count(), 1, "the operator is told once: {log}");
}

#[tokio::test]
async fn a_token_in_an_address_is_refused_and_stands_in_no_log() {
    let api = Api::configured("log_level = \"debug\"").await;
    for path in ["/api/v1/connections", "/metrics", "/"] {
        for parameter in ["token", "access_token", "api-token"] {
            let path = format!("{path}?{parameter}={}", api.token);
            let answer = send(api.open("GET", &path)).await;
            assert_problem(&answer, &path);
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
            assert!(
                answer.body.contains("Authorization: Bearer"),
                "{}",
                answer.body
            );
            assert!(!answer.body.contains(&api.token));
        }
    }
    let log = api.setup.host.log().unwrap();
    assert!(log.contains("/api/v1/connections"), "requests are logged");
    assert!(!log.contains(&api.token), "the log opens the host");
}
