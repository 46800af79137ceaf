//! The sandbox Toggl: starting it, and what the demo asks of its control API.

use std::path::PathBuf;
use std::process::Stdio;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::programs::{Workplace, first_line};
use crate::cli::failure::Failure;

/// A platform user nobody in the team is, for mapping by hand.
pub(super) const SPARE_USER: &str = "user-spare";

/// A running sandbox; dropping it ends it.
pub(super) struct Sandbox {
    url: String,
    token: String,
    workspace: i64,
    client: reqwest::Client,
    _process: Child,
}

/// What is truly there, as far as the demo compares it.
#[derive(Deserialize)]
pub(super) struct State {
    workspaces: Vec<Workspace>,
    users: Vec<User>,
    members: Vec<Member>,
    pub(super) time_entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Workspace {
    id: i64,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    name: String,
    email: Option<String>,
    token: String,
}

#[derive(Deserialize)]
struct Member {
    workspace_id: i64,
    user_id: i64,
}

#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) description: Option<String>,
    pub(super) start: Timestamp,
    pub(super) stop: Option<Timestamp>,
    pub(super) deleted_at: Option<Timestamp>,
}

/// One delivery the sandbox made.
#[derive(Deserialize)]
pub(super) struct Delivery {
    pub(super) entity: String,
    pub(super) state: String,
    pub(super) payload: Value,
    pub(super) attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
pub(super) struct Attempt {
    pub(super) elapsed_ms: u64,
}

/// A row of the platform's user directory.
#[derive(Serialize)]
struct PlatformUser {
    id: String,
    email: Option<String>,
    name: String,
}

impl Sandbox {
    /// Starts the sandbox on a free port.
    pub(super) async fn start(program: Option<PathBuf>) -> Result<Self, Failure> {
        let program = program.map_or_else(program_beside_this_one, Ok)?;
        let mut command = Command::new(&program);
        command
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let (process, line) = first_line(command, "the sandbox Toggl").await?;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .ok_or_else(|| Failure::failed("the sandbox Toggl did not start"))?
            .to_owned();
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| Failure::failed(format!("cannot make an HTTP client: {error}")))?;
        let mut sandbox = Self {
            url,
            token: String::new(),
            workspace: 0,
            client,
            _process: process,
        };
        let state = sandbox.state().await?;
        // The first account owns the first workspace.
        sandbox.token = state
            .users
            .into_iter()
            .next()
            .map(|user| user.token)
            .unwrap_or_default();
        sandbox.workspace = state.workspaces.first().map_or(0, |workspace| workspace.id);
        Ok(sandbox)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Writes a directory of platform users: the team, as far as it has addresses, and one more.
    pub(super) async fn write_directory(&self, workplace: &Workplace) -> Result<PathBuf, Failure> {
        let state = self.state().await?;
        let is_member = |user: &&User| {
            state
                .members
                .iter()
                .any(|member| member.user_id == user.id && member.workspace_id == self.workspace)
        };
        let team = state
            .users
            .iter()
            .filter(is_member)
            .filter(|user| user.email.is_some());
        let mut users: Vec<_> = team
            .map(|user| PlatformUser {
                id: format!("user-{}", user.id),
                email: user.email.as_deref().map(str::to_lowercase),
                name: user.name.clone(),
            })
            .collect();
        users.dedup_by(|one, other| one.email == other.email);
        users.push(PlatformUser {
            id: SPARE_USER.into(),
            email: Some("reception@example.com".into()),
            name: "Reception".into(),
        });
        let path = workplace.data().join("users.csv");
        let written = csv::Writer::from_path(&path).and_then(|mut writer| {
            users.iter().try_for_each(|user| writer.serialize(user))?;
            Ok(writer.flush()?)
        });
        written.map_err(|error| Failure::failed(format!("cannot write the directory: {error}")))?;
        Ok(path)
    }

    /// Lets the team work until it is stopped.
    pub(super) async fn start_team(&self, per_second: f64) -> Result<(), Failure> {
        let activity = json!({
            "workspace_id": self.workspace,
            "per_second": per_second,
            "events": u32::MAX,
        });
        self.call::<Value>(Method::POST, "activity", &activity)
            .await
            .map(drop)
    }

    /// Stops the team and waits until everything was delivered.
    pub(super) async fn stop_team(&self) -> Result<(), Failure> {
        self.request(Method::POST, "activity/stop", &json!({}))
            .await?;
        self.call::<Value>(Method::POST, "flush", &json!({ "timeout_ms": 30_000 }))
            .await
            .map(drop)
    }

    /// How many deliveries were acknowledged.
    pub(super) async fn delivered(&self) -> Result<u64, Failure> {
        let deliveries = self.deliveries().await?;
        let count = deliveries
            .iter()
            .filter(|delivery| delivery.state == "delivered")
            .count();
        Ok(count as u64)
    }

    pub(super) async fn deliveries(&self) -> Result<Vec<Delivery>, Failure> {
        self.call(Method::GET, "deliveries", &json!({})).await
    }

    pub(super) async fn state(&self) -> Result<State, Failure> {
        self.call(Method::GET, "state", &json!({})).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let response = self.request(method, path, body).await?;
        response
            .json()
            .await
            .map_err(|error| Self::unexpected(&error))
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<reqwest::Response, Failure> {
        let request = self
            .client
            .request(method, format!("{}/sandbox/{path}", self.url));
        let response = request
            .json(body)
            .send()
            .await
            .map_err(|error| Self::unexpected(&error))?;
        response
            .error_for_status()
            .map_err(|error| Self::unexpected(&error))
    }

    fn unexpected(error: &reqwest::Error) -> Failure {
        Failure::failed(format!(
            "the sandbox Toggl did not answer as expected: {error}"
        ))
    }
}

fn program_beside_this_one() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name("toggl-sandbox"));
    beside.filter(|program| program.is_file()).ok_or_else(|| {
        Failure::usage(
            "there is no toggl-sandbox beside this program; run `cargo xtask demo`, or name it with --sandbox",
        )
    })
}
