//! The HTTP API as its callers meet it: what it answers has the published form, and whatever it is sent,
//! it says what is wrong and goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use end_to_end::{NORTHWIND, Setup};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::StartTimer;
use toggl_sandbox::{Activity, Scenario};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TOMAS: i64 = 9_500_002;

const CODES: [&str; 11] = [
    "unauthorized",
    "forbidden",
    "not-found",
    "invalid-input",
    "conflict",
    "rate-limited",
    "quota-exhausted",
    "plan-limit",
    "upstream",
    "unavailable",
    "internal",
];

/// A host with a connection, and a client that can send anything.
struct Api {
    setup: Setup,
    client: reqwest::Client,
    token: String,
    connection: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Api {
    async fn connected() -> Self {
        let mut scenario = Scenario::default();
        // Nothing here is about Toggl's limits.
        scenario.limits.hourly_quota = false;
        scenario.limits.burst = 0;
        let setup = Setup::start_with(scenario, &[]).await.unwrap();
        let connection = setup.connect(NORTHWIND).await.unwrap();
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            token: std::fs::read_to_string(setup.options.data.join("admin-token"))
                .unwrap()
                .trim()
                .to_owned(),
            connection: connection["id"].as_str().unwrap().to_owned(),
            setup,
        }
    }

    /// A request without a token. `{id}` in the address is the connection.
    fn open(&self, method: &str, path: &str) -> RequestBuilder {
        let path = path.replace("{id}", &self.connection);
        self.client.request(
            method.parse().unwrap(),
            format!("{}{path}", self.setup.host.url),
        )
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.open(method, &format!("/api/v1{path}"))
            .bearer_auth(&self.token)
    }

    /// Sends a request that must be refused with this status, and returns the problem.
    async fn refused(&self, request: RequestBuilder, status: u16, why: &str) -> Value {
        let answer = send(request).await;
        assert_problem(&answer, why);
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Everything a misled host would have done wrong.
    async fn assert_still_works(&self) {
        let answer = send(self.open("GET", "/readyz")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let connections = self.setup.host.get("/connections").await.unwrap();
        assert_eq!(
            connections["connections"].as_array().unwrap().len(),
            1,
            "{connections}"
        );
        let log = self.setup.host.log().unwrap();
        assert!(!log.contains("panicked"), "{log}");
    }
}

async fn send(request: RequestBuilder) -> Answer {
    let response = timeout(Duration::from_secs(60), request.send())
        .await
        .unwrap()
        .unwrap();
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// A refusal: RFC 9457, with a sentence and a code of the contract.
fn assert_problem(answer: &Answer, why: &str) {
    let Answer { status, body, .. } = answer;
    assert!(status.is_client_error(), "{why}: {status} {body}");
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{why}"
    );
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], "about:blank", "{why}");
    assert_eq!(problem["status"], status.as_u16(), "{why}");
    assert_eq!(
        problem["title"],
        status.canonical_reason().unwrap(),
        "{why}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.len() > 10 && detail.len() < 600 && !detail.contains('\n'),
        "{why}: {detail}"
    );
    assert!(
        CODES.contains(&problem["code"].as_str().unwrap()),
        "{why}: {body}"
    );
}

fn assert_fields(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "`{name}` is not in {value}");
    }
}

const JSON: &str = "application/json";

