//! A sandbox Toggl and a host that belong together.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use toggl_sandbox::control::{Control, Flush, StartTimer};
use toggl_sandbox::model::Subscription;
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};

use crate::process::{HostOptions, HostProcess};

/// The sandbox's workspace of twelve.
pub const NORTHWIND: i64 = 7_400_001;

/// One of them.
pub const TOMAS: i64 = 9_500_002;

/// The built-in scenario without Toggl's limits, for what is about other things.
pub fn unlimited_scenario() -> Scenario {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    scenario.limits.burst = 0;
    scenario
}

/// A sandbox Toggl, a host that calls it, and the files of both.
pub struct Setup {
    /// The sandbox.
    pub sandbox: RunningSandbox,
    /// The host.
    pub host: HostProcess,
    /// How the host was started.
    pub options: HostOptions,
    /// The folder with everything the host was given and has made.
    pub folder: TempDir,
}

impl Setup {
    /// The built-in scenario and a host that nothing is asked of, unless something else is said.
    pub fn builder() -> SetupBuilder {
        SetupBuilder::default()
    }

    /// Scripts the sandbox.
    pub fn toggl(&self) -> &Control {
        self.sandbox.control()
    }

    /// The owner's secrets as the API takes them.
    pub fn secrets(&self) -> Value {
        json!({ "api-token": self.sandbox.token() })
    }

    /// Connects a workspace that must be connectable, and returns the connection.
    pub async fn connect(&self, workspace: i64) -> Result<Value> {
        let body =
            json!({ "secrets": self.secrets(), "scope_id": workspace.to_string(), "name": null });
        let (status, connection) = self.host.call(Method::POST, "/connections", body).await?;
        if status != StatusCode::CREATED {
            bail!("connecting answered {status}: {connection}");
        }
        Ok(connection)
    }

    /// Waits until the sandbox has delivered everything.
    pub async fn settle(&self) -> Result<()> {
        let flushed = self.toggl().flush(Flush::default()).await;
        if !flushed.settled {
            bail!("{} deliveries are still pending", flushed.pending);
        }
        Ok(())
    }

    /// The activity of an entry, whatever its state; `Null` if there is none.
    pub async fn activity(&self, entry_id: i64) -> Result<Value> {
        let list = self
            .host
            .get("/activities?include=unmapped,deleted&limit=1000")
            .await?;
        let activities = list["activities"].as_array().context("no list")?;
        let wanted = entry_id.to_string();
        let mut found = activities
            .iter()
            .filter(|activity| activity["source"]["entry_id"] == wanted.as_str());
        let activity = found.next().cloned().unwrap_or_default();
        if found.next().is_some() {
            bail!("entry {entry_id} is there twice");
        }
        Ok(activity)
    }

    /// Has the host listen where it did when it is started again: subscriptions name that address.
    pub fn keep_address(&mut self) {
        self.options.listen = self.host.url.trim_start_matches("http://").to_owned();
    }

    /// Has the host check a connection, which must work.
    pub async fn ensure_healthy(&self, connection_id: &str) -> Result<()> {
        let path = format!("/connections/{connection_id}/check");
        let (status, health) = self.host.call(Method::POST, &path, Value::Null).await?;
        if status != StatusCode::OK || health["healthy"] != true {
            bail!("the connection does not work: {status} {health}");
        }
        Ok(())
    }

    /// Has somebody start a timer, which only a delivery tells of.
    pub async fn ensure_deliveries_arrive(&self) -> Result<()> {
        let timer = StartTimer {
            workspace_id: NORTHWIND,
            user_id: TOMAS,
            ..StartTimer::default()
        };
        let entry = self.toggl().start_timer(timer)?;
        self.settle().await?;
        let activity = self.activity(entry.id).await?;
        ensure!(
            activity["running"] == true,
            "a timer was started, but no delivery told of it: {activity}"
        );
        Ok(())
    }

    /// Connects a workspace, kills the host and starts it again: everything must be there and go on.
    pub async fn ensure_everything_outlives_a_kill(&mut self) -> Result<()> {
        let connection = self.connect(NORTHWIND).await?;
        let id = connection["id"].as_str().context("no id")?;
        self.ensure_deliveries_arrive().await?;
        let before = self.count_activities().await?;
        self.host.kill().await?;
        self.restart().await?;
        let kept = self.count_activities().await?;
        ensure!(kept == before, "{kept} of {before} activities are left");
        self.ensure_healthy(id).await?;
        self.ensure_deliveries_arrive().await?;
        let after = self.count_activities().await?;
        ensure!(after > before, "nothing arrives any more");
        Ok(())
    }

    /// How many activities there are, whatever their state.
    pub async fn count_activities(&self) -> Result<usize> {
        let path = "/activities?include=unmapped,deleted&limit=1000";
        let list = self.host.get(path).await?;
        Ok(list["activities"].as_array().context("no list")?.len())
    }

    /// Starts the host again where it was.
    pub async fn restart(&mut self) -> Result<()> {
        self.keep_address();
        self.host = HostProcess::start(&self.options).await?;
        Ok(())
    }
}

