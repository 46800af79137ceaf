use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::*;
use super::fixture::{HOST, TOKEN, get, in_a_minute, manifest, secrets};
use super::server::{Server, Step, respond, send};
use integration_host_contract::Pacing;

/// `TOKEN:api_token` in base64.
const CREDENTIAL: &str = "MTk3MTgwMGQ0ZDgyODYxZDhmMmMxNjUxZmVhNGQyMTI6YXBpX3Rva2Vu";

struct Lent {
    http: HttpForCall,
    metrics: Arc<HttpMetrics>,
}

/// Lends what reaches `server` under the name [`HOST`].
fn lend(server: &Server, limits: HttpLimits, deadline: Instant) -> Lent {
    let manifest = manifest(Pacing {
        burst: 100,
        requests_per_minute: 6000,
        longest_quota_seconds: 0,
    });
    let upstream: Upstream = format!("{HOST}=http://127.0.0.1:{}", server.port())
        .parse()
        .unwrap();
    let approved = [HOST.to_owned()].into();
    let allow_list = AllowList::new(&manifest.hosts, Some(&approved), [&upstream]).unwrap();
    let client = Arc::new(ReqwestClient::new(Duration::from_secs(10)).unwrap());
    let metrics = Arc::new(HttpMetrics::default());
    let lender = OutboundHttp::new(client, &manifest, allow_list, limits, Arc::clone(&metrics));
    Lent {
        http: Arc::new(lender).for_call(secrets(), deadline),
        metrics,
    }
}

/// Limits with delays that a test does not feel.
fn limits() -> HttpLimits {
    let millisecond = Duration::from_millis(1);
    let retry = RetryPolicy {
        base: millisecond,
        cap: millisecond,
        ..RetryPolicy::default()
    };
    HttpLimits {
        retry,
        max_requests: 3,
        ..HttpLimits::default()
    }
}