#[tokio::test]
async fn a_body_that_does_not_fit_is_refused_with_the_reason() {
    let api = Api::connected().await;
    let long = "x".repeat(10_000);
    let deep = format!("{{\"secrets\":{{\"api-token\":{}", "[".repeat(100_000));
    let named = |name: &str| json!({ "name": name }).to_string();
    let connect = |name: &str| {
        json!({ "secrets": api.setup.secrets(), "scope_id": "7400002", "name": name }).to_string()
    };
    let secrets = r#"{"secrets":{"api-token":"t"}"#;
    for (method, path, body, status, says) in [
        ("POST", "/test", "", 400, "JSON"),
        ("POST", "/test", "{", 400, "JSON"),
        ("POST", "/test", "nonsense", 400, "JSON"),
        ("POST", "/test", "{\"secrets\":{}}}", 400, "JSON"),
        ("POST", "/test", &deep, 400, "JSON"),
        ("POST", "/test", "{}", 422, "secrets"),
        ("POST", "/test", "[]", 422, "object"),
        ("POST", "/test", "null", 422, "object"),
        ("POST", "/test", "\"text\"", 422, "object"),
        ("POST", "/test", r#"{"secrets":{}}"#, 422, "API token"),
        ("POST", "/test", r#"{"secrets":"t"}"#, 422, "secrets"),
        (
            "POST",
            "/test",
            r#"{"secrets":[["api-token","t"]]}"#,
            422,
            "secrets",
        ),
        ("POST", "/test", r#"{"secrets":null}"#, 422, "secrets"),
        (
            "POST",
            "/test",
            r#"{"secrets":{"api-token":1}}"#,
            422,
            "secrets",
        ),
        (
            "POST",
            "/test",
            r#"{"secrets":{"api-token":""}}"#,
            422,
            "secrets",
        ),
        (
            "POST",
            "/test",
            r#"{"secrets":{"token":"t"}}"#,
            422,
            "api-token",
        ),
        (
            "POST",
            "/test",
            &format!("{secrets},\"more\":1}}"),
            422,
            "more",
        ),
        (
            "POST",
            "/test",
            &format!("{secrets},\"secrets\":{{}}}}"),
            422,
            "secrets",
        ),
        ("POST", "/connections", "{}", 422, "secrets"),
        (
            "POST",
            "/connections",
            &format!("{secrets}}}"),
            422,
            "scope_id",
        ),
        (
            "POST",
            "/connections",
            &format!("{secrets},\"scope_id\":43}}"),
            422,
            "scope_id",
        ),
        (
            "POST",
            "/connections",
            &format!("{secrets},\"scope_id\":\"43\",\"name\":1}}"),
            422,
            "name",
        ),
        ("POST", "/connections", &connect(""), 422, "name"),
        ("POST", "/connections", &connect(" \t "), 422, "name"),
        ("POST", "/connections", &connect(&long), 422, "name"),
        ("POST", "/connections", &connect("a\u{7}b"), 422, "name"),
        ("PATCH", "/connections/{id}", "{}", 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":null}"#,
            422,
            "name",
        ),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":["a"]}"#,
            422,
            "name",
        ),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":"a","id":"b"}"#,
            422,
            "id",
        ),
        ("PATCH", "/connections/{id}", &named(""), 422, "name"),
        ("PATCH", "/connections/{id}", &named("  "), 422, "name"),
        ("PATCH", "/connections/{id}", &named(&long), 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            &named("two\nlines"),
            422,
            "name",
        ),
        ("PATCH", "/connections/{id}", &named("nul\0"), 422, "name"),
        (
            "PATCH",
            "/connections/{id}",
            r#"{"name":"\ud800"}"#,
            400,
            "JSON",
        ),
        ("PUT", "/connections/{id}/secrets", "{}", 422, "secrets"),
        (
            "PUT",
            "/connections/{id}/secrets",
            r#"{"secrets":{}}"#,
            422,
            "API token",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            "{}",
            422,
            "user_id",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":1}"#,
            422,
            "integer",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":"nobody"}"#,
            422,
            "nobody",
        ),
        (
            "PUT",
            "/connections/{id}/users/9500002",
            r#"{"user_id":""}"#,
            422,
            "user",
        ),
        (
            "PUT",
            "/connections/{id}/users/1",
            r#"{"user_id":"u-mara"}"#,
            404,
            "member",
        ),
        ("POST", "/connections/{id}/reconcile", "{}", 422, "from"),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"a","to":"b"}"#,
            422,
            "from",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-01","to":"later"}"#,
            422,
            "to",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-02","to":"2026-03-01"}"#,
            422,
            "before",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"0000-01-01","to":"9998-01-01"}"#,
            422,
            "366 days",
        ),
        (
            "POST",
            "/connections/{id}/reconcile",
            r#"{"from":"2026-03-01"}"#,
            422,
            "to",
        ),
    ] {
        let why = format!(
            "{method} {path} {}",
            body.chars().take(80).collect::<String>()
        );
        let request = api
            .request(method, path)
            .header("content-type", JSON)
            .body(body.to_owned());
        let problem = api.refused(request, status, &why).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{why}: “{says}” is not in {detail}");
        assert!(
            !detail.contains(api.setup.sandbox.token()),
            "{why}: {detail}"
        );
    }
    // What is not JSON is not guessed at.
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
        "application/jsonx",
    ] {
        let mut request = api.request("PATCH", "/connections/{id}").body(named("New"));
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        api.refused(request, 415, content_type).await;
    }
    for content_type in [JSON, "APPLICATION/JSON", "application/json; charset=utf-8"] {
        let request = api.request("PATCH", "/connections/{id}").body(named("New"));
        let answer = send(request.header("content-type", content_type)).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{content_type}: {}",
            answer.body
        );
    }
    let invalid = b"{\"name\":\"\xff\xfe\"}".to_vec();
    let request = api
        .request("PATCH", "/connections/{id}")
        .header("content-type", JSON);
    api.refused(request.body(invalid), 400, "invalid UTF-8")
        .await;

    // Too large: refused from its announced length, and when it is longer than nobody announced.
    for (path, bytes) in [("/api/v1/test", 300 << 10), ("/hooks/x", (1 << 20) + 1)] {
        let body = vec![b' '; bytes];
        let request = || {
            api.open("POST", path)
                .bearer_auth(&api.token)
                .header("content-type", JSON)
        };
        api.refused(request().body(body.clone()), 413, path).await;
        let pieces = body
            .chunks(64 << 10)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let stream = futures_util::stream::iter(pieces.collect::<Vec<_>>());
        api.refused(
            request().body(reqwest::Body::wrap_stream(stream)),
            413,
            path,
        )
        .await;
    }
    api.assert_still_works().await;
}

