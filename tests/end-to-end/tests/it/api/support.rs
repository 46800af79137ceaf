//! A host with a connection, and a client that can send anything.

use std::time::Duration;

use end_to_end::{NORTHWIND, Setup};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

pub const CODES: [&str; 12] = [
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
    "feed-restarted",
    "internal",
];

/// A host with a connection, and a client that can send anything.
pub struct Api {
    pub setup: Setup,
    pub client: reqwest::Client,
    pub token: String,
    pub connection: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Api {
    pub async fn connected() -> Self {
        Self::configured("").await
    }

    /// With this `host.toml`.
    pub async fn configured(configuration: &str) -> Self {
        let setup = Setup::builder()
            .unlimited()
            .configuration(configuration)
            .start()
            .await
            .unwrap();
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
    pub fn open(&self, method: &str, path: &str) -> RequestBuilder {
        let path = path.replace("{id}", &self.connection);
        self.client.request(
            method.parse().unwrap(),
            format!("{}{path}", self.setup.host.url),
        )
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.open(method, &format!("/api/v1{path}"))
            .bearer_auth(&self.token)
    }

    /// Sends a request that must be refused with this status, and returns the problem.
    pub async fn refused(&self, request: RequestBuilder, status: u16, why: &str) -> Value {
        let answer = send(request).await;
        assert_problem(&answer, why);
        assert_eq!(answer.status, status, "{why}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Everything a misled host would have done wrong.
    pub async fn assert_still_works(&self) {
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

pub async fn send(request: RequestBuilder) -> Answer {
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
pub fn assert_problem(answer: &Answer, why: &str) {
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

pub fn assert_fields(value: &Value, names: &[&str]) {
    for name in names {
        assert!(value.get(name).is_some(), "`{name}` is not in {value}");
    }
}

pub const JSON: &str = "application/json";
