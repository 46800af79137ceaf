//! The demo's directory, and the host in a process of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::sandbox::Sandbox;
use crate::cli::failure::Failure;
use crate::config::DEFAULT_LISTEN;

/// Where the demo keeps its files. A temporary directory goes when this is dropped.
pub(super) struct Workplace {
    data: PathBuf,
    _temporary: Option<TempDir>,
}

impl Workplace {
    pub(super) fn prepare(data: Option<PathBuf>) -> Result<Self, Failure> {
        match data {
            Some(data) => {
                fs::create_dir_all(&data).map_err(|error| {
                    Failure::usage(format!(
                        "cannot make the directory {}: {error}",
                        data.display()
                    ))
                })?;
                Ok(Self {
                    data,
                    _temporary: None,
                })
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("integration-demo-")
                    .tempdir()
                    .map_err(|error| {
                        Failure::failed(format!("cannot make a temporary directory: {error}"))
                    })?;
                Ok(Self {
                    data: temporary.path().to_owned(),
                    _temporary: Some(temporary),
                })
            }
        }
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn log(&self) -> PathBuf {
        self.data.join("host.log")
    }
}

/// A running host; dropping it ends it.
pub(super) struct Host {
    url: String,
    _process: Child,
}

/// What a host says when it has started, as far as the demo needs it.
#[derive(Deserialize)]
struct Started {
    listening: String,
}

impl Host {
    pub(super) async fn start(
        workplace: &Workplace,
        directory: &Path,
        sandbox: &Sandbox,
        component: Option<&Path>,
        listen: Option<&str>,
    ) -> Result<Self, Failure> {
        let log = File::create(workplace.log())
            .map_err(|error| Failure::failed(format!("cannot write the host's log: {error}")))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("cannot find this program: {error}")))?;
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--json",
                "--listen",
                listen.unwrap_or(free_address()),
            ])
            .arg("--data")
            .arg(workplace.data())
            .arg("--directory")
            .arg(directory)
            .args([
                "--upstream",
                &format!("api.track.toggl.com={}", sandbox.url()),
            ])
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        if let Some(component) = component {
            command.arg("--component").arg(component);
        }
        let (process, line) = first_line(command, "the host").await?;
        let Ok(started) = serde_json::from_str::<Started>(&line) else {
            let log = fs::read_to_string(workplace.log()).unwrap_or_default();
            return Err(Failure::failed(format!(
                "the host did not start: {}",
                log.trim()
            )));
        };
        Ok(Self {
            url: started.listening,
            _process: process,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// The address a host has by default, unless something listens there.
fn free_address() -> &'static str {
    match std::net::TcpListener::bind(DEFAULT_LISTEN) {
        Ok(_) => DEFAULT_LISTEN,
        Err(_) => "127.0.0.1:0",
    }
}

/// Starts a program and waits for the first line it prints. What it prints later is read and dropped.
pub(super) async fn first_line(
    mut command: Command,
    name: &str,
) -> Result<(Child, String), Failure> {
    // Ctrl-C is for the demo, which ends its programs itself when it has compared what they have.
    #[cfg(unix)]
    command.process_group(0);
    let mut process = command
        .spawn()
        .map_err(|error| Failure::failed(format!("cannot start {name}: {error}")))?;
    let output = process
        .stdout
        .take()
        .ok_or_else(|| Failure::failed(format!("cannot read what {name} prints")))?;
    let mut lines = BufReader::new(output).lines();
    let line = lines
        .next_line()
        .await
        .map_err(|error| Failure::failed(format!("cannot read what {name} prints: {error}")))?
        .unwrap_or_default();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((process, line))
}
