//! What arrives at a hook in whatever form.

use end_to_end::{RawAnswer, post};
use futures_util::StreamExt as _;

use super::support::{Network, OTHER, SIGNATURE, TOGGL, UNKNOWN, patient};

#[tokio::test]
async fn without_a_signature_an_unknown_hook_looks_like_a_known_one() {
    let network = Network::limited(
        "request_stall_timeout_ms = 300\nrefused_deliveries_per_second = 1000\ndelivery_bytes = 100000",
    )
    .await;
    let (genuine, body) = network.genuine(1);
    let wrong = format!("sha256={}", "0".repeat(64));
    let large = vec![b'a'; 90_000];
    let too_large = vec![b'a'; 100_001];
    let cut = |path: &str| {
        let mut request = post(path, &[(SIGNATURE, &wrong)], &body);
        request.truncate(request.len() - 10);
        request
    };
    let chunked = |path: &str, chunks: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {wrong}\r\n");
        format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}").into_bytes()
    };
    let requests = |path: &str| -> Vec<(&str, Vec<u8>, u16)> {
        let signed = |headers: &[(&str, &str)], body: &[u8]| {
            post(
                path,
                &[&[(SIGNATURE, wrong.as_str())][..], headers].concat(),
                body,
            )
        };
        vec![
            ("no signature", post(path, &[], &body), 401),
            (
                "an empty signature",
                post(path, &[(SIGNATURE, "")], &body),
                401,
            ),
            ("a wrong signature", signed(&[], &body), 401),
            (
                "another one besides",
                signed(&[(SIGNATURE, &genuine)], &body),
                401,
            ),
            ("no body", signed(&[], b""), 401),
            ("a large body", signed(&[], &large), 401),
            ("too large a body", signed(&[], &too_large), 413),
            (
                "far too large a body",
                signed(&[], &[]).replace_length("99999999"),
                413,
            ),
            (
                "a negative length",
                signed(&[], &[]).replace_length("-1"),
                400,
            ),
            (
                "two lengths",
                signed(&[("content-length", "1")], &body),
                400,
            ),
            ("a body that is cut off", cut(path), 408),
            (
                "a compressed body",
                signed(&[("content-encoding", "gzip")], &body),
                415,
            ),
            ("one in chunks", chunked(path, "2\r\n{}\r\n0\r\n\r\n"), 401),
            (
                "nonsense in chunks",
                chunked(path, "zz\r\n{}\r\n0\r\n\r\n"),
                400,
            ),
            ("chunks that do not end", chunked(path, "2\r\n{}\r\n"), 408),
            (
                "another encoding",
                signed(&[("transfer-encoding", "gzip")], &body),
                400,
            ),
            (
                "another content type",
                signed(&[("content-type", "text/plain")], &body),
                401,
            ),
            (
                "a query",
                post(&format!("{path}?x"), &[(SIGNATURE, &wrong)], &body),
                401,
            ),
            (
                "GET",
                format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").into(),
                405,
            ),
        ]
    };
    for (known, unknown) in requests(&network.hook).into_iter().zip(requests(UNKNOWN)) {
        let (why, request, status) = known;
        let known = network.ask(TOGGL, request).await;
        let unknown = network.ask(TOGGL, unknown.1).await;
        assert_eq!(known.status, status, "{why}: {known:?}");
        assert_eq!(known, unknown, "{why} tells whether there is such a hook");
    }
    network.assert_healthy(2).await;
}

trait ReplaceLength {
    fn replace_length(self, length: &str) -> Self;
}

impl ReplaceLength for Vec<u8> {
    /// Announces another length for an empty body.
    fn replace_length(self, length: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        text.replace("content-length: 0", &format!("content-length: {length}"))
            .into_bytes()
    }
}

