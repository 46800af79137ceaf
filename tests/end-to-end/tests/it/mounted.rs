//! The host's routes in a platform's own server, under a path: what the host promises holds there too.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use end_to_end::hostile::Log;
use end_to_end::{Embedded, NORTHWIND, RawConnection, component, eventually, post};
use integration_host_server::{AdminToken, Server};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PLATFORM: Ipv4Addr = Ipv4Addr::LOCALHOST;
const GUESSER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

struct Mounted {
    embedded: Embedded,
    url: String,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
    server: Server,
}

impl Mounted {
    async fn start(trusted_proxies: &[&str]) -> Self {
        let embedded = Embedded::builder(&component().unwrap())
            .start()
            .await
            .unwrap();
        let server = Server::new(&embedded.service)
            .admin_token(AdminToken::new(TOKEN).unwrap())
            .trusted_proxies(trusted_proxies.iter().map(|text| text.parse().unwrap()));
        let (stop, stopping) = watch::channel(false);
        let clients = server.make_service(|routes| Router::new().nest_service("/time", routes));
        let listener = TcpListener::bind((PLATFORM, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut stopping = stopping;
        let stopped = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        let serving = async move {
            axum::serve(listener, clients)
                .with_graceful_shutdown(stopped)
                .await
        };
        Self {
            embedded,
            url,
            stop,
            serving: tokio::spawn(serving),
            server,
        }
    }

    /// The status for a request with this token, through proxies that say where it comes from.
    async fn ask(&self, from: Ipv4Addr, forwarded_for: &str, token: &str) -> u16 {
        let request = format!(
            "GET /time/api/v1/connections HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nx-forwarded-for: {forwarded_for}\r\n\r\n"
        );
        let mut connection = RawConnection::open(&self.url, from).await.unwrap();
        connection.send(request).await.unwrap();
        connection.answer().await.unwrap().status
    }
}

const TOKEN: &str = "embedded-admin-token";

/// On one thread, whose log is that of this test alone.
#[tokio::test]
async fn mounted_under_a_path_limits_count_by_client_and_requests_are_logged() {
    let log = Log::default();
    let _logging = tracing::dispatcher::set_default(&log.dispatch());
    let mounted = Mounted::start(&["127.0.0.9/32"]).await;
    for _ in 0..10 {
        assert_eq!(
            mounted
                .ask(GUESSER, "203.0.113.1", "a wrong admin token")
                .await,
            401
        );
    }
    assert_eq!(
        mounted.ask(GUESSER, "203.0.113.2", TOKEN).await,
        429,
        "nobody is locked out"
    );
    assert_eq!(
        mounted.ask(PLATFORM, "", TOKEN).await,
        200,
        "everybody is locked out"
    );
    // Behind a proxy that is trusted, its clients are told apart.
    let proxy = Ipv4Addr::new(127, 0, 0, 9);
    for _ in 0..10 {
        assert_eq!(
            mounted
                .ask(proxy, "203.0.113.3", "a wrong admin token")
                .await,
            401
        );
    }
    assert_eq!(mounted.ask(proxy, "203.0.113.3", TOKEN).await, 429);
    assert_eq!(mounted.ask(proxy, "203.0.113.4", TOKEN).await, 200);
    let text = log.take();
    let line = text
        .lines()
        .find(|line| line.contains("/time/api/v1/connections"));
    assert!(line.is_some_and(|line| line.contains("200")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_allowed_origins_may_call_the_api_and_no_others() {
    let embedded = Embedded::builder(&component().unwrap())
        .start()
        .await
        .unwrap();
    let app = "https://app.example.com".parse().unwrap();
    let server = Server::new(&embedded.service)
        .admin_token(AdminToken::new(TOKEN).unwrap())
        .allowed_origins([&app]);
    // Each where the platform wants it.
    let routes = Router::new()
        .nest_service("/in", server.hooks())
        .nest_service("/out", server.api());
    let clients = routes.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind((PLATFORM, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, clients).into_future());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |method: reqwest::Method, path: &str, origin: &str| {
        let request = client
            .request(method, format!("{url}{path}"))
            .header("origin", origin)
            .header("sec-fetch-site", "cross-site")
            .header("access-control-request-method", "POST")
            .bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        let allowed = allowed.map(|origin| origin.to_str().unwrap().to_owned());
        (answer.status().as_u16(), allowed)
    };
    let (post, options) = (reqwest::Method::POST, reqwest::Method::OPTIONS);
    let (links, own) = ("/out/api/v1/sign-in-links", "https://app.example.com");
    let foreign = "https://evil.example";
    assert_eq!(
        ask(options.clone(), links, own).await,
        (200, Some(own.to_owned()))
    );
    assert_eq!(
        ask(post.clone(), links, own).await,
        (201, Some(own.to_owned()))
    );
    assert_eq!(ask(options, links, foreign).await.1, None);
    assert_eq!(ask(post, links, foreign).await, (403, None));
    let get = reqwest::Method::GET;
    assert_eq!(ask(get.clone(), "/in/healthz", foreign).await, (200, None));
    assert_eq!(ask(get, "/in/api/v1/connections", own).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_still_arriving_is_waited_for_and_answered() {
    let embedded = Embedded::builder(&component().unwrap())
        .start()
        .await
        .unwrap();
    let server = Server::new(&embedded.service).admin_token(AdminToken::new(TOKEN).unwrap());
    let listener = TcpListener::bind((PLATFORM, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, mut stopping) = watch::channel(false);
    let serving = tokio::spawn(async move {
        let stopped = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        server.serve(listener, stopped).await
    });
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let request = post("/api/v1/test", &headers, b"{\"no\": \"secrets\"}");
    let (first, rest) = request.split_at(request.len() - 6);
    let mut connection = RawConnection::open(&url, PLATFORM).await.unwrap();
    connection.send(first).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.send_replace(true);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!serving.is_finished(), "the request is not waited for");
    connection.send(rest).await.unwrap();
    assert_eq!(connection.answer().await.unwrap().status, 422);
    let ended = timeout(Duration::from_secs(60), serving).await;
    ended.expect("it does not stop").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_case_whose_client_hung_up_is_waited_for() {
    let mounted = Mounted::start(&[]).await;
    let body = json!({
        "secrets": { "api-token": mounted.embedded.sandbox.token() },
        "scope_id": NORTHWIND.to_string(), "name": null
    });
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let request = post(
        "/time/api/v1/connections",
        &headers,
        body.to_string().as_bytes(),
    );
    let mut connection = RawConnection::open(&mounted.url, PLATFORM).await.unwrap();
    connection.send(request).await.unwrap();
    // Half way: the webhook is there, the team is still read.
    let control = mounted.embedded.sandbox.control();
    eventually("the webhook is never made", async || {
        !control.subscriptions().is_empty()
    })
    .await
    .unwrap();
    drop(connection);
    mounted.stop.send_replace(true);
    mounted.serving.await.unwrap().unwrap();
    let grace = Duration::from_secs(60);
    assert!(mounted.server.finish(grace).await, "it takes too long");
    let connections = mounted.embedded.service.connections().await.unwrap();
    assert_eq!(
        connections.len(),
        1,
        "the connection that was half made is lost"
    );
}
