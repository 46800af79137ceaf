//! What stands between a host and the sandbox Toggl, and notes which host asks for what and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HOST, TRANSFER_ENCODING};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::kills::SOUTHWIND;
use crate::setup::NORTHWIND;

/// The largest body of a request.
const MOST_BYTES: usize = 1024 * 1024;

/// A request to Toggl about a workspace.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) host: usize,
    pub(super) workspace: String,
    pub(super) path: String,
    pub(super) at: Timestamp,
}

/// What hosts have asked of Toggl.
#[derive(Clone, Default)]
pub(super) struct Questions(Arc<Mutex<Vec<Asked>>>);

impl Questions {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Asked> {
        let all = self.0.lock();
        all.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, asked: Asked) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(asked);
    }
}

/// What one host takes for Toggl. Dropping it closes it.
pub(super) struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// Passes on what a host asks of `upstream`.
    pub(super) async fn start(host: usize, upstream: &str, questions: &Questions) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let passing = Passing {
            host,
            upstream: upstream.to_owned(),
            questions: questions.clone(),
            client: reqwest::Client::builder().no_proxy().build()?,
        };
        let router = Router::new().fallback(pass_on).with_state(passing);
        let task = tokio::spawn(async move {
            // It ends with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Passing {
    host: usize,
    upstream: String,
    questions: Questions,
    client: reqwest::Client,
}

async fn pass_on(State(passing): State<Passing>, request: Request) -> Response {
    if let Some(workspace) = workspace_of(request.uri().path()) {
        passing.questions.note(Asked {
            host: passing.host,
            workspace,
            path: request.uri().path().to_owned(),
            at: Timestamp::now(),
        });
    }
    let answer = passing.send(request).await;
    answer.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

impl Passing {
    async fn send(&self, request: Request) -> Result<Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        headers.remove(HOST);
        let body = axum::body::to_bytes(body, MOST_BYTES).await?;
        let answer = self
            .client
            .request(parts.method, format!("{}{path}", self.upstream))
            .headers(headers)
            .body(body)
            .send()
            .await?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if name != TRANSFER_ENCODING {
                response = response.header(name, value);
            }
        }
        Ok(response.body(answer.bytes().await?.into())?)
    }
}

/// The workspace that a path of Toggl's is about.
fn workspace_of(path: &str) -> Option<String> {
    let workspaces = [NORTHWIND, SOUTHWIND].map(|workspace| workspace.to_string());
    let mut segments = path.split('/');
    segments
        .find(|segment| workspaces.iter().any(|workspace| workspace == segment))
        .map(str::to_owned)
}
