//! What requests meet before and after a use case: limits, authentication, problems, headers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRef, Request};
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

use super::super::admin_token::AdminToken;
use super::super::authentication::{Admission, OnlyAdmin, require_identity};
use super::super::authentication::{Authenticator, Identity, Role};
use super::super::body::{LargeBodies, RequestLimits};
use super::super::client::TrustedProxies;
use super::super::error::ApiError;
use super::super::extract::{ApiJson, ApiPath, ApiQuery};
use super::super::layers::{finish, with_an_end, with_own_methods};
use super::super::login_throttle::LoginThrottle;
use super::super::openapi::document;
use crate::api::{ConnectRequestBody, MapRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    #[serde(default)]
    number: u8,
}

#[derive(Clone)]
struct State(RequestLimits);

impl FromRef<State> for RequestLimits {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

/// The layers of the real router around routes that need no use case.
fn router() -> Router {
    let limits = RequestLimits {
        api_bytes: 100,
        delivery_bytes: 100,
        read_timeout: Duration::from_millis(50),
        stall_timeout: Duration::from_millis(50),
        large: Arc::new(LargeBodies::new(1)),
    };
    let admission = admission(None);
    let admin = Router::new()
        .route("/admin", get(async || "in"))
        .route_layer(from_fn_with_state(admission, require_identity));
    let open = Router::new()
        .route(
            "/connect",
            post(async |ApiJson(_): ApiJson<ConnectRequestBody>| "ok"),
        )
        .route("/map", post(async |ApiJson(_): ApiJson<MapRequest>| "ok"))
        .route(
            "/query",
            get(async |ApiQuery(query): ApiQuery<Numbers>| query.number.to_string()),
        )
        .route("/path/{id}", get(async |ApiPath(id): ApiPath<String>| id))
        .route("/panic", get(panics));
    let proxies = Arc::new(TrustedProxies::new(Vec::new()));
    finish(
        with_own_methods(with_an_end(open.merge(admin))),
        proxies,
        true,
    )
    .with_state(State(limits))
}

fn admission(authenticator: Option<Arc<dyn Authenticator>>) -> Admission {
    let token = AdminToken::new("let-me-in-let-me-in").unwrap();
    let login_throttle = LoginThrottle::new(3, Duration::from_secs(30));
    Admission::new(Some(token), authenticator, login_throttle)
}

/// A platform whose people are named in a header.
struct Platform;

#[async_trait]
impl Authenticator for Platform {
    async fn authenticate(&self, request: &Parts) -> Option<Identity> {
        let name = request.headers.get("x-person")?.to_str().ok()?;
        let role = match name {
            "ada" => Role::Admin,
            _ => Role::Reader,
        };
        Some(Identity::new(name, role))
    }

