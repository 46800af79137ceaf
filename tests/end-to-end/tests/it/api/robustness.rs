//! Broken connections and whatever requests do no harm.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{Api, JSON, assert_problem, send};

#[tokio::test]
async fn broken_connections_and_requests_do_no_harm() {
    let api = Api::connected().await;
    let address = api.setup.host.url.trim_start_matches("http://").to_owned();
    let token = &api.token;
    let path = format!("/api/v1/connections/{}", api.connection);
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    for request in [
        "".to_owned(),
        "\0\0\0\0".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!(
            "GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "a".repeat(100_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
            "a".repeat(1_000_000)
        ),
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(),
        format!("{head}content-length: 100\r\n\r\n{{\"name\":"),
        format!("{head}content-length: -1\r\n\r\n{{}}"),
        format!("{head}content-length: 99999999999999999999999\r\n\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"na"),
        format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"),
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        // The host may hang up before it has everything.
        let _ = socket.write_all(request.as_bytes()).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(30), socket.read_to_end(&mut answer)).await;
        let shown = request.chars().take(60).collect::<String>();
        assert!(read.is_ok(), "{shown:?} keeps the connection open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty()
                || answer.starts_with("HTTP/1.1 4")
                || answer.starts_with("HTTP/1.0 4"),
            "{shown:?}: {answer}"
        );
    }
    let connection = api.setup.host.get(&path["/api/v1".len()..]).await.unwrap();
    assert_eq!(
        connection["name"], connection["scope"]["name"],
        "nothing was renamed"
    );
    api.assert_still_works().await;
}

/// A request as somebody could send it by mistake or on purpose.
fn any_request() -> impl Strategy<Value = (&'static str, String, String, bool)> {
    let method = prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "HEAD", "OPTIONS"]);
    let segment = prop_oneof![
        4 => prop::sample::select(vec![
            "connections", "{id}", "users", "activities", "changes", "deliveries", "replay", "check",
            "reconcile", "secrets", "test", "refresh", "9500002",
        ])
        .prop_map(str::to_owned),
        1 => any::<Vec<u8>>().prop_map(|bytes| {
            bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>()
        }),
        1 => "[a-z0-9._~%:@!-]{1,40}",
    ];
    let value = prop_oneof![
        "[0-9]{1,25}",
        "[-0-9T:.Z+%]{0,30}",
        "[a-z,%0-9]{0,20}",
        Just("now".to_owned()),
    ];
    let parameter = prop::sample::select(vec![
        "limit",
        "cursor",
        "after",
        "from",
        "to",
        "include",
        "status",
        "query",
        "user",
        "connection",
        "x",
    ]);
    let query = prop::collection::vec((parameter, value), 0..3).prop_map(|pairs| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    });
    let known = prop::sample::select(vec![
        "connections",
        "connections/{id}",
        "connections/{id}/users",
        "connections/{id}/users/9500002",
        "users",
        "activities",
        "activities/changes",
        "deliveries",
    ]);
    let path = prop_oneof![
        known.prop_map(str::to_owned),
        prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/")),
    ];
    let path = (path, query).prop_map(|(path, query)| format!("/{path}?{query}"));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("7400002")),
        Just(json!("2026-03-01")),
    ];
    let name = prop_oneof![
        prop::sample::select(vec![
            "secrets",
            "api-token",
            "scope_id",
            "name",
            "user_id",
            "from",
            "to",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let document = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let body = prop_oneof![
        3 => document.prop_map(|document| document.to_string()),
        1 => any::<String>(),
        1 => Just(String::new()),
    ];
    (method, path, body, any::<bool>())
}

#[tokio::test]
async fn no_request_whatever_makes_the_host_fail() {
    let api = Api::connected().await;
    let strategy = any_request();
    let mut runner = TestRunner::deterministic();
    let mut understood = 0;
    for _ in 0..600 {
        let (method, path, body, is_json) = strategy.new_tree(&mut runner).unwrap().current();
        let path = path.replace("{id}", &api.connection);
        let address = format!("{}/api/v1{path}", api.setup.host.url);
        if reqwest::Url::parse(&address).is_err() {
            continue;
        }
        let mut request = api.request(method, &path).body(body.clone());
        if is_json {
            request = request.header("content-type", JSON);
        }
        let why = format!("{method} {path} {body}");
        let answer = send(request).await;
        assert!(
            !answer.status.is_server_error(),
            "{why}: {} {}",
            answer.status,
            answer.body
        );
        if answer.status.is_client_error() && method != "HEAD" {
            assert_problem(&answer, &why);
        }
        understood += usize::from(answer.status.is_success());
    }
    assert!(
        understood > 10,
        "only {understood} requests made sense, so little was tried"
    );
    api.assert_still_works().await;
}
