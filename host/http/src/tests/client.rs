use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpListener;
use url::Url;

use super::super::reqwest::{PublicOnly, ResolveError};
use super::super::{EgressProxy, HttpClient, HttpError, OutgoingRequest, ReqwestClient};
use super::server::{Server, Step, respond, send};

const LONG: Duration = Duration::from_secs(60);

fn client() -> ReqwestClient {
    ReqwestClient::new(LONG).unwrap()
}

fn get(url: Url) -> OutgoingRequest {
    OutgoingRequest {
        method: http::Method::GET,
        url,
        headers: http::HeaderMap::new(),
        body: None,
        allow_private_address: true,
        timeout: LONG,
        max_response_bytes: 1000,
    }
}

fn hurried(url: Url) -> OutgoingRequest {
    OutgoingRequest {
        timeout: Duration::from_millis(200),
        ..get(url)
    }
}

/// The text of an error that may pass, which must name the place and nothing else of the URL.
async fn unavailable(request: OutgoingRequest) -> String {
    let place = format!("127.0.0.1:{}", request.url.port().unwrap());
    match client().send(request).await {
        Err(HttpError::Unavailable(text)) => {
            assert!(text.contains(&place), "{text}");
            assert!(!text.contains("/secret-path"), "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

/// Finds what it was told, one list after the other; the last one again and again.
struct Scripted(Mutex<Vec<Vec<SocketAddr>>>, AtomicUsize);

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|addresses| {
                addresses
                    .iter()
                    .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
                    .collect()
            })
            .collect();
        Arc::new(Self(Mutex::new(answers), AtomicUsize::new(0)))
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: Name) -> Resolving {
        let number = self.1.fetch_add(1, Ordering::Relaxed);
        let answers = self.0.lock().unwrap();
        let found = answers.get(number).or(answers.last()).cloned();
        Box::pin(async move {
            match found {
                Some(found) => Ok(Box::new(found.into_iter()) as Addrs),
                None => Err(ResolveError::Failed(std::io::Error::other("no such name")).into()),
            }
        })
    }
}

#[tokio::test]
async fn a_response_arrives_whole_and_nothing_else_is_sent() {
    let server = Server::start(|_, _| {
        let mut answer = b"HTTP/1.1 404 Nope\r\nX-Upper: Yes\r\nset-cookie: a=b\r\nx-bytes: \xff\xfe\r\ncontent-length: 2\r\n\r\n".to_vec();
        answer.extend_from_slice(b"\0\xff");
        vec![Step::Send(answer)]
    })
    .await;
    let client = client();
    let response = client.send(get(server.url("/a?b=c"))).await.unwrap();
    assert_eq!(
        (response.status, response.body.as_slice()),
        (404, b"\0\xff".as_slice())
    );
    assert!(
        response
            .headers
            .contains(&("x-upper".to_owned(), "Yes".to_owned()))
    );
    assert!(
        !response.headers.iter().any(|(name, _)| name == "x-bytes"),
        "a value that is no text"
    );
    client.send(get(server.url("/again"))).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /a?b=c HTTP/1.1\r\n"));
    for header in ["cookie", "accept-encoding", "referer", "authorization"] {
        assert!(
            !requests[1].to_lowercase().contains(header),
            "{}",
            requests[1]
        );
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::start(|_, _| respond(302, "location: /elsewhere\r\n", "")).await;
    let response = client().send(get(server.url("/"))).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn waiting_for_headers_or_a_body_has_an_end() {
    let silent = Server::start(|_, _| vec![Step::Hang]).await;
    let slow = Server::start(|_, _| {
        vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbeg").remove(0),
            Step::Hang,
        ]
    })
    .await;
    for server in [silent, slow] {
        let text = unavailable(hurried(server.url("/secret-path"))).await;
        assert!(
            text.contains("did not answer completely within 0.2 s"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn answers_that_end_early_or_make_no_sense_are_errors() {
    for (answer, reason) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbeg",
            "ended early",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbeg",
            "ended early",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
            "ended early",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-", "without a valid answer"),
        ("SSH-2.0-OpenSSH\r\n", "without a valid answer"),
        ("", "without a valid answer"),
    ] {
        let server = Server::saying(answer).await;
        let text = unavailable(get(server.url("/secret-path"))).await;
        assert!(text.contains(reason), "{answer:?}: {text}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let announced = Server::start(|_, _| {
        vec![
            send("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n").remove(0),
            Step::Hang,
        ]
    })
    .await;
    let streamed = Server::start(|_, _| {
        let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        vec![send(&format!("{head}{chunk}{chunk}")).remove(0), Step::Hang]
    })
    .await;
    for server in [announced, streamed] {
        let error = client().send(get(server.url("/"))).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::LimitExceeded(text) if text.contains("1000 bytes")),
            "{error:?}"
        );
    }
    let exact = Server::start(|_, _| respond(200, "", &"x".repeat(1000))).await;
    assert_eq!(
        client().send(get(exact.url("/"))).await.unwrap().body.len(),
        1000
    );
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_says_why() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/secret-path")
        .parse()
        .unwrap();
    assert!(unavailable(get(url)).await.contains("refuses connections"));

    for allow_private_address in [true, false] {
        let nowhere = ReqwestClient::with_resolver(LONG, Scripted::new(&[])).unwrap();
        let request = get("https://api.example/secret-path".parse().unwrap());
        let error = nowhere
            .send(OutgoingRequest {
                allow_private_address,
                ..request
            })
            .await
            .unwrap_err();
        assert_eq!(
            error,
            HttpError::Unavailable(
                "api.example could not be found; check this machine's network and DNS".to_owned()
            )
        );
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_gets_no_request() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    let text = unavailable(get(format!("https://{address}/secret-path")
        .parse()
        .unwrap()))
    .await;
    assert!(
        text.contains("certificate") || text.contains("no root certificates"),
        "{text}"
    );

    let plain = Server::saying("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let mut url = plain.url("/secret-path");
    url.set_scheme("https").unwrap();
    let text = unavailable(get(url)).await;
    assert!(text.contains("does not answer in TLS"), "{text}");
}

#[tokio::test]
async fn addresses_that_are_not_on_the_internet_are_refused() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let port = server.port();
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "localhost",
    ] {
        let request = get(format!("http://{host}:{port}/secret-path").parse().unwrap());
        let error = client()
            .send(OutgoingRequest {
                allow_private_address: false,
                ..request
            })
            .await
            .unwrap_err();
        let HttpError::Refused(text) = error else {
            panic!("{host}: {error:?}")
        };
        assert!(
            text.contains("not on the internet") && !text.contains("/secret-path"),
            "{text}"
        );
    }
    assert!(server.requests().is_empty());
    client().send(get(server.url("/"))).await.unwrap();
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_however_often_it_changes() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let inside: &[&str] = &["127.0.0.1", "::1"];
    let rebinding = Scripted::new(&[inside, &["::ffff:127.0.0.1"], inside]);
    let client = ReqwestClient::with_resolver(LONG, rebinding).unwrap();
    let url: Url = format!("http://rebind.example:{}/", server.port())
        .parse()
        .unwrap();
    for _ in 0..3 {
        let request = OutgoingRequest {
            allow_private_address: false,
            ..get(url.clone())
        };
        let error = client.send(request).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::Refused(text) if text.contains("rebind.example")),
            "{error:?}"
        );
    }
    assert!(server.requests().is_empty());
    // An override that goes through the same client before or after changes nothing.
    client.send(get(url.clone())).await.unwrap();
    let request = OutgoingRequest {
        allow_private_address: false,
        ..get(url)
    };
    assert!(client.send(request).await.is_err());
}

#[tokio::test]
async fn a_name_that_led_to_the_internet_and_then_inside_is_refused() {
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rebinding = Scripted::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let client = ReqwestClient::with_resolver(LONG, rebinding).unwrap();
    let url: Url = format!("http://rebind.example:{}/", server.port())
        .parse()
        .unwrap();
    let request = || OutgoingRequest {
        allow_private_address: false,
        ..hurried(url.clone())
    };
    // Nobody answers there, which is all the same: the name was looked up and led to the internet.
    let first = client.send(request()).await.unwrap_err();
    assert!(matches!(first, HttpError::Unavailable(_)), "{first:?}");
    let second = client.send(request()).await.unwrap_err();
    assert!(matches!(second, HttpError::Refused(_)), "{second:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn of_several_addresses_those_on_the_internet_are_left() {
    let mixed = PublicOnly(Scripted::new(&[&[
        "10.0.0.1",
        "1.1.1.1",
        "fe80::1",
        "2606:4700::1",
    ]]));
    let found = mixed
        .resolve("mixed.example".parse().unwrap())
        .await
        .unwrap();
    let found: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    assert_eq!(found, ["1.1.1.1", "2606:4700::1"]);
}

#[tokio::test]
async fn credentials_in_a_url_are_refused() {
    for url in [
        "https://me@1.1.1.1/",
        "https://me:pw@1.1.1.1/",
        "https://:pw@1.1.1.1/",
    ] {
        let error = client().send(get(url.parse().unwrap())).await.unwrap_err();
        assert!(matches!(error, HttpError::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_told_nothing_else() {
    let server = Server::start(|_, _| respond(403, "", "")).await;
    let place = server.url("/").authority().to_owned();
    let proxy = EgressProxy::new(&format!("http://user:hush@{place}"), "direct.example").unwrap();
    let send_to = async |url: &str, found: &[&[&str]]| {
        let client = ReqwestClient::build(LONG, Scripted::new(found), Some(proxy.clone())).unwrap();
        let request = OutgoingRequest {
            allow_private_address: false,
            ..get(url.parse().unwrap())
        };
        client.send(request).await.unwrap_err()
    };
    // Where all goes through a proxy, often only that can look up a name.
    for found in [&[&["1.1.1.1"][..]][..], &[]] {
        let error = send_to("https://api.example/secret-path", found).await;
        let HttpError::Unavailable(text) = error else {
            panic!("{error:?}")
        };
        assert!(
            text.contains(&format!("through the proxy {place};")),
            "{text}"
        );
        assert!(
            !text.contains("hush") && !text.contains("secret-path"),
            "{text}"
        );
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests.iter() {
        assert!(
            request.starts_with("CONNECT api.example:443 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request
                .to_lowercase()
                .contains("proxy-authorization: basic "),
            "{request}"
        );
        assert!(!request.contains("secret-path"), "{request}");
    }

    // What is refused without a proxy is refused with one, and who is exempt is reached without it.
    for (url, found) in [
        ("https://10.0.0.1/", &[][..]),
        ("https://169.254.169.254/", &[]),
        ("https://api.example/", &[&["10.0.0.1"][..]][..]),
        ("https://direct.example/", &[&["10.0.0.1"]]),
    ] {
        let error = send_to(url, found).await;
        assert!(matches!(error, HttpError::Refused(_)), "{url}: {error:?}");
    }
    assert_eq!(server.requests().len(), 2);
}