    fn sign_in_url(&self) -> &str {
        "/platform/sign-in"
    }
}

#[tokio::test]
async fn whoever_the_platform_knows_may_do_what_it_says() {
    let layer = from_fn_with_state(admission(Some(Arc::new(Platform))), require_identity);
    let routes = Router::new()
        .route("/thing", get(async || "seen").post(async || "changed"))
        .route("/everything", get(async |_: OnlyAdmin| "everything"))
        .route_layer(layer);
    let routes = finish(routes, Arc::new(TrustedProxies::new(Vec::new())), true).with_state(());
    let ask = async |method: &str, path: &str, person: &str, token: &str| {
        let mut request = Request::builder().method(method).uri(path);
        if !person.is_empty() {
            request = request.header("x-person", person);
        }
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = routes.clone().oneshot(arrived(request)).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await;
        (status, String::from_utf8(body.unwrap().to_vec()).unwrap())
    };
    for (method, path, person, status) in [
        ("GET", "/thing", "ada", 200),
        ("POST", "/thing", "ada", 200),
        ("GET", "/everything", "ada", 200),
        ("GET", "/thing", "eve", 200),
        ("POST", "/thing", "eve", 403),
        ("GET", "/everything", "eve", 403),
        ("GET", "/thing", "", 401),
    ] {
        let (seen, text) = ask(method, path, person, "").await;
        assert_eq!(seen, status, "{method} {path} by {person:?}: {text}");
    }
    let (_, text) = ask("GET", "/thing", "", "").await;
    assert!(text.contains("/platform/sign-in"), "{text}");
    // The admin token goes on being good, and being guarded.
    assert_eq!(
        ask("POST", "/thing", "", "let-me-in-let-me-in").await.0,
        200
    );
    assert_eq!(ask("POST", "/thing", "", "a guess").await.0, 401);
}

async fn panics() -> Result<(), ApiError> {
    panic!("a defect")
}

async fn send(request: Request) -> Response {
    router().oneshot(arrived(request)).await.unwrap()
}

/// A request as a server hands it over.
fn arrived(mut request: Request) -> Request {
    let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[tokio::test]
async fn where_nobody_says_who_asks_nothing_is_answered() {
    let request = Request::get("/query").body(Body::empty()).unwrap();
    problem(router().oneshot(request).await.unwrap(), 500).await;
}

fn json_post(path: &str, body: impl Into<Body>) -> Request {
    Request::post(path)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(body.into())
        .unwrap()
}

/// Makes sure that a response is a problem with this status, and returns it.
async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let bytes = axum::body::to_bytes(response.into_body(), 10_000)
        .await
        .unwrap();
    let problem: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(problem["status"], status);
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert!(problem["code"].is_string() && problem["title"].is_string());
    problem
}

#[tokio::test]
async fn an_unknown_address_is_a_problem() {
    let request = Request::get("/nowhere").body(Body::empty()).unwrap();
    let problem = problem(send(request).await, 404).await;
    assert_eq!(problem["code"], "not-found");
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_names_the_right_ones() {
    let request = Request::delete("/map").body(Body::empty()).unwrap();
    let response = send(request).await;
    assert_eq!(response.headers()[ALLOW], "POST");
    problem(response, 405).await;
}

#[tokio::test]
async fn a_panic_is_a_problem() {
    let request = Request::get("/panic").body(Body::empty()).unwrap();
    let problem = problem(send(request).await, 500).await;
    assert_eq!(problem["code"], "internal");
    assert!(
        !problem["detail"]
            .to_string()
            .contains("a defect in the code")
    );
}

#[tokio::test]
async fn only_the_admin_token_opens_the_api() {
    let request = |authorization: Option<&str>| {
        let mut request = Request::get("/admin");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(Body::empty()).unwrap()
    };
    for allowed in ["Bearer let-me-in-let-me-in", "bearer  let-me-in-let-me-in"] {
        assert_eq!(send(request(Some(allowed))).await.status(), StatusCode::OK);
    }
    for refused in [
        None,
        Some(""),
        Some("let-me-in-let-me-in"),
        Some("Basic let-me-in-let-me-in"),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer letmei"),
        Some("Bearer let-me-in-let-me-in2"),
    ] {
        let response = send(request(refused)).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let problem = problem(response, 401).await;
        assert_eq!(problem["code"], "unauthorized");
    }
}

#[tokio::test]
async fn a_body_must_be_json_in_name_and_in_form() {
    let request = Request::post("/map").body(Body::from("{}")).unwrap();
    problem(send(request).await, 415).await;
    let request = Request::post("/map")
        .header(CONTENT_TYPE, "text/plain")
        .body(Body::from("{}"))
        .unwrap();
    problem(send(request).await, 415).await;
    for malformed in ["", "{", "{\"user_id\":}", "nonsense", "\u{0}"] {
        problem(send(json_post("/map", malformed)).await, 400).await;
    }
    problem(
        send(json_post("/map", &b"{\"user_id\":\"\xff\"}"[..])).await,
        400,
    )
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_fit_says_what_is_wrong() {
    for (body, expected) in [
        ("{}", "missing field `user_id`"),
        ("{\"user_id\":1}", "invalid type"),
        ("{\"user_id\":null,\"name\":1}", "unknown field `name`"),
        ("[]", "must be a JSON object"),
        ("[null]", "must be a JSON object"),
        ("null", "must be a JSON object"),
    ] {
        let problem = problem(send(json_post("/map", body)).await, 422).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{body}: {detail}");
    }
    let ok = send(json_post("/map", "{\"user_id\":null}")).await;
    assert_eq!(ok.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_refused_secret_is_not_repeated() {
    for body in [
        r#"{"secrets":"s3cret","scope_id":"1"}"#,
        r#"{"secrets":{"api-token":["s3cret"]},"scope_id":"1"}"#,
    ] {
        let problem = problem(send(json_post("/connect", body)).await, 422).await;
        assert!(!problem.to_string().contains("s3cret"), "{problem}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_announced_or_not() {
    let large = vec![b' '; 101];
    problem(send(json_post("/map", large.clone())).await, 413).await;
    let chunks = futures_util::stream::iter(
        large
            .chunks(10)
            .map(|chunk| Ok::<_, std::convert::Infallible>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    let unannounced = json_post("/map", Body::from_stream(chunks));
    problem(send(unannounced).await, 413).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let endless = futures_util::stream::pending::<Result<Vec<u8>, std::convert::Infallible>>();
    let request = json_post("/map", Body::from_stream(endless));
    problem(send(request).await, 408).await;
}

#[tokio::test]
async fn a_query_or_path_that_cannot_be_read_is_a_problem() {
    for path in [
        "/query?number=300",
        "/query?number=x",
        "/query?nubmer=1",
        "/query?number=1&number=2",
        "/path/%ff",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let problem = problem(send(request).await, 400).await;
        assert_eq!(problem["code"], "invalid-input", "{path}");
    }
}

#[tokio::test]
async fn every_response_carries_the_security_headers() {
    let request = Request::get("/query").body(Body::empty()).unwrap();
    let response = send(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("strict-transport-security", "max-age=15768000"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

/// The addresses and methods of the published API.
const PUBLISHED: [(Method, &str); 36] = [
    (Method::POST, "/api/v1/sign-in-links"),
    (Method::GET, "/api/v1/integration"),
    (Method::POST, "/api/v1/test"),
    (Method::POST, "/api/v1/connections"),
    (Method::GET, "/api/v1/connections"),
    (Method::GET, "/api/v1/connections/{id}"),
    (Method::GET, "/api/v1/connections/{id}/log"),
    (Method::PATCH, "/api/v1/connections/{id}"),
    (Method::PUT, "/api/v1/connections/{id}/secrets"),
    (Method::DELETE, "/api/v1/connections/{id}"),
    (Method::DELETE, "/api/v1/sessions"),
    (Method::GET, "/api/v1/connections/{id}/users"),
    (Method::POST, "/api/v1/connections/{id}/separate"),
    (Method::POST, "/api/v1/connections/{id}/gap/read"),
    (Method::POST, "/api/v1/connections/{id}/take-over"),
    (Method::POST, "/api/v1/connections/{id}/users/refresh"),
    (Method::PUT, "/api/v1/connections/{id}/users/{remote_id}"),
    (Method::POST, "/api/v1/connections/{id}/check"),
    (Method::POST, "/api/v1/connections/{id}/reconcile"),
    (Method::GET, "/api/v1/connections/{id}/missing"),
    (Method::POST, "/api/v1/connections/{id}/missing/take-back"),
    (Method::GET, "/api/v1/users"),
    (Method::GET, "/api/v1/activities"),
    (Method::GET, "/api/v1/activities/changes"),
    (Method::GET, "/api/v1/activities/stream"),
    (Method::GET, "/api/v1/deliveries"),
    (Method::POST, "/api/v1/deliveries/replay"),
    (Method::POST, "/api/v1/deliveries/{id}/replay"),
    (Method::GET, "/api/v1/backup"),
    (Method::GET, "/api/v1/sealing-key"),
    (Method::POST, "/api/v1/sealing-key/rotate"),
    (Method::POST, "/hooks/{hook}"),
    (Method::GET, "/healthz"),
    (Method::GET, "/readyz"),
    (Method::GET, "/metrics"),
    (Method::GET, "/api/openapi.json"),
];

#[test]
fn the_openapi_document_describes_exactly_the_published_api() {
    let document = serde_json::to_value(document()).unwrap();
    let mut described: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            operations
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut published: Vec<_> = PUBLISHED
        .iter()
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    described.sort();
    published.sort();
    assert_eq!(described, published);
}

#[test]
fn operations_can_be_told_apart_by_their_ids() {
    let document = serde_json::to_value(document()).unwrap();
    let mut ids: Vec<_> = PUBLISHED
        .iter()
        .map(|(method, path)| {
            document["paths"][path][method.as_str().to_lowercase()]["operationId"].to_string()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), PUBLISHED.len(), "{ids:?}");
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere() {
    let document = serde_json::to_value(document()).unwrap();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                references.push(reference.clone());
            }
            object
                .values()
                .for_each(|value| collect_references(value, references));
        }
        Value::Array(array) => array
            .iter()
            .for_each(|value| collect_references(value, references)),
        _ => {}
    }
}

#[test]
fn every_operation_but_the_open_ones_needs_the_token_and_names_its_problems() {
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(
        document["security"],
        serde_json::json!([{"admin-token": []}])
    );
    for (method, path) in PUBLISHED {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        let open = matches!(
            path,
            "/hooks/{hook}" | "/healthz" | "/readyz" | "/api/openapi.json"
        );
        let overrides = operation["security"].as_array();
        assert_eq!(overrides.is_some(), open, "{method} {path}");
        if path.starts_with("/api/v1/") {
            let client = &operation["responses"]["4XX"]["content"];
            assert!(
                client["application/problem+json"].is_object(),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn every_operation_has_a_route() {
    // A route twice is a panic, so a route that exists is one that cannot be added again.
    for (method, path) in PUBLISHED {
        let filter = axum::routing::MethodFilter::try_from(method.clone()).unwrap();
        let added = std::panic::catch_unwind(|| {
            super::open_routes()
                .merge(super::documents())
                .merge(super::admin_routes())
                .route(path, axum::routing::on(filter, async || ()))
        });
        assert!(added.is_err(), "there is no route for {method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_guesses_the_token_is_locked_out_even_from_the_right_one() {
    let router = router();
    let ask = async |token: &str| {
        let request = Request::get("/admin").header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        router.clone().oneshot(arrived(request)).await.unwrap()
    };
    for _ in 0..3 {
        problem(ask("guess").await, 401).await;
    }
    let locked_out = ask("let-me-in-let-me-in").await;
    assert_eq!(locked_out.headers()["retry-after"], "30");
    assert_eq!(problem(locked_out, 429).await["code"], "rate-limited");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(ask("let-me-in-let-me-in").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_not_unpacked() {
    let mut request = json_post("/map", "{\"user_id\":null}");
    request
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    problem(send(request).await, 415).await;
}
