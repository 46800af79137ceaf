//! Playing a history and waiting for the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use integration_host_seal::{SealingKey, SealingKeys};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use toggl_sandbox::control::{
    Control, CreateName, DeleteEntry, EditEntry, NameKind, Rename, SetMember, SetSubscription,
    StartTimer, StopTimer,
};
use toggl_sandbox::model::{EventFilter, TimeEntry, User};
use toggl_sandbox::scenario::{Role, UserPlan};
use toggl_sandbox::{
    CallFault, DeliveryFault, EntryEdit, NewEntry, RunningSandbox, Sandbox, Scenario,
};
use tokio::time::{Instant, sleep};

use super::directory::Directory;
use super::history::{History, Step};
use super::host::{Api, Host, ShiftedClock, Surroundings};
use super::reader::Reader;
use super::stores::{Kind, Part, Stores};
use super::{Common, ROUNDS, Report, compare};
use crate::setup::{NORTHWIND, PLATFORM_USERS};

/// How long a person works until time is logged, at first.
const WORK: Duration = Duration::from_millis(1_500);

/// How often a person tries to connect.
const TRIES: u32 = 5;

/// How much of the connection's log a difference is told with.
const LINES: usize = 25;

/// The token's owner.
const OWNER: i64 = 9_500_001;

/// Whom each member of the team is mapped to.
pub(super) type Mappings = BTreeMap<String, Option<String>>;

/// Everything that a history is played on.
pub(super) struct Stage<'a> {
    common: &'a Common,
    pub(super) sandbox: RunningSandbox,
    stores: Stores,
    around: Surroundings,
    addresses: Vec<SocketAddr>,
    hosts: Vec<Option<Host>>,
    pub(super) api: Api,
    pub(super) reader: Reader,
    /// The connection's id.
    pub(super) connection: String,
    /// Whom each member is to be mapped to: matched when connecting, or decided by a person since.
    pub(super) mappings: Mappings,
    /// Whom a person decided about.
    pub(super) by_hand: BTreeSet<String>,
    /// Both, when the backup was made.
    at_backup: Option<(Mappings, BTreeSet<String>)>,
    /// The accounts of the workspace's members, as they were.
    users: Vec<User>,
    /// Counts up, for texts that were not there before.
    texts: u32,
}

