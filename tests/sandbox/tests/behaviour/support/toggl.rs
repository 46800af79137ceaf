use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};

/// A sandbox and a client with its owner's token.
pub struct Toggl {
    pub sandbox: RunningSandbox,
    pub token: String,
    client: Client,
}

impl Toggl {
    pub async fn start() -> Self {
        Self::with(Scenario::default()).await
    }

    pub async fn with(scenario: Scenario) -> Self {
        let sandbox = Sandbox::start(scenario)
            .await
            .expect("a sandbox starts on a free port");
        Self {
            token: sandbox.token().to_owned(),
            sandbox,
            client: Client::new(),
        }
    }

    /// A request without credentials.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.sandbox.base_url()))
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .basic_auth(&self.token, Some("api_token"))
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.request(method, path)
            .json(body)
            .send()
            .await
            .expect("the sandbox answers")
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self
            .request(Method::GET, path)
            .send()
            .await
            .expect("the sandbox answers");
        assert_eq!(response.status(), 200, "GET {path} must work");
        response.json().await.expect("the answer is JSON")
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.send(Method::POST, path, &body).await;
        let status = response.status();
        let text = response.text().await.expect("the answer has a body");
        assert_eq!(status, 200, "POST {path} must work, but: {text}");
        serde_json::from_str(&text).expect("the answer is JSON")
    }

    /// Status and text of a call that is refused.
    pub async fn refused(&self, method: Method, path: &str, body: Value) -> (u16, String) {
        let response = self.send(method, path, &body).await;
        (
            response.status().as_u16(),
            response.text().await.expect("the answer has a body"),
        )
    }

    /// Creates a subscription to everything about time entries.
    pub async fn subscribe(&self, workspace_id: i64, url: &str) -> Value {
        self.post(
            &format!("/webhooks/api/v1/subscriptions/{workspace_id}"),
            subscription(url),
        )
        .await
    }
}

/// The body of a creation.
pub fn subscription(url: &str) -> Value {
    json!({
        "url_callback": url,
        "event_filters": [
            { "entity": "time_entry", "action": "created" },
            { "entity": "time_entry", "action": "updated" },
            { "entity": "time_entry", "action": "deleted" },
        ],
        "enabled": true,
        "description": format!("test of {url}"),
        "secret": "correct horse",
    })
}
