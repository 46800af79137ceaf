//! The host in a process of its own, and its command line.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{PATIENCE, built};

/// How a host is started.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// Its data directory.
    pub data: PathBuf,
    /// Its user directory, unless its configuration says where that is.
    pub directory: Option<PathBuf>,
    /// The sandbox Toggl.
    pub upstream: String,
    /// Where it listens.
    pub listen: String,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
    /// A program and its arguments that run the host, such as a shell that sets something up first.
    pub wrapper: Vec<String>,
}

/// A running host. Dropping it kills it.
pub struct HostProcess {
    child: Child,
    /// Where it listens, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// What it printed when it had started.
    pub summary: Value,
    token: String,
    client: reqwest::Client,
    log: PathBuf,
}

impl HostProcess {
    /// Starts a host and waits until it listens.
    pub async fn start(options: &HostOptions) -> Result<Self> {
        let (mut child, log) = spawn(options)?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(PATIENCE, lines.next_line()).await??;
        let Some(line) = line else {
            bail!("the host did not start: {}", std::fs::read_to_string(&log)?);
        };
        let summary: Value = serde_json::from_str(&line)?;
        let url = summary["listening"]
            .as_str()
            .context("no address")?
            .to_owned();
        let token = std::fs::read_to_string(options.data.join("admin-token"))?
            .trim()
            .to_owned();
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            child,
            url,
            summary,
            token,
            client,
            log,
        })
    }

    /// Starts a host and kills it after a time, wherever it is by then.
    pub async fn start_and_kill(options: &HostOptions, after: Duration) -> Result<()> {
        let (mut child, _) = spawn(options)?;
        tokio::time::sleep(after).await;
        Ok(child.kill().await?)
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Everything it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.log)?)
    }

    /// Kills it without warning.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to stop and returns its exit code.
    pub async fn terminate(&mut self) -> Result<Option<i32>> {
        self.signal("TERM").await?;
        self.wait().await
    }

    /// Sends it a signal, such as `HUP`.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().context("it has ended already")?;
        Command::new("kill")
            .args([&format!("-{name}"), &id.to_string()])
            .status()
            .await?;
        Ok(())
    }

    /// Waits until it ends by itself and returns its exit code.
    pub async fn wait(&mut self) -> Result<Option<i32>> {
        Ok(timeout(PATIENCE, self.child.wait()).await??.code())
    }

    /// A request to the API with the admin token. `path` begins after `/api/v1`.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token)
    }

    /// Calls the API and returns status and JSON; `Value::Null` stands for no body.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        let json = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)?
        };
        Ok((status, json))
    }

    /// GETs something that must succeed.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, json) = self.call(Method::GET, path, Value::Null).await?;
        if !status.is_success() {
            bail!("GET {path} answered {status}: {json}");
        }
        Ok(json)
    }

    /// Its counters, in the Prometheus text format.
    pub async fn metrics(&self) -> Result<String> {
        let request = self.client.get(format!("{}/metrics", self.url));
        let answer = request.bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Posts a delivery and returns the status.
    pub async fn deliver(
        &self,
        callback: &str,
        signature: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> Result<StatusCode> {
        let mut request = self
            .client
            .post(callback)
            .header("content-type", "application/json")
            .body(body.into());
        if let Some(signature) = signature {
            request = request.header("X-Webhook-Signature-256", signature);
        }
        Ok(request.send().await?.status())
    }
}

/// Starts the program and says where it logs.
fn spawn(options: &HostOptions) -> Result<(Child, PathBuf)> {
    let log = options.data.with_extension("log");
    let log_file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(&log)?;
    let program = built::host_program()?;
    let mut command = match options.wrapper.split_first() {
        None => Command::new(program),
        Some((wrapper, arguments)) => {
            let mut command = Command::new(wrapper);
            command.args(arguments).arg(program);
            command
        }
    };
    let child = command
        .args(["serve", "--json", "--listen", &options.listen])
        .arg("--component")
        .arg(built::component()?)
        .arg("--data")
        .arg(&options.data)
        .arg("--upstream")
        .arg(format!("api.track.toggl.com={}", options.upstream))
        .args(
            options
                .directory
                .iter()
                .flat_map(|directory| [Path::new("--directory"), directory.as_path()]),
        )
        .args(&options.arguments)
        .envs(options.environment.iter().cloned())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, log))
}

/// Runs the host program to its end.
pub async fn run_cli(
    arguments: &[&str],
    environment: &[(&str, &str)],
    directory: &Path,
) -> Result<Output> {
    run_cli_with_input(arguments, environment, directory, "").await
}

/// Runs the host program to its end with something on its standard input.
pub async fn run_cli_with_input(
    arguments: &[&str],
    environment: &[(&str, &str)],
    directory: &Path,
    input: &str,
) -> Result<Output> {
    run_to_end(
        Command::new(built::host_program()?),
        arguments,
        environment,
        directory,
        input,
    )
    .await
}

/// Runs the host program to its end in a terminal, where somebody types this; `script` makes the terminal.
pub async fn run_cli_in_terminal(
    arguments: &[&str],
    environment: &[(&str, &str)],
    directory: &Path,
    typed: &str,
) -> Result<Output> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let program = built::host_program()?.display().to_string();
    let words = std::iter::once(program.as_str()).chain(arguments.iter().copied());
    let line: Vec<String> = words.map(quoted).collect();
    let line = line.join(" ");
    let script = ["--quiet", "--return", "--command", &line, "/dev/null"];
    run_to_end(
        Command::new("script"),
        &script,
        environment,
        directory,
        typed,
    )
    .await
}

async fn run_to_end(
    mut command: Command,
    arguments: &[&str],
    environment: &[(&str, &str)],
    directory: &Path,
    input: &str,
) -> Result<Output> {
    // Only what a test gives counts, not what whoever runs the tests has set.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("INTEGRATION_HOST_") || name_text == "TOGGL_API_TOKEN" {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // A program that ends without reading its input is not at fault.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    Ok(timeout(PATIENCE, child.wait_with_output())
        .await
        .with_context(|| format!("{arguments:?} did not end"))??)
}
