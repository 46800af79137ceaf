//! Heads and paths that nobody would send: never a defect, never a panic, never a client that hangs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::support::{Network, OTHER, SIGNATURE, UNKNOWN, patient};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 64;

/// Bytes of a request. `HOOK` stands for the connection's hook.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        20 => prop::sample::select(vec![
            "POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PRI", "post",
        ])
        .prop_map(|method| method.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let path = prop_oneof![
        20 => prop::sample::select(vec![
            "HOOK", UNKNOWN, "/hooks/", "/hooks/x", "/", "/api/v1/connections", "/api/v1/users",
            "/api/openapi.json", "/healthz", "/readyz", "/metrics", "*", "http://localhost/healthz",
            "http://a.example:99999/", "HOOK/../..", "/hooks/%", "/hooks/%c3%28", "/%2e%2e/%2e%2e/etc",
            "//", "/api/v1/connections?token=x", "/api/v1/activities?limit=%ff", "localhost:80", "?", "#",
        ])
        .prop_map(|path| path.as_bytes().to_vec()),
        4 => "/[!-~]{0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (1_usize..40_000).prop_map(|length| [b"/", "a".repeat(length).as_bytes()].concat()),
    ];
    let version = prop_oneof![
        40 => Just("HTTP/1.1"),
        4 => Just("HTTP/1.0"),
        1 => prop::sample::select(vec!["HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", "", "HTTP/11"]),
    ];
    let name = prop_oneof![
        60 => prop::sample::select(vec![
            SIGNATURE, "host", "content-type", "content-encoding", "authorization", "expect", "origin",
            "sec-fetch-site", "x-forwarded-for", "forwarded", "te", "trailer", "upgrade", "range",
            "last-event-id", "accept-encoding",
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        6 => prop::sample::select(vec!["content-length", "transfer-encoding", "connection"])
            .prop_map(|name| name.as_bytes().to_vec()),
        10 => "[a-z-]{1,20}".prop_map(String::into_bytes),
        1 => "[ -~]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let value = prop_oneof![
        60 => prop::sample::select(vec![
            "sha256=0000000000000000000000000000000000000000000000000000000000000000", "sha256=", "localhost",
            "application/json", "chunked", "gzip", "identity", "0", "5", "-1", "18446744073709551616", "close",
            "keep-alive", "100-continue", "Bearer x", "cross-site", "null", "websocket", "bytes=0-", "",
        ])
        .prop_map(|value| value.as_bytes().to_vec()),
        10 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        2 => (1_usize..5000).prop_map(|length| "b".repeat(length).into_bytes()),
    ];
    let line_end =
        prop_oneof![100 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\n ")];
    let headers = prop_oneof![
        20 => prop::collection::vec((name.clone(), value.clone()), 0..8),
        1 => prop::collection::vec((name, value), 90..120),
    ];
    let body = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    (method, path, version, line_end, headers, body).prop_map(
        |(method, path, version, line_end, headers, body)| {
            let mut bytes = [&method[..], b" ", &path, b" ", version.as_bytes()].concat();
            bytes.extend_from_slice(b"\r\nconnection: close\r\n");
            for (name, value) in headers {
                bytes.extend([&name[..], b": ", &value, line_end.as_bytes()].concat());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend(body);
            bytes
        },
    )
}

#[tokio::test]
async fn no_head_and_no_path_makes_the_host_fail() {
    let seed = match std::env::var("NETWORK_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64,
    };
    println!("again with NETWORK_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let network = Network::limited(
        "header_timeout_ms = 1000\nrequest_read_timeout_ms = 500\nrequest_stall_timeout_ms = 200\n\
         refusal_delay_ms = 1\nrefused_deliveries_per_second = 1000000\nwrong_admin_tokens = 1000000",
    )
    .await;
    let strategy = any_request();
    let requests = (0..REQUESTS).map(|_| {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        replace(&bytes, b"HOOK", network.hook.as_bytes())
    });
    let (answered, looked_at) = (AtomicUsize::new(0), AtomicUsize::new(0));
    futures_util::stream::iter(requests)
        .for_each_concurrent(AT_ONCE, async |request| {
            let mut connection = network.open(OTHER).await;
            // The host may hang up before it has everything.
            let _ = connection.send(&request).await;
            let answer = patient(connection.rest()).await.unwrap_or_default();
            let head = String::from_utf8_lossy(&answer);
            let status = head.split(' ').nth(1).unwrap_or_default();
            let shown = String::from_utf8_lossy(&request[..request.len().min(600)]);
            assert!(
                !status.starts_with('5'),
                "seed {seed}: {shown:?} is answered with {head}"
            );
            answered.fetch_add(usize::from(!status.is_empty()), Ordering::Relaxed);
            looked_at.fetch_add(usize::from(status != "400"), Ordering::Relaxed);
        })
        .await;
    println!("{REQUESTS} requests, {answered:?} answered, {looked_at:?} not merely malformed");
    assert!(
        answered.into_inner() > REQUESTS / 2 && looked_at.into_inner() > REQUESTS / 5,
        "so little was understood that little was tried"
    );
    network.assert_healthy(1).await;
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let Some(at) = bytes.windows(from.len()).position(|window| window == from) else {
        return bytes.to_vec();
    };
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
