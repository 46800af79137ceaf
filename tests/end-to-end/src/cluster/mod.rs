//! Several hosts on one Postgres database, behind one address that goes round among them.

mod balancer;
mod relay;
mod work;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_services::{Durability, Ending, PostgresServer};
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};
use tokio::process::Command;

use self::balancer::Balancer;
use self::relay::{Questions, Relay};
pub use self::work::LOGGING;
use self::work::Pieces;
use crate::process::{HostOptions, HostProcess};
use crate::setup::write_directory;

/// What hosts that share a database must share as well.
const SHARED_FILES: [&str; 2] = ["admin-token", "sealing-key"];

/// A sandbox Toggl, a Postgres server, and hosts.
pub struct Cluster {
    /// The sandbox.
    pub sandbox: RunningSandbox,
    database: PostgresServer,
    hosts: Vec<Member>,
    /// Workspaces and their connections.
    connections: Vec<(String, String)>,
    questions: Questions,
    work: Pieces,
    /// Hosts that stood still, from when to when.
    pauses: Vec<(usize, Timestamp, Timestamp)>,
    _balancer: Balancer,
    _folder: TempDir,
}

struct Member {
    options: HostOptions,
    process: HostProcess,
    /// Since when it has stood still.
    paused: Option<Timestamp>,
    /// Between this host and the sandbox.
    _relay: Relay,
}

impl Cluster {
    /// Starts everything with this `host.toml`; `None`: Postgres is not installed, which was said.
    pub async fn start(
        hosts: usize,
        scenario: Scenario,
        configuration: &str,
    ) -> Result<Option<Self>> {
        let Some(database) = PostgresServer::start(Durability::Process)? else {
            return Ok(None);
        };
        let cluster = Self::start_on(database, hosts, scenario, configuration).await?;
        Ok(Some(cluster))
    }