#[tokio::test]
async fn what_is_no_hook_at_all_is_refused_like_an_unknown_one() {
    let network = Network::limited("").await;
    let expected = network.ask(TOGGL, network.forged(UNKNOWN)).await;
    assert_eq!(expected.status, 401);
    let long = format!("/hooks/{}", "a".repeat(20_000));
    for path in [
        "/hooks/x",
        "/hooks/..%2f..%2fapi",
        "/hooks/%00",
        long.as_str(),
    ] {
        let answer = network.ask(TOGGL, network.forged(path)).await;
        assert_eq!(answer, expected, "{path}");
    }
    for (path, status) in [
        ("/hooks/%ff", 400),
        ("/hooks/%zz", 401),
        ("/hooks/", 404),
        ("/hooks", 404),
        ("/hooks/a/b", 404),
        ("//hooks/a", 404),
    ] {
        let answer = network.ask(TOGGL, network.forged(path)).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let longer = format!("/hooks/{}", "a".repeat(40_000));
    let answer = network.ask(TOGGL, network.forged(&longer)).await;
    assert!([414, 431].contains(&answer.status), "{answer:?}");
    network.assert_healthy(1).await;
}

#[tokio::test]
async fn a_real_delivery_is_taken_in_whatever_form_it_comes() {
    let network = Network::limited("").await;
    let hook = &network.hook;
    let request = |entry: u64, form: &dyn Fn(&str, &str) -> String| {
        let (signature, body) = network.genuine(entry);
        form(&signature, std::str::from_utf8(&body).unwrap())
    };
    let requests: [(&str, String); 7] = [
        (
            "plainly",
            request(1, &|signature, body| {
                format!(
                    "POST {hook} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
        (
            "by HTTP/1.0",
            request(2, &|signature, body| {
                format!(
                    "POST {hook} HTTP/1.0\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
        (
            "in chunks",
            request(3, &|signature, body| {
                let (first, second) = body.split_at(10);
                format!(
                    "POST {hook} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ntransfer-encoding: chunked\r\n\r\na\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                    second.len()
                )
            }),
        ),
        (
            "to a whole address",
            request(4, &|signature, body| {
                format!(
                    "POST http://elsewhere.example{hook} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
        (
            "as text",
            request(5, &|signature, body| {
                format!(
                    "POST {hook} HTTP/1.1\r\nhost: h\r\ncontent-type: text/plain\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
        (
            "with a header that is no text",
            request(6, &|signature, body| {
                format!(
                    "POST {hook} HTTP/1.1\r\nhost: h\r\nx-other: \u{fc}\u{fffd}\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
        (
            "after having asked",
            request(7, &|signature, body| {
                format!(
                    "POST {hook} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
            }),
        ),
    ];
    for (how, request) in requests {
        let answer = network.ask(TOGGL, request).await;
        assert_eq!(answer.status, 200, "{how}: {answer:?}");
    }
    for entry in 1..=7 {
        assert!(!network.setup.activity(entry).await.unwrap().is_null());
    }
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_one_by_one_and_none_is_smuggled() {
    let network = Network::limited("").await;
    let both = [network.genuine_request(1), network.genuine_request(2)].concat();
    let mut connection = network.open(TOGGL).await;
    connection.send(both).await.unwrap();
    for _ in 0..2 {
        let answer = patient(connection.answer()).await.unwrap();
        assert_eq!(answer.status, 200);
    }

    // By its length the body is everything; by its chunks it ends early. Whoever is in front may have
    // believed the other of the two, so what follows must not be taken for a request.
    let (signature, _) = network.genuine(3);
    let smuggled = String::from_utf8(network.genuine_request(3)).unwrap();
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\n{SIGNATURE}: {signature}\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        network.hook,
        smuggled.len() + 5,
    );
    let mut connection = network.open(TOGGL).await;
    connection.send(request).await.unwrap();
    let everything = patient(connection.rest()).await.unwrap();
    let everything = String::from_utf8(everything).unwrap();
    assert_eq!(everything.matches("HTTP/1.1 ").count(), 1, "{everything}");
    assert!(network.setup.activity(3).await.unwrap().is_null());
    network.assert_healthy(4).await;
}

#[tokio::test]
async fn other_protocols_are_turned_away() {
    let network = Network::limited("header_timeout_ms = 500").await;
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"GET /\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"CONNECT localhost:22 HTTP/1.1\r\nhost: localhost:22\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ] {
        let mut connection = network.open(OTHER).await;
        let _ = connection.send(bytes).await;
        let answer = patient(connection.rest()).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty()
                || answer.starts_with("HTTP/1.1 4")
                || answer.starts_with("HTTP/1.0 4")
                // Somebody who is not signed in is led to the form.
                || answer.starts_with("HTTP/1.1 303"),
            "{answer}"
        );
    }
    network.assert_healthy(1).await;
}

#[tokio::test]
async fn a_real_delivery_that_is_replayed_again_and_again_changes_nothing() {
    let network = Network::limited("").await;
    network.assert_healthy(1).await;
    let before = network.setup.host.get("/activities/changes").await.unwrap();
    let request = network.genuine_request(1);
    let replays = (0..300).map(|_| network.ask(OTHER, &request));
    let replays = futures_util::stream::iter(replays).buffer_unordered(100);
    let answers: Vec<RawAnswer> = patient(replays.collect()).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let after = network.setup.host.get("/activities/changes").await.unwrap();
    assert_eq!(before, after, "whoever follows the feed sees it again");
    network.assert_healthy(2).await;
}
