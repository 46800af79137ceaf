//! The HTTP client of a running host.

use std::path::Path;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::failure::Failure;
use crate::config::ensure_path;
use integration_host_contract::sentence::{duration_in_words, quoted};
use integration_host_http::address::is_loopback;
use integration_host_server::AdminToken;
use integration_host_server::api::{
    ConnectionList, ConnectionView, IntegrationView, NounView, Problem,
};

/// Connecting to the host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One answer. Connecting what is large takes minutes, because the remote service paces it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// A client with the admin token.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: AdminToken,
}

impl Client {
    /// A client of the host at `base`, with the token from the environment or its data directory.
    pub(super) fn new(base: &str, data: &Path) -> Result<Self, Failure> {
        let base = Url::parse(base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "--host is {}; it must be the URL of a running host, such as http://127.0.0.1:8080",
                    quoted(base)
                ))
            })?;
        ensure_path("data", Some(data))?;
        let environment = std::env::var(AdminToken::VARIABLE).ok();
        let token = AdminToken::read(environment, data)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none());
        // A proxy reads what is sent by http, the token with it; by https it sees nothing.
        if is_loopback(&base) || base.scheme() == "http" {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { http, base, token })
    }

    /// GETs an answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let request = self.request(Method::GET, path)?.query(query);
        self.answer(request).await
    }

    /// The host's address.
    pub(super) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// POSTs without a body.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.post_with(path, &[]).await
    }

    /// POSTs without a body, with a query.
    pub(super) async fn post_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.answer(self.request(Method::POST, path)?.query(query))
            .await
    }

    /// Sends a body.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.answer(self.request(method, path)?.json(body)).await
    }

    /// Deletes something. Some answer with what is to be told; `None`: there is nothing.
    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Option<T>, Failure> {
        let request = self.request(Method::DELETE, path)?;
        let response = self.exchange(request.timeout(ANSWER_TIMEOUT)).await?;
        match response.status() {
            reqwest::StatusCode::NO_CONTENT => Ok(None),
            _ => self.read(response).await.map(Some),
        }
    }

    /// Opens an answer that does not end.
    pub(super) async fn open(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Response, Failure> {
        self.exchange(self.request(Method::GET, path)?.query(query))
            .await
    }

    /// What the host runs.
    pub(super) async fn integration(&self) -> Result<IntegrationView, Failure> {
        self.get(&["integration"], &[]).await
    }

    /// What people call what a connection is bound to, for what is told of it. A host of an earlier version does not say.
    pub(super) async fn scope_noun(&self) -> NounView {
        let integration = self.integration().await;
        integration.map_or_else(
            |_| NounView {
                singular: "scope".to_owned(),
                plural: "scopes".to_owned(),
            },
            |integration| integration.scope_noun,
        )
    }

    /// The connection with this id or, if there is just one, this name.
    pub(super) async fn connection(&self, id_or_name: &str) -> Result<ConnectionView, Failure> {
        let list: ConnectionList = self.get(&["connections"], &[]).await?;
        choose(list.connections, id_or_name)
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage("--host must be an http or https URL"))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        Ok(self
            .http
            .request(method, url)
            .bearer_auth(self.token.expose()))
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.exchange(request.timeout(ANSWER_TIMEOUT)).await?;
        self.read(response).await
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        response.json().await.map_err(|error| {
            if error.is_decode() {
                Failure::failed(format!(
                    "{} answered something this program does not understand; is it a host of the same version?",
                    self.base
                ))
            } else {
                self.unreachable(&error)
            }
        })
    }

    async fn exchange(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        match response.json::<Problem>().await {
            Ok(problem) => Err(Failure::failed(sentence(&problem, retry_after))),
            Err(_) => Err(Failure::failed(format!(
                "{} answered {status}; is it an integration host?",
                self.base
            ))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::failed(if error.is_timeout() {
            format!("the host at {} did not answer in time", self.base)
        } else if error.is_connect() {
            format!(
                "no host answers at {}; start one with `integration-host serve`, or name another with --host",
                self.base
            )
        } else {
            format!("the connection to the host at {} broke", self.base)
        })
    }
}

/// What a problem says, and what else helps.
fn sentence(problem: &Problem, retry_after: Option<u32>) -> String {
    let detail = super::output::printable(&problem.detail);
    let help = match (problem.status, &*problem.code) {
        (401, _) => {
            "; set INTEGRATION_HOST_TOKEN, or name the host's data directory with --data".to_owned()
        }
        (_, "rate-limited" | "quota-exhausted" | "unavailable") => {
            match problem.retry_after_seconds.or(retry_after) {
                Some(seconds) => {
                    let wait = duration_in_words(Duration::from_secs(seconds.into()));
                    format!(" (try again in {wait})")
                }
                None => String::new(),
            }
        }
        _ => String::new(),
    };
    format!("{detail}{help}")
}

fn choose(connections: Vec<ConnectionView>, id_or_name: &str) -> Result<ConnectionView, Failure> {
    if let Some(found) = connections.iter().find(|one| one.id == id_or_name) {
        return Ok(found.clone());
    }
    let mut named: Vec<_> = connections
        .into_iter()
        .filter(|one| one.name.to_lowercase() == id_or_name.to_lowercase())
        .collect();
    match (named.pop(), named.len()) {
        (Some(found), 0) => Ok(found),
        (Some(_), others) => Err(Failure::usage(format!(
            "{} connections are called “{id_or_name}”; give the id, which `integration-host connections` lists",
            others + 1
        ))),
        (None, _) => Err(Failure::failed(format!(
            "there is no connection “{id_or_name}”; `integration-host connections` lists them"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection(id: &str, name: &str) -> ConnectionView {
        serde_json::from_value(json!({
            "id": id, "name": name, "integration": "example", "scope": {"id": "43", "name": name},
            "owner": {"id": "7", "name": "Ada", "email": null}, "status": "active",
            "attention": null, "subscription": null, "users": {"mapped": 0, "total": 0},
            "callback_url": "", "created_at": "2026-03-01T08:00:00Z",
            "updated_at": "2026-03-01T08:00:00Z", "last_delivery_at": null,
            "covered_until": "2026-03-01T08:00:00Z", "gap": null, "last_reconciled_at": null
        }))
        .unwrap()
    }

    #[test]
    fn a_connection_is_found_by_id_or_by_a_name_only_it_has() {
        let all = || {
            vec![
                connection("a", "Studio"),
                connection("b", "Lab"),
                connection("c", "Lab"),
                connection("Studio", "Other"),
            ]
        };
        assert_eq!(choose(all(), "b").unwrap().id, "b");
        assert_eq!(choose(all(), "studio").unwrap().id, "a");
        assert_eq!(
            choose(all(), "Studio").unwrap().id,
            "Studio",
            "ids come first"
        );
        assert!(matches!(choose(all(), "Lab"), Err(Failure::Usage(_))));
        assert!(matches!(choose(all(), "nowhere"), Err(Failure::Failed(_))));
    }

    #[test]
    fn a_problem_becomes_a_sentence_with_what_helps() {
        let problem = |status, code: &'static str, retry| Problem {
            kind: "about:blank".into(),
            title: String::new(),
            status,
            detail: "No.".into(),
            code: code.into(),
            retry_after_seconds: retry,
        };
        assert_eq!(sentence(&problem(409, "conflict", None), None), "No.");
        assert_eq!(
            sentence(&problem(429, "quota-exhausted", Some(90)), None),
            "No. (try again in 90 seconds)"
        );
        assert!(sentence(&problem(401, "unauthorized", None), None).contains("--data"));
    }
}