    /// Starts everything with this `host.toml` on this server.
    pub async fn start_on(
        database: PostgresServer,
        hosts: usize,
        scenario: Scenario,
        configuration: &str,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let directory = write_directory(folder.path())?;
        let config = folder.path().join("host.toml");
        std::fs::write(&config, configuration)?;
        let sandbox = Sandbox::start(scenario).await?;
        let balancer = Balancer::start().await?;
        let questions = Questions::default();
        let mut members: Vec<Member> = Vec::new();
        for number in 0..hosts {
            let data = folder.path().join(format!("host-{number}"));
            if let Some(first) = members.first() {
                share(&first.options.data, &data)?;
            }
            let relay = Relay::start(number, sandbox.base_url(), &questions).await?;
            let mut options = HostOptions {
                data,
                directory: Some(directory.clone()),
                upstream: relay.url(),
                listen: "127.0.0.1:0".into(),
                arguments: [
                    ("--config", config.display().to_string()),
                    ("--storage", format!("{}?connections=12", database.url())),
                    ("--public-url", balancer.url()),
                ]
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value])
                .collect(),
                environment: Vec::new(),
                wrapper: Vec::new(),
            };
            let process = HostProcess::start(&options).await?;
            process
                .url
                .trim_start_matches("http://")
                .clone_into(&mut options.listen);
            balancer.add(options.listen.parse()?);
            members.push(Member {
                options,
                process,
                paused: None,
                _relay: relay,
            });
        }
        Ok(Self {
            sandbox,
            database,
            hosts: members,
            connections: Vec::new(),
            questions,
            work: Pieces::default(),
            pauses: Vec::new(),
            _balancer: balancer,
            _folder: folder,
        })
    }

    /// One of the hosts, whether it runs or not.
    pub fn host(&self, number: usize) -> Result<&HostProcess> {
        let member = self.hosts.get(number).context("there is no such host")?;
        Ok(&member.process)
    }

    /// The server they share.
    pub fn database(&self) -> &PostgresServer {
        &self.database
    }

    /// Connects a workspace with the first host, and returns the connection.
    pub async fn connect(&mut self, workspace: i64) -> Result<Value> {
        let secrets = json!({ "api-token": self.sandbox.token() });
        let body = json!({ "secrets": secrets, "scope_id": workspace.to_string(), "name": null });
        let host = self.host(0)?;
        let (status, connection) = host.call(Method::POST, "/connections", body).await?;
        if status != StatusCode::CREATED {
            bail!("connecting answered {status}: {connection}");
        }
        let id = connection["id"].as_str().context("no id")?.to_owned();
        self.connections.push((workspace.to_string(), id));
        Ok(connection)
    }

    /// Kills a host without warning.
    pub async fn kill(&mut self, number: usize) -> Result<()> {
        self.member(number)?.process.kill().await?;
        let log = self.host(number)?.log()?;
        self.work.read(number, &log, Timestamp::now())
    }

    /// Starts a host again where it was.
    pub async fn start_again(&mut self, number: usize) -> Result<()> {
        let member = self.member(number)?;
        member.process = HostProcess::start(&member.options).await?;
        Ok(())
    }

    /// Starts a host and kills it after a time, wherever it is by then.
    pub async fn start_and_kill(&mut self, number: usize, after: Duration) -> Result<()> {
        let member = self.member(number)?;
        HostProcess::start_and_kill(&member.options, after).await?;
        let log = self.host(number)?.log()?;
        self.work.read(number, &log, Timestamp::now())
    }

    /// Has a host stand still, as when its machine is moved, until it is [woken](Self::wake).
    pub async fn pause(&mut self, number: usize) -> Result<()> {
        let member = self.member(number)?;
        let id = member.process.id().context("it does not run")?;
        signal("-STOP", id).await?;
        member.paused = Some(Timestamp::now());
        Ok(())
    }

    /// Has a host go on, and returns for how long it stood still.
    pub async fn wake(&mut self, number: usize) -> Result<Duration> {
        let woken = Timestamp::now();
        let member = self.member(number)?;
        let id = member.process.id().context("it does not run")?;
        signal("-CONT", id).await?;
        let paused = member.paused.take().context("it does not stand still")?;
        self.pauses.push((number, paused, woken));
        Ok(Duration::try_from(woken - paused)?)
    }

    /// The hosts that do not stand still.
    pub fn awake(&self) -> Vec<usize> {
        let members = self.hosts.iter().enumerate();
        let awake = members.filter(|(_, member)| member.paused.is_none());
        awake.map(|(number, _)| number).collect()
    }

    /// How often a host has asked Toggl for something of a workspace at paths that contain this.
    pub fn questions_of(&self, number: usize, path: &str) -> usize {
        let questions = self.questions.all();
        let meant = questions
            .iter()
            .filter(|asked| asked.host == number && asked.path.contains(path));
        meant.count()
    }

    /// Kills all hosts and tells what they did in the background, which [`LOGGING`] had them log: how many pieces
    /// of work, and when two hosts were at work on the same connection at the same time. A host that
    /// stood still was not at work; if it went on asking Toggl when it woke, that counts as well.
    pub async fn background_work(mut self) -> Result<(usize, Vec<String>)> {
        for number in 0..self.hosts.len() {
            self.kill(number).await?;
        }
        let mut collisions = Vec::new();
        for (host, stopped, woken) in &self.pauses {
            for rest in self.work.cut(*host, *stopped, *woken) {
                let of_connection = |(_, id): &&(String, String)| *id == rest.connection;
                let (workspace, _) = self
                    .connections
                    .iter()
                    .find(of_connection)
                    .context("work on a connection that nobody made")?;
                let asked = self.questions.all().into_iter().filter(|asked| {
                    asked.host == rest.host
                        && asked.workspace == *workspace
                        && (rest.began..rest.ended).contains(&asked.at)
                });
                let times = asked.map(|asked| format!("{rest} asked Toggl at {}", asked.at));
                collisions.extend(times);
            }
        }
        collisions.extend(self.work.collisions());
        Ok((self.work.count(), collisions))
    }

    /// Ends the database under everybody's hands.
    pub fn end_database(&mut self, ending: Ending) -> Result<()> {
        self.database.end(ending)
    }

    /// Starts the database again.
    pub fn start_database_again(&mut self) -> Result<()> {
        self.database.start_again()
    }

    fn member(&mut self, number: usize) -> Result<&mut Member> {
        self.hosts.get_mut(number).context("there is no such host")
    }
}

/// Gives a host the secrets of another.
fn share(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for file in SHARED_FILES {
        // With its permissions.
        std::fs::copy(from.join(file), to.join(file))?;
    }
    Ok(())
}

async fn signal(signal: &str, process: u32) -> Result<()> {
    let status = Command::new("kill")
        .args([signal, &process.to_string()])
        .status()
        .await?;
    if !status.success() {
        bail!("the process {process} could not be sent {signal}");
    }
    Ok(())
}
