use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A webhook endpoint that remembers what it got and answers as told.
#[derive(Clone)]
pub struct Receiver {
    url: String,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    received: Vec<(HeaderMap, Bytes)>,
    echo: bool,
    ping_status: u16,
    event_statuses: VecDeque<u16>,
}

impl Receiver {
    pub async fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            received: Vec::new(),
            echo: true,
            ping_status: 200,
            event_statuses: VecDeque::new(),
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let state = Arc::clone(&inner);
        let app = Router::new()
            .fallback(async move |headers: HeaderMap, body: Bytes| answer(&state, headers, body));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether pings are answered with their validation code.
    pub fn echo(&self, echo: bool) {
        self.inner.lock().unwrap().echo = echo;
    }

    pub fn answer_pings_with(&self, status: u16) {
        self.inner.lock().unwrap().ping_status = status;
    }

    /// The statuses for the next events; afterwards 200.
    pub fn answer_events_with(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inner.lock().unwrap().event_statuses.extend(statuses);
    }

    /// Everything received, pings included, as headers and raw body.
    pub fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.inner.lock().unwrap().received.clone()
    }

    pub fn pings(&self) -> Vec<Value> {
        self.bodies()
            .into_iter()
            .filter(|body| body["event_id"] == 0)
            .collect()
    }

    pub fn events(&self) -> Vec<Value> {
        self.bodies()
            .into_iter()
            .filter(|body| body["event_id"] != 0)
            .collect()
    }

    fn bodies(&self) -> Vec<Value> {
        self.received()
            .iter()
            .map(|(_, body)| serde_json::from_slice(body).expect("a JSON body"))
            .collect()
    }
}

fn answer(state: &Mutex<Inner>, headers: HeaderMap, body: Bytes) -> Response {
    let value: Value = serde_json::from_slice(&body).expect("a JSON body");
    let mut inner = state.lock().unwrap();
    inner.received.push((headers, body));
    let is_ping = value["event_id"] == 0;
    let status = if is_ping {
        inner.ping_status
    } else {
        inner.event_statuses.pop_front().unwrap_or(200)
    };
    let status = StatusCode::from_u16(status).unwrap();
    match value.get("validation_code").filter(|_| inner.echo) {
        Some(code) => (status, axum::Json(json!({ "validation_code": code }))).into_response(),
        None => status.into_response(),
    }
}
