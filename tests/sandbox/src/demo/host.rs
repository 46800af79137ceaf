//! The host: in a process of its own, and asked over its API.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::activity::Activity;

/// Where a host listens unless it is told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The variable with an admin token. Without it the host makes one and writes it to a file, which the demo reads and names.
const TOKEN_VARIABLE: &str = "INTEGRATION_HOST_TOKEN";

/// How a host is started.
pub(super) struct Options<'a> {
    pub(super) program: Option<PathBuf>,
    pub(super) component: Option<PathBuf>,
    pub(super) listen: Option<String>,
    pub(super) data: &'a Path,
    pub(super) directory: &'a Path,
    /// Where requests to Toggl go.
    pub(super) toggl: &'a str,
}

/// A running host; dropping it ends it.
pub(super) struct Host {
    url: String,
    data: PathBuf,
    token: String,
    client: Client,
    _process: Child,
}

/// A piece of the change feed.
#[derive(Deserialize)]
pub(super) struct Changes {
    pub(super) activities: Vec<Activity>,
    /// The place to go on from.
    pub(super) next: String,
}

/// What a host says when it has started, as far as the demo needs it.
#[derive(Deserialize)]
struct Started {
    listening: String,
}

impl Options<'_> {
    /// Starts the host and waits until it listens.
    pub(super) async fn start(self) -> Result<Host> {
        let log = log(self.data);
        let log_file = File::create(&log).context("the host's log cannot be written")?;
        let program = self.program.map_or_else(program_beside_this_one, Ok)?;
        let listen = self.listen.unwrap_or_else(|| free_address().to_owned());
        let mut command = Command::new(program);
        command
            .args(["serve", "--json", "--listen", &listen])
            .arg("--data")
            .arg(self.data)
            .arg("--directory")
            .arg(self.directory)
            .arg("--upstream")
            .arg(format!("api.track.toggl.com={}", self.toggl))
            .env_remove(TOKEN_VARIABLE)
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true);
        // Ctrl-C is for the demo, which ends the host itself when it has compared what it has.
        #[cfg(unix)]
        command.process_group(0);
        if let Some(component) = self.component {
            command.arg("--component").arg(component);
        }
        let mut process = command.spawn().context("the host cannot be started")?;
        let line = first_line(&mut process).await?;
        let Ok(started) = serde_json::from_str::<Started>(&line) else {
            let log = fs::read_to_string(log).unwrap_or_default();
            bail!("the host did not start: {}", log.trim());
        };
        let token = fs::read_to_string(token_file(self.data))
            .context("the host's admin token cannot be read")?;
        Ok(Host {
            url: started.listening,
            data: self.data.to_owned(),
            token: token.trim().to_owned(),
            client: Client::builder().no_proxy().build()?,
            _process: process,
        })
    }
}

impl Host {
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn log(&self) -> PathBuf {
        log(&self.data)
    }

    pub(super) fn token_file(&self) -> PathBuf {
        token_file(&self.data)
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T> {
        answer(self.request(Method::GET, path).query(query)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        answer(self.request(Method::PUT, path).json(body)).await
    }

    /// What changed after a place of the change feed.
    pub(super) async fn changes(&self, place: &str) -> Result<Changes> {
        self.get("activities/changes", &[("after", place)]).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/api/v1/{path}", self.url);
        self.client.request(method, url).bearer_auth(&self.token)
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T> {
    let response = request.send().await.context("the host does not answer")?;
    let status = response.status();
    if !status.is_success() {
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str);
        bail!("the host answered {status}: {}", detail.unwrap_or_default());
    }
    (response.json().await).context("the host answered something the demo does not understand")
}

fn log(data: &Path) -> PathBuf {
    data.join("host.log")
}

fn token_file(data: &Path) -> PathBuf {
    data.join("admin-token")
}

/// The address a host has by default, unless something listens there.
fn free_address() -> &'static str {
    match std::net::TcpListener::bind(DEFAULT_LISTEN) {
        Ok(_) => DEFAULT_LISTEN,
        Err(_) => "127.0.0.1:0",
    }
}

/// The first line that a program prints. What it prints later is read and dropped.
async fn first_line(process: &mut Child) -> Result<String> {
    let output = process.stdout.take().context("the host prints nothing")?;
    let mut lines = BufReader::new(output).lines();
    let line = lines
        .next_line()
        .await
        .context("what the host prints cannot be read")?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(line.unwrap_or_default())
}

fn program_beside_this_one() -> Result<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name("integration-host"));
    beside.filter(|program| program.is_file()).context(
        "there is no integration-host beside this program; run `cargo xtask demo`, or name it with --host",
    )
}