/// Plays a history.
pub(super) async fn play(common: &Common, kind: Kind, history: &History) -> Result<Report> {
    let Some(mut stage) = Stage::set(common, kind).await? else {
        return Ok(Report::default());
    };
    for step in &history.steps {
        stage
            .take(step)
            .await
            .with_context(|| format!("the step {step:?} could not be played"))?;
        // Whatever is read now may be wrong: it must be right in the end.
        let _ = stage.reader.read_on(&stage.api).await;
    }
    stage.tell_the_truth().await?;
    let began = Instant::now();
    let mut works_at = Duration::ZERO;
    let entries = loop {
        match compare::with_truth(&mut stage).await {
            Ok(entries) => break entries,
            Err(difference) if began.elapsed() > ROUNDS => {
                return Err(difference.context(stage.log().await));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
        // Ever more rarely, so that what has changed can arrive.
        if began.elapsed() >= works_at {
            stage.work_on()?;
            works_at = (works_at + WORK) * 2;
        }
    };
    let report = Report {
        histories: 1,
        steps: history.steps.len() as u64,
        entries,
        requests: stage.toggl().requests().len() as u64,
        slowest: began.elapsed(),
    };
    stage.end().await?;
    Ok(report)
}

impl<'a> Stage<'a> {
    async fn set(common: &'a Common, kind: Kind) -> Result<Option<Self>> {
        let Some(stores) = Stores::new(kind)? else {
            return Ok(None);
        };
        let sandbox = Sandbox::start(scenario()).await?;
        let addresses = (0..stores.hosts())
            .map(|_| free_address())
            .collect::<Result<Vec<_>>>()?;
        let first = addresses.first().context("no host")?;
        let public_url = format!("http://{first}");
        let mut users = sandbox.control().state().users;
        let members = sandbox.control().state().members;
        users.retain(|user| {
            members
                .iter()
                .any(|member| member.workspace_id == NORTHWIND && member.user_id == user.id)
        });
        let around = Surroundings {
            place: stores.place(),
            toggl: sandbox.base_url().to_owned(),
            public_url: public_url.clone(),
            clock: Arc::new(ShiftedClock::default()),
            directory: Arc::new(Directory::default()),
            keys: Arc::new(SealingKeys::new(SealingKey::generate())),
        };
        let mut stage = Self {
            common,
            sandbox,
            stores,
            around,
            hosts: addresses.iter().map(|_| None).collect(),
            addresses,
            api: Api::new(&public_url)?,
            reader: Reader::default(),
            connection: String::new(),
            mappings: BTreeMap::new(),
            by_hand: BTreeSet::new(),
            at_backup: None,
            users,
            texts: 0,
        };
        stage.start_hosts().await?;
        stage.connect().await?;
        Ok(Some(stage))
    }

    /// Scripts Toggl.
    pub(super) fn toggl(&self) -> &Control {
        self.sandbox.control()
    }

    async fn connect(&mut self) -> Result<()> {
        let body = json!({ "secrets": self.secrets(), "scope_id": NORTHWIND.to_string() });
        let mut tries = 0;
        let connection = loop {
            let (status, answer) = self.api.call(Method::POST, "/connections", &body).await?;
            tries += 1;
            match status {
                StatusCode::CREATED => break answer,
                // Whoever plays many histories at the same time may be too slow for the host.
                StatusCode::SERVICE_UNAVAILABLE if tries < TRIES => {}
                _ => bail!("connecting answered {status}: {answer}"),
            }
        };
        connection["id"]
            .as_str()
            .context("no id")?
            .clone_into(&mut self.connection);
        self.mappings = compare::mappings(self).await?;
        Ok(())
    }

    fn secrets(&self) -> Value {
        json!({ "api-token": self.sandbox.token() })
    }

    async fn start_hosts(&mut self) -> Result<()> {
        for (host, address) in self.hosts.iter_mut().zip(&self.addresses) {
            if host.is_none() {
                *host = Some(Host::start(self.common, self.around.clone(), *address).await?);
            }
        }
        Ok(())
    }

    async fn kill_hosts(&mut self) -> Result<()> {
        for host in &mut self.hosts {
            if let Some(host) = host.take() {
                host.kill().await?;
            }
        }
        Ok(())
    }

    async fn end(mut self) -> Result<()> {
        self.kill_hosts().await
    }

    async fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Wait { ms } => sleep(Duration::from_millis(*ms)).await,
            Step::Clock { hours, for_ms } => {
                self.around.clock.shift(*hours);
                sleep(Duration::from_millis(*for_ms)).await;
                self.around.clock.shift(0);
            }
            Step::EmptyDirectory => self.around.directory.set_empty(true),
            Step::FillDirectory => self.around.directory.set_empty(false),
            Step::Kill { host } => {
                let count = self.hosts.len();
                if let Some(host) = self.hosts.get_mut(host % count).and_then(Option::take) {
                    host.kill().await?;
                }
                self.start_hosts().await?;
            }
            Step::Suspend { host, for_ms } => {
                if let Some(Some(host)) = self.hosts.get(host % self.hosts.len()) {
                    host.suspend(Duration::from_millis(*for_ms));
                }
            }
            Step::BackUp => {
                self.kill_hosts().await?;
                self.stores.back_up()?;
                self.at_backup = Some((self.mappings.clone(), self.by_hand.clone()));
                self.start_hosts().await?;
            }
            Step::Restore => self.restore(&[Part::Ledger, Part::Storage]).await?,
            Step::RestoreStorage => self.restore(&[Part::Storage]).await?,
            Step::Map { member, user } => self.map(*member, *user).await?,
            step => self.at_toggl(step)?,
        }
        Ok(())
    }

    async fn restore(&mut self, parts: &[Part]) -> Result<()> {
        let Some((mappings, by_hand)) = self.at_backup.clone() else {
            return Ok(());
        };
        self.kill_hosts().await?;
        for part in parts {
            self.stores.restore(*part)?;
        }
        self.around.place = self.stores.place();
        if parts.contains(&Part::Ledger) {
            self.stores.place().begin_a_new_life().await?;
            (self.mappings, self.by_hand) = (mappings, by_hand);
        }
        self.start_hosts().await
    }

    /// What a person decides holds if the host took it.
    async fn map(&mut self, member: usize, user: Option<usize>) -> Result<()> {
        let member = self
            .mappings
            .keys()
            .nth(member % self.mappings.len().max(1))
            .cloned();
        let Some(member) = member else {
            return Ok(());
        };
        let user = user
            .and_then(|user| PLATFORM_USERS.get(user % PLATFORM_USERS.len()))
            .map(|[id, ..]| (*id).to_owned());
        let path = format!("/connections/{}/users/{member}", self.connection);
        let body = json!({ "user_id": user });
        if let Ok((StatusCode::OK, _)) = self.api.call(Method::PUT, &path, &body).await {
            self.by_hand.insert(member.clone());
            self.mappings.insert(member, user);
        }
        Ok(())
    }

    /// What Toggl refuses, because of what happened before, does not happen.
    fn at_toggl(&mut self, step: &Step) -> Result<()> {
        let member = |number: &usize| -> Option<i64> {
            let members = self.users.iter().filter(|user| user.id != OWNER);
            let count = members.clone().count();
            let user = members.clone().nth(number % count.max(1))?;
            Some(user.id)
        };
        let projects: Vec<i64> = self
            .toggl()
            .state()
            .projects
            .iter()
            .filter(|project| project.workspace_id == NORTHWIND)
            .map(|project| project.id)
            .collect();
        let project = |number: &usize| projects.get(number % projects.len().max(1)).copied();
        let entries: Vec<TimeEntry> = entries(self.toggl());
        let entry = |number: &usize| {
            entries
                .get(number % entries.len().max(1))
                .filter(|entry| entry.deleted_at.is_none())
                .map(|entry| entry.id)
        };
        self.texts += 1;
        let text = format!("text {}", self.texts);
        let toggl = self.toggl();
        match step {
            Step::Log {
                member: who,
                project: what,
                hours_ago,
            } => {
                let start = Timestamp::now() - SignedDuration::from_hours(*hours_ago + 1);
                let _ = toggl.log_time(NewEntry {
                    workspace_id: NORTHWIND,
                    user_id: member(who).unwrap_or(OWNER),
                    project_id: project(what),
                    description: Some(text),
                    start: Some(start),
                    duration: Some(1_800),
                    ..NewEntry::default()
                });
            }
            Step::Start { member: who } => {
                let _ = toggl.start_timer(StartTimer {
                    workspace_id: NORTHWIND,
                    user_id: member(who).unwrap_or(OWNER),
                    description: Some(text),
                    ..StartTimer::default()
                });
            }
            Step::Stop { member: who } => {
                let _ = toggl.stop_timer(StopTimer {
                    user_id: member(who),
                    ..StopTimer::default()
                });
            }
            Step::Edit { entry: which } => {
                if let Some(entry_id) = entry(which) {
                    let edit = EntryEdit {
                        description: Some(text),
                        ..EntryEdit::default()
                    };
                    let _ = toggl.edit_entry(EditEntry {
                        entry_id,
                        edit,
                        ..EditEntry::default()
                    });
                }
            }
            Step::Delete { entry: which } => {
                if let Some(entry_id) = entry(which) {
                    let _ = toggl.delete_entry(DeleteEntry {
                        entry_id,
                        ..DeleteEntry::default()
                    });
                }
            }
            Step::RenameProject { project: which } => {
                if let Some(id) = project(which) {
                    let _ = toggl.rename(Rename {
                        kind: NameKind::Project,
                        id,
                        name: text,
                    });
                }
            }
            Step::NewProject => {
                let _ = toggl.create_name(CreateName {
                    kind: NameKind::Project,
                    workspace_id: NORTHWIND,
                    name: text,
                    client_id: None,
                    project_id: None,
                    private: false,
                });
            }
            Step::Deactivate { member: who } => {
                let _ = toggl.set_member(SetMember {
                    workspace_id: NORTHWIND,
                    user_id: member(who).unwrap_or(OWNER),
                    inactive: Some(true),
                    ..SetMember::default()
                });
            }
            Step::Demote => {
                let _ = toggl.set_member(SetMember {
                    workspace_id: NORTHWIND,
                    user_id: OWNER,
                    role: Some(Role::User),
                    ..SetMember::default()
                });
            }
            Step::ChangeAddress { member: who } => {
                let user = self.users.iter().find(|user| Some(user.id) == member(who));
                if let Some(user) = user {
                    let email = Some(format!("{}@elsewhere.example", self.texts));
                    set_user(toggl, user, email)?;
                }
            }
            Step::Lie(lies) => toggl.tell_lies(lies.clone()),
            Step::Fail { count, status } => toggl.fail_calls(CallFault {
                count: *count,
                status: Some(*status),
                ..CallFault::default()
            }),
            Step::Drop { count } => {
                toggl.fail_deliveries(DeliveryFault::Drop { count: *count });
            }
            Step::Duplicate { count } => toggl.fail_deliveries(DeliveryFault::Duplicate {
                count: *count,
                copies: 1,
            }),
            Step::Reorder { count } => {
                toggl.fail_deliveries(DeliveryFault::Reorder { count: *count });
            }
            step => self.meddle(step),
        }
        Ok(())
    }

    /// Somebody changes the webhook at Toggl.
    fn meddle(&self, step: &Step) {
        let toggl = self.toggl();
        let Some(subscription) = toggl.subscriptions().into_iter().next() else {
            return;
        };
        let mut change = SetSubscription {
            subscription_id: subscription.id,
            ..SetSubscription::default()
        };
        match step {
            Step::Disable => change.enabled = Some(false),
            Step::DeleteWebhook => change.deleted = true,
            Step::Redirect => change.url_callback = Some("http://127.0.0.1:9/elsewhere".into()),
            Step::ChangeFilters => {
                change.event_filters = Some(vec![EventFilter {
                    entity: "tag".into(),
                    action: "created".into(),
                }]);
            }
            Step::ChangeSecret => change.secret = Some("somebody else's secret".into()),
            _ => return,
        }
        // It was there a moment ago; if the host has replaced it since, nothing is changed.
        let _ = toggl.set_subscription(change);
    }

    /// From here on nobody lies, nothing fails, and what was taken away is back.
    async fn tell_the_truth(&mut self) -> Result<()> {
        let toggl = self.toggl();
        toggl.tell_the_truth();
        toggl.clear_faults();
        for user in &self.users {
            set_user(toggl, user, user.email.clone())?;
            let _ = toggl.set_member(SetMember {
                workspace_id: NORTHWIND,
                user_id: user.id,
                inactive: Some(false),
                role: (user.id == OWNER).then_some(Role::Admin),
                ..SetMember::default()
            });
        }
        // A timer that runs is in no report: one that nobody was told of is found when it stops.
        for user in &self.users {
            let _ = toggl.stop_timer(StopTimer {
                user_id: Some(user.id),
                ..StopTimer::default()
            });
        }
        self.around.directory.set_empty(false);
        self.around.clock.shift(0);
        self.start_hosts().await
    }

    /// People go on: nobody can know of a secret that was changed until something signed with it arrives, nor that a timer
    /// was deleted while it ran, whose delivery was lost, until another one runs.
    fn work_on(&mut self) -> Result<()> {
        for member in 0..self.users.len() {
            self.at_toggl(&Step::Stop { member })?;
            self.at_toggl(&Step::Start { member })?;
        }
        self.at_toggl(&Step::Log {
            member: 0,
            project: 0,
            hours_ago: 0,
        })
    }

    /// What the connection's log says, newest first.
    async fn log(&self) -> String {
        let path = format!("/connections/{}/log?limit={LINES}", self.connection);
        let Ok((_, log)) = self.api.get(&path).await else {
            return "the log cannot be read".to_owned();
        };
        let lines = log["events"].as_array().into_iter().flatten();
        let lines = lines.map(|event| format!("{} {}\n", event["at"], event["message"]));
        format!("the connection's log:\n{}", lines.collect::<String>())
    }

    /// Does what the connection's attention asks a person to do, as far as a person would.
    pub(super) async fn give_the_token_again(&self) -> Result<()> {
        let path = format!("/connections/{}/secrets", self.connection);
        let body = json!({ "secrets": self.secrets() });
        self.api.call(Method::PUT, &path, &body).await?;
        Ok(())
    }
}

/// The entries of the workspace, deleted ones included.
pub(super) fn entries(toggl: &Control) -> Vec<TimeEntry> {
    let mut entries = toggl.state().time_entries;
    entries.retain(|entry| entry.workspace_id == NORTHWIND);
    entries
}

fn set_user(toggl: &Control, user: &User, email: Option<String>) -> Result<()> {
    toggl.set_user(UserPlan {
        id: user.id,
        name: user.name.clone(),
        email,
        token: Some(user.token.clone()),
    })?;
    Ok(())
}

/// A team without a history; quotas that are there and large enough for many rounds in a few seconds.
fn scenario() -> Scenario {
    let mut scenario = Scenario {
        history_days: 0,
        ..Scenario::default()
    };
    scenario.limits.user_requests_per_hour = 5_000;
    for organization in &mut scenario.organizations {
        organization.requests_per_hour = Some(10_000);
    }
    scenario
}

/// An address that is free now. A host listens there again after each start.
fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