/// What is special about a [`Setup`].
#[derive(Default)]
pub struct SetupBuilder {
    scenario: Scenario,
    configuration: Option<String>,
    users: Users,
    arguments: Vec<String>,
    wrapper: Vec<String>,
}

/// Where the host's users come from.
#[derive(Default)]
enum Users {
    /// From a file of [`PLATFORM_USERS`].
    #[default]
    Platform,
    /// From this file.
    File(PathBuf),
    /// From where the configuration says.
    Configured,
}

impl SetupBuilder {
    /// Another scenario than the built-in one.
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// The built-in scenario [without Toggl's limits](unlimited_scenario).
    pub fn unlimited(self) -> Self {
        self.scenario(unlimited_scenario())
    }

    /// The host's `host.toml`.
    pub fn configuration(mut self, configuration: impl Into<String>) -> Self {
        self.configuration = Some(configuration.into());
        self
    }

    /// Another user directory than the file of [`PLATFORM_USERS`].
    pub fn directory(mut self, file: PathBuf) -> Self {
        self.users = Users::File(file);
        self
    }

    /// The configuration says where users come from.
    pub fn without_directory(mut self) -> Self {
        self.users = Users::Configured;
        self
    }

    /// Further arguments of the host.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// A program and its arguments that run the host.
    pub fn wrapper(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts sandbox and host.
    pub async fn start(mut self) -> Result<Setup> {
        let folder = tempfile::tempdir()?;
        if let Some(configuration) = &self.configuration {
            let path = folder.path().join("host.toml");
            std::fs::write(&path, configuration)?;
            self = self.arguments(&["--config", &path.display().to_string()]);
        }
        let directory = match self.users {
            Users::Platform => Some(write_directory(folder.path())?),
            Users::File(file) => Some(file),
            Users::Configured => None,
        };
        let sandbox = Sandbox::start(self.scenario).await?;
        let options = HostOptions {
            data: folder.path().join("data"),
            directory,
            upstream: sandbox.base_url().to_owned(),
            listen: "127.0.0.1:0".into(),
            arguments: self.arguments,
            environment: Vec::new(),
            wrapper: self.wrapper,
        };
        let host = HostProcess::start(&options).await?;
        Ok(Setup {
            sandbox,
            host,
            options,
            folder,
        })
    }
}

/// Platform users by id, e-mail address and name; most of the sandbox's team is among them.
pub const PLATFORM_USERS: [[&str; 3]; 9] = [
    ["u-mara", "mara.lindqvist@example.com", "Mara Lindqvist"],
    ["u-tomas", "TOMAS.HERRERA@example.com", "Tomás Herrera"],
    ["u-priya", "priya.natarajan@example.com", "Priya Natarajan"],
    ["u-aiko", "aiko.tanaka@example.com", "Aiko Tanaka"],
    ["u-elena", "elena.rossi@example.com", "Elena Rossi"],
    ["u-hugo", "hugo.lefevre@example.com", "Hugo Lefèvre"],
    ["u-sam", "samuel.okafor@example.com", "Samuel Okafor"],
    [
        "u-sam-2",
        "Samuel.Okafor@example.com",
        "Samuel Okafor (old)",
    ],
    ["u-jonas", "jonas@elsewhere.example", "Jonas Weber"],
];

/// Writes a directory of [`PLATFORM_USERS`].
pub fn write_directory(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("users.csv");
    let lines = PLATFORM_USERS.map(|user| user.join(",") + "\n");
    std::fs::write(&path, format!("id,email,name\n{}", lines.concat()))?;
    Ok(path)
}

/// A signed delivery: the header's value and the raw body.
pub fn delivery(secret: &str, body: &Value) -> (String, Vec<u8>) {
    let body = body.to_string().into_bytes();
    (toggl_sandbox::signature::sign(secret, &body), body)
}

/// The body of a delivery that tells of a finished entry of [`TOMAS`].
pub fn finished_entry(subscription: &Subscription, event: u64, entry: u64) -> Value {
    json!({
        "event_id": event, "created_at": "2026-03-02T10:00:00.5Z",
        "creator_id": TOMAS,
        "metadata": {
            "action": "created", "model": "time_entry", "event_user_id": TOMAS.to_string(),
            "model_owner_id": TOMAS.to_string(), "request_type": "POST", "time_entry_id": entry.to_string(),
            "workspace_id": NORTHWIND.to_string()
        },
        "payload": {
            "at": "2026-03-02T10:00:00+00:00", "billable": false, "description": "Kept",
            "duration": 3600, "duronly": true, "id": entry, "project_id": null,
            "server_deleted_at": null, "start": "2026-03-02T09:00:00Z",
            "stop": "2026-03-02T10:00:00Z", "tag_ids": null, "tags": null, "task_id": null,
            "uid": TOMAS, "user_id": TOMAS, "wid": NORTHWIND, "workspace_id": NORTHWIND
        },
        "subscription_id": subscription.id, "timestamp": "2026-03-02T10:00:01Z",
        "url_callback": subscription.url_callback,
    })
}