#[tokio::test]
async fn addresses_methods_and_queries_that_make_no_sense_are_refused() {
    let api = Api::connected().await;
    let huge = "9".repeat(4000);
    for (method, path) in [
        ("GET", "/nothing".to_owned()),
        ("GET", "/connections/".to_owned()),
        ("GET", "/connections/{id}/nothing".to_owned()),
        ("GET", "/connections/none".to_owned()),
        ("GET", format!("/connections/{huge}")),
        ("GET", "/connections/%00".to_owned()),
        ("GET", "/connections/..%2f..%2fetc".to_owned()),
        ("GET", "/connections/'%20OR%20''='".to_owned()),
        ("GET", "/activities?connection=none".to_owned()),
        ("GET", "/deliveries?connection=none".to_owned()),
        ("DELETE", "/connections/none".to_owned()),
        ("GET", "/connections/none/users".to_owned()),
        ("POST", "/connections/none/users/refresh".to_owned()),
        ("POST", "/connections/none/check".to_owned()),
        ("POST", "/deliveries/none/replay".to_owned()),
        ("POST", format!("/deliveries/{huge}/replay")),
    ] {
        let problem = api.refused(api.request(method, &path), 404, &path).await;
        assert_eq!(problem["code"], "not-found", "{path}");
    }
    for (method, path, body) in [
        ("PATCH", "/connections/none", json!({ "name": "New" })),
        (
            "PUT",
            "/connections/none/secrets",
            json!({ "secrets": api.setup.secrets() }),
        ),
        (
            "PUT",
            "/connections/none/users/9500002",
            json!({ "user_id": null }),
        ),
        (
            "PUT",
            "/connections/{id}/users/none",
            json!({ "user_id": null }),
        ),
        (
            "POST",
            "/connections/none/reconcile",
            json!({ "from": "2026-03-01", "to": "2026-03-01" }),
        ),
    ] {
        api.refused(api.request(method, path).json(&body), 404, path)
            .await;
    }
    // A segment that is no text is no address, and no server error.
    api.refused(api.request("GET", "/connections/%ff"), 400, "%ff")
        .await;

    for (method, path, allowed) in [
        ("DELETE", "/connections", "GET,HEAD,POST"),
        ("POST", "/connections/{id}", "DELETE,GET,HEAD,PATCH"),
        ("GET", "/test", "POST"),
        ("GET", "/connections/{id}/check", "POST"),
        ("POST", "/activities", "GET,HEAD"),
        ("GET", "/deliveries/none/replay", "POST"),
        ("BREW", "/users", "GET,HEAD"),
    ] {
        let answer = send(api.request(method, path)).await;
        assert_problem(&answer, path);
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        let mut allow: Vec<_> = answer.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
    for (method, path) in [("GET", "/hooks/x"), ("POST", "/healthz"), ("DELETE", "/")] {
        api.refused(api.open(method, path), 405, path).await;
    }

    for (path, says) in [
        ("/activities?limit=0", "limit"),
        ("/activities?limit=1001", "limit"),
        ("/activities?limit=-1", "limit"),
        ("/activities?limit=many", "limit"),
        ("/activities?limit=99999999999999999999999", "limit"),
        ("/activities?from=yesterday", "from"),
        ("/activities?to=2026-02-30", "to"),
        ("/activities?from=2026-03-01T08:00:00", "from"),
        ("/activities?include=everything", "include"),
        ("/activities?cursor=nonsense", "cursor"),
        ("/activities?cursor=%00", "cursor"),
        ("/activities?connections=a", "connections"),
        ("/activities?limit=1&limit=2", "limit"),
        ("/activities?from=%ff", "from"),
        ("/activities/changes?after=nonsense", "after"),
        ("/activities/changes?after=-1", "after"),
        ("/activities/changes?after=99999999999999999999999", "after"),
        ("/activities/changes?limit=0", "limit"),
        ("/activities/stream?after=nonsense", "after"),
        ("/deliveries?status=lost", "status"),
        ("/deliveries?limit=0", "limit"),
        ("/deliveries?cursor=nonsense", "cursor"),
        ("/users?name=a", "name"),
    ] {
        let answer = send(api.request("GET", path)).await;
        assert_problem(&answer, path);
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{path}: {}",
            answer.status
        );
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    }
    let request = api
        .request("GET", "/activities/stream")
        .header("last-event-id", "nonsense");
    let problem = api.refused(request, 400, "Last-Event-ID").await;
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("Last-Event-ID")
    );
    // Nothing matches is no mistake.
    for path in [
        "/activities?user=none",
        "/activities/changes?after=18446744073709551615",
        "/activities/changes?after=9223372036854775808",
        "/users?query=%25",
    ] {
        let answer = send(api.request("GET", path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let list: Value = serde_json::from_str(&answer.body).unwrap();
        let items = list.as_object().unwrap().values().find_map(Value::as_array);
        assert!(items.unwrap().is_empty(), "{path}: {list}");
    }
    api.assert_still_works().await;
}

#[tokio::test]
async fn only_the_admin_token_opens_the_api_and_every_documented_address_answers() {
    let api = Api::connected().await;
    let answer = send(api.open("GET", "/api/openapi.json")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.push((
                method.to_uppercase(),
                path.clone(),
                operation["security"] == json!([{}]),
            ));
        }
    }
    for expected in [
        "POST /api/v1/test",
        "POST /api/v1/connections",
        "GET /api/v1/connections",
        "GET /api/v1/connections/{id}",
        "PATCH /api/v1/connections/{id}",
        "PUT /api/v1/connections/{id}/secrets",
        "DELETE /api/v1/connections/{id}",
        "GET /api/v1/connections/{id}/users",
        "POST /api/v1/connections/{id}/users/refresh",
        "PUT /api/v1/connections/{id}/users/{remote_id}",
        "POST /api/v1/connections/{id}/check",
        "POST /api/v1/connections/{id}/reconcile",
        "GET /api/v1/users",
        "GET /api/v1/activities",
        "GET /api/v1/activities/changes",
        "GET /api/v1/activities/stream",
        "GET /api/v1/deliveries",
        "POST /api/v1/deliveries/{id}/replay",
        "POST /hooks/{hook}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/openapi.json",
    ] {
        assert!(
            documented
                .iter()
                .any(|(method, path, _)| format!("{method} {path}") == expected),
            "{expected} is not documented"
        );
    }
    for (method, path, is_open) in documented {
        let address = path
            .replace("{id}", "none")
            .replace("{remote_id}", "none")
            .replace("{hook}", "none");
        let why = format!("{method} {path}");
        if is_open {
            let answer = send(api.open(&method, &address)).await;
            assert!(
                answer.status == StatusCode::OK || path.starts_with("/hooks"),
                "{why}: {}",
                answer.status
            );
            continue;
        }
        for authorization in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Basic YWRtaW46eA==",
            &api.token,
        ] {
            let mut request = api.open(&method, &address);
            if !authorization.is_empty() {
                request = request.header("authorization", authorization);
            }
            let answer = send(request).await;
            assert_problem(&answer, &why);
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{why} {authorization}"
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{why}");
            assert!(
                answer.body.contains("admin-token"),
                "{why}: {}",
                answer.body
            );
        }
        // With the token, whatever is missing, it is not the address.
        let response = api
            .open(&method, &address)
            .bearer_auth(&api.token)
            .send()
            .await
            .unwrap();
        let status = response.status();
        if path.ends_with("/stream") {
            assert_eq!(status, StatusCode::OK, "{why}");
            continue;
        }
        let body = response.text().await.unwrap();
        assert!(!status.is_server_error(), "{why}: {status} {body}");
        assert!(
            status != StatusCode::METHOD_NOT_ALLOWED && !body.contains("nothing at this address"),
            "{why}: {status} {body}"
        );
    }
    let health = send(api.open("GET", "/healthz")).await;
    assert_eq!(health.body, r#"{"status":"alive"}"#);
    let metrics = send(api.open("GET", "/metrics").bearer_auth(&api.token)).await;
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
    for name in [
        "x-content-type-options",
        "cache-control",
        "content-security-policy",
    ] {
        assert!(
            health.headers.contains_key(HeaderName::from_static(name)),
            "{name}"
        );
    }
    api.assert_still_works().await;
}