#[tokio::test]
async fn the_host_fills_in_the_secret_and_blots_it_out_of_the_echo() {
    let server = Server::start(|request, _| {
        let body = format!(
            r#"{{"api_token":"{TOKEN}","request":"{}"}}"#,
            request.replace("\r\n", "|")
        );
        respond(
            200,
            &format!("X-Echo: {TOKEN}\r\nX-Auth: {CREDENTIAL}\r\nSet-Cookie: t={TOKEN}\r\n"),
            &body,
        )
    })
    .await;
    let mut request = get("/me?with=query");
    request.method = http::Method::POST;
    request.headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    request.body = Some(b"{}".to_vec());
    let response = lend(&server, limits(), in_a_minute())
        .http
        .send(request)
        .await
        .unwrap();

    let sent = &server.requests()[0];
    assert!(
        sent.starts_with("POST /me?with=query HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(
        sent.contains(&format!("authorization: Basic {CREDENTIAL}\r\n")),
        "{sent}"
    );
    assert!(
        sent.contains("content-type: application/json\r\n") && sent.ends_with("\r\n\r\n{}"),
        "{sent}"
    );

    let seen = format!(
        "{:?} {}",
        response.headers,
        String::from_utf8(response.body.clone()).unwrap()
    );
    assert!(
        !seen.contains(TOKEN) && !seen.contains(&CREDENTIAL[..8]),
        "{seen}"
    );
    assert!(seen.contains("*******"), "{seen}");
    let header = |wanted: &str| response.headers.iter().find(|(name, _)| name == wanted);
    assert_eq!(header("x-echo").unwrap().1, "*".repeat(32));
    assert_eq!(
        header("content-length").unwrap().1,
        response.body.len().to_string()
    );
    assert_eq!((header("set-cookie"), header("connection")), (None, None));
}

#[tokio::test]
async fn what_is_not_allowed_never_leaves_the_host() {
    let server = Server::start(|_, _| respond(200, "", "")).await;
    let mut requests = Vec::new();
    for (url, reason) in [
        ("https://evil.example/", "does not declare \"evil.example\""),
        (
            "https://other.example/",
            "add \"other.example\" to hosts.approved in host.toml",
        ),
        ("http://api.example/", "only https"),
        ("https://127.0.0.1/", "an address"),
    ] {
        requests.push((
            GuestRequest {
                url: url.to_owned(),
                ..get("/")
            },
            reason,
        ));
    }
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    requests.push((
        GuestRequest {
            headers: header("x-a", "1\r\nx-b: 2"),
            ..get("/")
        },
        "not valid",
    ));
    requests.push((
        GuestRequest {
            headers: header("Host", "evil.example"),
            ..get("/")
        },
        "header host",
    ));
    requests.push((
        GuestRequest {
            headers: header("range", "bytes=0-9"),
            ..get("/")
        },
        "header range",
    ));
    let bearer = |name: &str| Authorization::Bearer(Credential::Secret(name.to_owned()));
    requests.push((
        GuestRequest {
            authorization: bearer("signing"),
            ..get("/")
        },
        "does not declare",
    ));
    requests.push((
        GuestRequest {
            authorization: bearer("other"),
            ..get("/")
        },
        "no secret \"other\"",
    ));
    requests.push((
        GuestRequest {
            body: Some(vec![0; 1024 * 1024 + 1]),
            ..get("/")
        },
        "body is larger",
    ));

    let count = requests.len();
    let limits = HttpLimits {
        max_requests: 100,
        ..limits()
    };
    let mut lent = lend(&server, limits, in_a_minute());
    for (request, reason) in requests {
        match lent.http.send(request).await {
            Err(HttpError::Refused(text)) => assert!(text.contains(reason), "{text}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    assert!(server.requests().is_empty());
    let counts = lent.metrics.counts();
    assert_eq!((counts.refused, counts.requests), (count as u64, 0));
}

#[tokio::test]
async fn a_call_has_a_limited_number_of_requests() {
    let server = Server::start(|_, _| respond(200, "", "")).await;
    let mut lent = lend(&server, limits(), in_a_minute());
    for _ in 0..3 {
        lent.http.send(get("/")).await.unwrap();
    }
    for _ in 0..10 {
        let error = lent.http.send(get("/")).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::LimitExceeded(text) if text.contains("more than 3 requests"))
        );
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn idempotent_requests_are_sent_again_and_others_are_not() {
    let busy_first = |status| {
        Server::start(move |_, number| {
            if number == 0 {
                respond(status, "", "busy")
            } else {
                respond(200, "", "done")
            }
        })
    };
    for (status, idempotent, expected) in [
        (429, true, 200),
        (503, true, 200),
        (429, false, 429),
        (503, false, 503),
        (402, true, 402),
        (404, true, 404),
    ] {
        let server = busy_first(status).await;
        let mut lent = lend(&server, limits(), in_a_minute());
        let response = lent
            .http
            .send(GuestRequest {
                idempotent,
                ..get("/")
            })
            .await
            .unwrap();
        assert_eq!(
            response.status, expected,
            "{status}, idempotent: {idempotent}"
        );
        let sent = if expected == 200 { 2 } else { 1 };
        assert_eq!(
            server.requests().len(),
            sent,
            "{status}, idempotent: {idempotent}"
        );
        assert_eq!(lent.metrics.counts().retries, sent as u64 - 1);
    }
}

#[tokio::test]
async fn cut_answers_are_asked_for_again() {
    let server = Server::start(|_, number| match number {
        0 => send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\ncut"),
        1 => Vec::new(),
        _ => respond(200, "", "whole"),
    })
    .await;
    let mut lent = lend(&server, limits(), in_a_minute());
    assert_eq!(lent.http.send(get("/")).await.unwrap().body, b"whole");
    let counts = lent.metrics.counts();
    assert_eq!(
        (
            counts.requests,
            counts.retries,
            counts.failed,
            counts.statuses
        ),
        (3, 2, 2, [0, 1, 0, 0, 0])
    );
}

#[tokio::test]
async fn a_lasting_failure_ends_in_the_last_answer() {
    let server =
        Server::start(|_, number| respond(503, "", &format!("down {number} {TOKEN}"))).await;
    let mut lent = lend(&server, limits(), in_a_minute());
    let response = lent.http.send(get("/")).await.unwrap();
    assert_eq!(
        String::from_utf8(response.body).unwrap(),
        format!("down 3 {}", "*".repeat(32))
    );
    assert_eq!(lent.metrics.counts().statuses, [0, 0, 0, 0, 4]);
}

#[tokio::test]
async fn the_calls_deadline_ends_a_hanging_request() {
    let server = Server::start(|_, _| vec![Step::Hang]).await;
    let start = Instant::now();
    let mut lent = lend(
        &server,
        HttpLimits::default(),
        start + Duration::from_millis(300),
    );
    let error = lent.http.send(get("/secret-path")).await.unwrap_err();
    assert!(
        matches!(&error, HttpError::Unavailable(text) if !text.contains("secret-path")),
        "{error:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "the call went on after its deadline"
    );
    assert!(
        lent.http.send(get("/")).await.is_err(),
        "after the deadline nothing is sent"
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_in_which_no_secret_could_be_found_is_not_handed_over() {
    let server = Server::start(|_, _| respond(200, "Content-Encoding: gzip\r\n", "\x1f")).await;
    let mut lent = lend(&server, limits(), in_a_minute());
    let error = lent.http.send(get("/")).await.unwrap_err();
    assert!(
        matches!(&error, HttpError::Unavailable(text) if text.contains("compressed")),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_oversize_answer_is_a_limit_and_not_a_retry() {
    let server = Server::start(|_, _| respond(200, "", &"x".repeat(101))).await;
    let mut lent = lend(
        &server,
        HttpLimits {
            max_response_bytes: 100,
            ..limits()
        },
        in_a_minute(),
    );
    let error = lent.http.send(get("/")).await.unwrap_err();
    assert!(matches!(error, HttpError::LimitExceeded(_)), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

/// Keeps everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_of_every_request_and_of_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    // With a single subscriber, a line first written by another test's thread counts as unwanted everywhere.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let server = Server::start(|_, number| match number {
        0 => Vec::new(),
        _ => respond(200, &format!("x-echo: {TOKEN}\r\n"), TOKEN),
    })
    .await;
    let mut lent = lend(&server, limits(), in_a_minute());
    lent.http
        .send(get(&format!("/path/{TOKEN}?query")))
        .await
        .unwrap();
    let undeclared = "https://evil.example/".to_owned();
    lent.http
        .send(GuestRequest {
            url: undeclared,
            ..get("/")
        })
        .await
        .unwrap_err();

    let bytes = log.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let ours: String = text
        .lines()
        .filter(|line| line.contains("integration_host_http"))
        .collect();
    for expected in [
        "host=api.example",
        "method=GET",
        "path=/path/***",
        "status=200",
        "attempt=2",
        "elapsed_ms=",
        "evil.example",
    ] {
        assert!(ours.contains(expected), "{expected} is missing: {ours}");
    }
    assert!(!ours.contains("query") && !ours.contains(TOKEN), "{ours}");
    assert!(!text.contains(CREDENTIAL), "{text}");
}
