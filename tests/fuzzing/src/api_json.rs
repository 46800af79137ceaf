//! Any requests to a whole host, by its admin and by strangers: each is answered, none breaks it.
//!
//! The input is requests, separated by lines:
//!
//! ```text
//! PATCH /api/v1/connections/{connection}
//! {"name":"Northwind"}
//! --- GET /api/v1/activities?limit=5
//! --- stranger POST /hooks/{hook}
//! {"payload":"ping"}
//! ```
//!
//! `{connection}` and `{hook}` stand for those of the connected workspace, `"api-token":"{token}"` for
//! its token. Requests of a `stranger` come without the admin token.

mod toggl;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::AddExtension;
use integration_host::{ConnectRequest, Host};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ScopeId;
use integration_host_directory::FileDirectory;
use integration_host_http::{AllowList, HttpLimits, HttpMetrics, OutboundHttp};
use integration_host_ledger::Connection;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::secret::Secret;
use integration_host_server::api::Problem;
use integration_host_server::{AdminToken, Server};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::{Service as _, ServiceExt as _};

use crate::crossing::{sections, split_line};
use crate::lent::WORKSPACE;
use crate::{component, file};

/// The routes as one client reaches them.
type Client = AddExtension<Router, ConnectInfo<SocketAddr>>;

const ADMIN_TOKEN: &str = "an-admin-token-of-the-fuzzer";
const API_TOKEN: &str = "1971800d4d82861d8f2c1651fea4d212";

/// Requests of one input, at most.
const MOST_REQUESTS: usize = 8;

/// After so many inputs a new host takes the place of the old one, which remembers them all.
const INPUTS_PER_HOST: u32 = 500;

/// A host with a connected workspace.
struct Target {
    runtime: Runtime,
    service: Host,
    router: Client,
    connection: Connection,
    inputs: u32,
    /// Event streams end when this is dropped.
    _server: Server,
}

thread_local! {
    /// It is not dropped with its thread: what asks for the time while it ends would find no clock any more.
    static HOST: RefCell<Option<ManuallyDrop<Target>>> = const { RefCell::new(None) };
}