#[tokio::test]
async fn answers_have_the_published_fields() {
    let api = Api::connected().await;
    let host = &api.setup.host;
    let call = async |method: Method, path: &str, body: Value| {
        let path = path.replace("{id}", &api.connection);
        let (status, answer) = host.call(method, &path, body).await.unwrap();
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    };
    let get = async |path: &str| call(Method::GET, path, Value::Null).await;

    let report = call(
        Method::POST,
        "/test",
        json!({ "secrets": api.setup.secrets() }),
    )
    .await;
    assert_fields(&report["account"], &["id", "name", "email"]);
    assert_fields(
        &report["scopes"][0],
        &[
            "id",
            "name",
            "organization",
            "plan",
            "role",
            "connectable",
            "reason",
        ],
    );

    let running = StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    api.setup.toggl().start_timer(running).unwrap();
    api.setup.settle().await.unwrap();
    let connection = get("/connections/{id}").await;
    assert_eq!(
        get("/connections").await["connections"],
        json!([connection])
    );
    assert_fields(
        &connection,
        &[
            "id",
            "name",
            "integration",
            "scope",
            "owner",
            "status",
            "attention",
            "subscription",
            "users",
            "created_at",
            "updated_at",
            "last_delivery_at",
        ],
    );
    assert_fields(&connection["scope"], &["id", "name"]);
    assert_fields(&connection["owner"], &["id", "name", "email"]);
    assert_fields(
        &connection["subscription"],
        &["id", "enabled", "validated_at"],
    );
    assert_fields(&connection["users"], &["mapped", "total"]);
    assert_eq!(connection["status"], "active");
    assert_eq!(connection["attention"], Value::Null);
    assert!(connection["last_delivery_at"].is_string(), "{connection}");

    let renamed = call(
        Method::PATCH,
        "/connections/{id}",
        json!({ "name": " Grüße 🙂 " }),
    )
    .await;
    assert_eq!(renamed["name"], "Grüße 🙂");
    assert_eq!(
        renamed["scope"], connection["scope"],
        "the workspace keeps its name"
    );

    let team = get("/connections/{id}/users").await;
    assert_fields(&team, &["users", "mapped", "total"]);
    assert_eq!(
        json!({ "mapped": team["mapped"], "total": team["total"] }),
        connection["users"]
    );
    for member in team["users"].as_array().unwrap() {
        assert_fields(member, &["remote_user", "user", "matched_by"]);
        assert_fields(&member["remote_user"], &["id", "name", "email", "active"]);
        assert!(member["remote_user"]["id"].is_string());
    }
    let member = call(
        Method::PUT,
        "/connections/{id}/users/9500004",
        json!({ "user_id": "u-hugo" }),
    )
    .await;
    assert_eq!(member["user"]["id"], "u-hugo");
    assert_eq!(member["matched_by"], "manual");
    let again = call(Method::POST, "/connections/{id}/users/refresh", Value::Null).await;
    let jonas = |team: &Value| {
        let users = team["users"].as_array().unwrap();
        users
            .iter()
            .find(|member| member["remote_user"]["id"] == "9500004")
            .unwrap()
            .clone()
    };
    assert_eq!(
        jonas(&again),
        member,
        "what was mapped by hand survives an import"
    );
    let nobody = call(
        Method::PUT,
        "/connections/{id}/users/9500004",
        json!({ "user_id": null }),
    )
    .await;
    assert_eq!(
        (&nobody["user"], &nobody["matched_by"]),
        (&Value::Null, &json!("manual"))
    );

    let found = get("/users?query=HERRERA").await;
    assert_eq!(
        found,
        json!({ "users": [{ "id": "u-tomas", "name": "Tomás Herrera", "email": "TOMAS.HERRERA@example.com" }] })
    );

    let list = get("/activities?limit=1").await;
    assert_fields(&list, &["activities", "next"]);
    let activity = &list["activities"][0];
    assert_fields(
        activity,
        &[
            "id",
            "connection_id",
            "remote_user_id",
            "user",
            "type",
            "title",
            "tags",
            "billable",
            "start",
            "stop",
            "duration_seconds",
            "running",
            "deleted",
            "scored",
            "source",
            "revision",
        ],
    );
    assert_fields(&activity["source"], &["entry_id", "event_id"]);
    assert_eq!(activity["type"], "time-log");
    assert_eq!(activity["user"]["id"], "u-tomas");
    assert_eq!(
        (&activity["running"], &activity["stop"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        (&activity["scored"], &activity["deleted"]),
        (&json!(false), &json!(false))
    );

    let health = call(Method::POST, "/connections/{id}/check", Value::Null).await;
    assert_eq!(health["healthy"], true, "{health}");
    let range = json!({ "from": "2026-03-01", "to": "2026-03-02T12:00:00Z" });
    let result = call(Method::POST, "/connections/{id}/reconcile", range).await;
    assert!(
        result["applied"].is_u64() && result["unchanged"].is_u64(),
        "{result}"
    );

    let deliveries = get("/deliveries?status=accepted").await;
    assert_fields(&deliveries, &["deliveries", "next"]);
    let delivery = &deliveries["deliveries"][0];
    assert_fields(
        delivery,
        &[
            "id",
            "connection_id",
            "received_at",
            "event_id",
            "status",
            "detail",
        ],
    );
    let path = format!("/deliveries/{}/replay", delivery["id"].as_str().unwrap());
    let problem = api
        .refused(api.request("POST", &path), 409, "a handled delivery")
        .await;
    assert_eq!(problem["code"], "conflict");

    // The pages of a list, and the pieces of the feed, are the whole, each thing once.
    let work = Activity {
        workspace_id: Some(NORTHWIND),
        per_second: 500.0,
        events: Some(40),
        ..Activity::default()
    };
    api.setup.toggl().activity(work).await.unwrap();
    api.setup.settle().await.unwrap();
    let whole = get("/activities?include=unmapped,deleted&limit=1000").await;
    let whole = whole["activities"].as_array().unwrap();
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&format!(
            "/activities?include=unmapped,deleted&limit=7&cursor={cursor}"
        ))
        .await;
        pages.extend(page["activities"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(&pages, whole);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let piece = get(&format!("/activities/changes?limit=7&after={after}")).await;
        after = piece["next"].as_str().unwrap().to_owned();
        let activities = piece["activities"].as_array().unwrap();
        if activities.is_empty() {
            break;
        }
        seen.extend(activities.clone());
    }
    let by_id = |mut list: Vec<Value>| {
        list.sort_by_key(|one| one["id"].to_string());
        list
    };
    assert_eq!(by_id(seen), by_id(whole.clone()));
    assert_eq!(
        get("/activities/changes?after=now").await["next"],
        after.as_str()
    );
}

#[tokio::test]
async fn a_stream_delivers_what_happens_and_goes_on_where_it_was() {
    let api = Api::connected().await;
    let start = || StartTimer {
        workspace_id: NORTHWIND,
        user_id: TOMAS,
        ..StartTimer::default()
    };
    let mut stream = api
        .request("GET", "/activities/stream?after=now")
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = api.setup.toggl().start_timer(start()).unwrap().id;
    let (id, activity) = next_event(&mut stream).await;
    assert_eq!(activity["source"]["entry_id"], first.to_string());
    assert_eq!(activity["running"], true);
    drop(stream);

    // Meanwhile: the next start stops the timer before it.
    let second = api.setup.toggl().start_timer(start()).unwrap().id;
    api.setup.settle().await.unwrap();
    let request = api
        .request("GET", "/activities/stream?after=now")
        .header("Last-Event-ID", &id);
    let mut stream = request.send().await.unwrap();
    let (one, two) = (next_event(&mut stream).await, next_event(&mut stream).await);
    let mut entries = [&one.1["source"]["entry_id"], &two.1["source"]["entry_id"]];
    entries.sort_by_key(|entry| entry.as_str().unwrap().parse::<i64>().unwrap());
    assert_eq!(
        entries,
        [&json!(first.to_string()), &json!(second.to_string())]
    );
    let places = [&id, &one.0, &two.0].map(|place| place.parse::<u64>().unwrap());
    assert!(places.is_sorted(), "{places:?}");
    // The ids are the cursors of the feed.
    let rest = api
        .setup
        .host
        .get(&format!("/activities/changes?after={}", two.0))
        .await
        .unwrap();
    assert_eq!(rest["activities"], json!([]));
}

/// The id and the data of a stream's next activity.
async fn next_event(stream: &mut reqwest::Response) -> (String, Value) {
    let read = async {
        let mut text = String::new();
        loop {
            let chunk = stream.chunk().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            if let Some((event, rest)) = text.split_once("\n\n") {
                let event = event.to_owned();
                if event.contains("event: activity") {
                    assert!(rest.is_empty(), "one event a chunk");
                    return event;
                }
                text = rest.to_owned();
            }
        }
    };
    let event = timeout(Duration::from_secs(30), read).await.unwrap();
    let field = |name: &str| {
        let mut lines = event.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    (field("id:"), serde_json::from_str(&field("data:")).unwrap())
}

#[tokio::test]
async fn broken_connections_and_requests_do_no_harm() {
    let api = Api::connected().await;
    let address = api.setup.host.url.trim_start_matches("http://").to_owned();
    let token = &api.token;
    let path = format!("/api/v1/connections/{}", api.connection);
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    for request in [
        "".to_owned(),
        "\0\0\0\0".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(100_000)),
        format!(
            "GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n",
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