/// Runs the target.
pub fn run(input: &[u8]) {
    // Comparing tells a fuzzer what was compared with. Who knows a secret and writes it into a name or a
    // wrong value may read it there again.
    let contains = |secret: &str| {
        input
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    if contains(ADMIN_TOKEN) || contains(API_TOKEN) {
        return;
    }
    HOST.with_borrow_mut(|host| {
        if let Some(old) = host.take_if(|host| host.is_used_up()) {
            drop(ManuallyDrop::into_inner(old));
        }
        let host = host.get_or_insert_with(|| ManuallyDrop::new(start()));
        host.inputs += 1;
        for section in sections(input).take(MOST_REQUESTS) {
            host.send(section);
        }
    });
}

impl Target {
    /// Whether it is old, or its connection is gone.
    fn is_used_up(&self) -> bool {
        let connection = self.service.connection(&self.connection.id);
        self.inputs >= INPUTS_PER_HOST || self.runtime.block_on(connection).is_err()
    }

    fn send(&self, section: &[u8]) {
        let (line, body) = split_line(section);
        let fill = |text: &str| {
            text.replace("{connection}", self.connection.id.as_str())
                .replace("{hook}", self.connection.hook.as_str())
        };
        let line = fill(&line);
        let (line, is_stranger) = match line.strip_prefix("stranger ") {
            Some(line) => (line, true),
            None => (line.as_str(), false),
        };
        let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(CONTENT_TYPE, "application/json")
            .header(
                "x-webhook-signature-256",
                format!("sha256={}", "0".repeat(64)),
            );
        if !is_stranger {
            request = request.header(AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"));
        }
        let body = String::from_utf8(body.into()).map_or(Body::from(body.to_vec()), |text| {
            let given = format!("\"api-token\":\"{API_TOKEN}\"");
            fill(&text)
                .replace("\"api-token\":\"{token}\"", &given)
                .into()
        });
        // What the HTTP library does not take for a request never reaches the routes.
        let Ok(request) = request.body(body) else {
            return;
        };
        let path = request.uri().path().to_owned();
        let answer = self.runtime.block_on(answer(self.router.clone(), request));
        answer.check(line);
        if is_stranger {
            answer.check_tells_strangers_nothing(&path, line);
        }
    }
}

/// What came back.
struct Answer {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

async fn answer(router: Client, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.expect("routes always answer");
    let status = response.status().as_u16();
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.map_or("", |value| value.to_str().expect("text"));
    let content_type = content_type.to_owned();
    // An event stream has no end.
    let body = if content_type == "text/event-stream" {
        Vec::new()
    } else {
        let bytes = to_bytes(response.into_body(), 1 << 22).await;
        bytes.expect("an answer is bounded").into()
    };
    Answer {
        status,
        content_type,
        body,
    }
}

impl Answer {
    fn check(&self, line: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert!(
            self.status < 500,
            "{line} broke the host: {} {text}",
            self.status
        );
        assert!(
            !text.contains(API_TOKEN) && !text.contains(ADMIN_TOKEN),
            "{line} told a secret: {text}"
        );
        let json = self.content_type.starts_with("application/");
        let value: Value = if json && !self.body.is_empty() {
            serde_json::from_slice(&self.body).unwrap_or_else(|error| {
                panic!("{line} was answered with no JSON ({error}): {text}")
            })
        } else {
            Value::Null
        };
        if self.status >= 400 && !line.contains("/hooks/") {
            assert_eq!(self.content_type, "application/problem+json", "{line}");
            assert_eq!(value["status"], self.status, "{line}");
            let code = value["code"].as_str().unwrap_or_default();
            let is_known = ErrorCode::from_name(code).is_some() || code == Problem::FEED_RESTARTED;
            assert!(is_known, "{line}: {text}");
            let detail = value["detail"].as_str().unwrap_or_default();
            assert!(
                (1..=501).contains(&detail.chars().count()),
                "{line}: {text}"
            );
        }
    }

    fn check_tells_strangers_nothing(&self, path: &str, line: &str) {
        let is_open = ["/", "/api/openapi.json", "/healthz", "/readyz"].contains(&path);
        assert!(
            is_open || self.status >= 400,
            "somebody without the token was let in: {line}"
        );
        if path.starts_with("/hooks/") {
            assert!(
                self.body.is_empty() || self.status != 401,
                "an answer to a forged delivery says which hooks exist: {line}"
            );
        }
    }
}

fn start() -> Target {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (service, connection) = runtime.block_on(connect());
    let admin_token = AdminToken::new(ADMIN_TOKEN).expect("a token");
    let server = Server::new(&service).admin_token(admin_token);
    let mut clients = server.make_service(|routes| routes);
    let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
    let Ok(router) = runtime.block_on(clients.call(peer));
    Target {
        runtime,
        service,
        router,
        connection,
        inputs: 0,
        _server: server,
    }
}

async fn connect() -> (Host, Connection) {
    let integration = component::load().await;
    let manifest = component::unpaced_manifest(&integration);
    let http = OutboundHttp::new(
        Arc::new(toggl::Toggl),
        &manifest,
        AllowList::new(&manifest.hosts, None, &[]).expect("the manifest names a host"),
        HttpLimits::default(),
        Arc::new(HttpMetrics::default()),
    );
    let users = file::write("users.csv", b"id,email,name\nu-1,ada@example.com,Ada\n");
    let service = Host::builder(integration)
        .outbound_http(http)
        .ledger(SqliteLedger::in_memory().expect("a database in memory"))
        .directory(FileDirectory::load(users).expect("a directory"))
        .public_url("https://time.example.com")
        .start();
    let service = service.await.expect("a host");
    let secrets = BTreeMap::from([("api-token".to_owned(), Secret::new(API_TOKEN))]);
    let request = ConnectRequest {
        secrets,
        scope_id: ScopeId::new(WORKSPACE.to_string()),
        name: None,
    };
    let connection = service.connect(request).await.expect("a connection");
    (service, connection)
}
