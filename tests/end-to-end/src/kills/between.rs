//! Dying between storage and ledger: they need not be one database, so there is a moment at which one has a change and
//! the other has not. Every commit to storage is such a moment, just before it and just after it.

use std::future::pending;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use async_trait::async_trait;
use integration_host::{ConnectRequest, Host};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_contract::limits::Limits;
use integration_host_engine::Integration;
use integration_host_http::HttpLimits;
use integration_host_ledger::ActivityFilter;
use integration_host_seal::secret::{Secret, Secrets};
use integration_host_seal::{SealingKey, SealingKeys};
use integration_host_server::Server;
use integration_host_storage::{Commit, Entry, Expectation, KeyValueStore, StorageError, Write};
use jiff::{SignedDuration, Timestamp};
use toggl_sandbox::control::{CreateName, Flush, NameKind, Rename};
use toggl_sandbox::{DeliveryFault, NewEntry, RunningSandbox, Sandbox};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::eventually;
use crate::setup::{NORTHWIND, unlimited_scenario};
use crate::world::{Kind, Stores};

/// What a host does when it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Connects a workspace and reads all names.
    Connect,
    /// Takes a delivery of time on a project that is not known, and looks its name up.
    LookUp,
    /// Reads all names again, one of which has changed.
    Refresh,
    /// Reads time back whose delivery was lost, on a project that is not known.
    Reconcile,
}

/// When it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct BetweenReport {
    /// How often a host died between storage and ledger.
    pub deaths: usize,
    /// What was not right afterwards, a sentence each.
    pub failures: Vec<String>,
}

/// Has a host do everything that writes storage and ledger, and die at each commit to storage. `None`: what the databases
/// need is not installed, which was said.
///
/// # Errors
/// Something else went wrong.
pub async fn die_between(component: &Path, kind: Kind) -> Result<Option<BetweenReport>> {
    let integration = crate::load_component(component, Limits::default()).await?;
    let mut report = BetweenReport::default();
    for act in [Act::Connect, Act::LookUp, Act::Refresh, Act::Reconcile] {
        for moment in [Moment::Before, Moment::After] {
            for commits in 0.. {
                let name = format!("{act:?}, killed {moment:?} commit {commits}");
                let Some(stores) = Stores::new(kind)? else {
                    return Ok(None);
                };
                match die_once(&integration, stores, act, moment, commits).await {
                    Ok(true) => report.deaths += 1,
                    // There are no more commits to die at.
                    Ok(false) => break,
                    Err(error) => {
                        report.deaths += 1;
                        report.failures.push(format!("{name}: {error:#}"));
                    }
                }
            }
        }
    }
    Ok(Some(report))
}

/// False: the act came to its end.
async fn die_once(
    integration: &Integration,
    stores: Stores,
    act: Act,
    moment: Moment,
    commits: i64,
) -> Result<bool> {
    let world = World::new(integration, stores).await?;
    let mut first = world.live().await?;
    if act != Act::Connect {
        world.connect(&first.service).await?;
        world.prepare(&first.service, act).await?;
    }
    if act == Act::Refresh {
        // Names are looked for soon after a start.
        first = world.live().await?;
    }
    first.fate.arm(moment, commits);
    let died = tokio::select! {
        done = world.act(&first.service, act) => {
            done.context("the act failed")?;
            false
        }
        () = first.fate.died.notified() => true,
    };
    drop(first);
    let second = world.live().await?;
    if act == Act::Connect {
        world.connect(&second.service).await?;
    }
    if act == Act::Reconcile {
        world.reconcile(&second.service).await?;
    }
    world
        .ensure_names(&second.service)
        .await
        .context("somebody would see time without what it was spent on")?;
    let subscriptions = world.sandbox.control().subscriptions().len();
    ensure!(subscriptions == 1, "{subscriptions} webhooks at Toggl");
    Ok(died)
}

/// What outlives a host.
struct World {
    integration: Integration,
    sandbox: RunningSandbox,
    stores: Stores,
    keys: Arc<SealingKeys>,
    clock: Arc<Shifted>,
    listener: TcpListener,
    /// Time that was logged since connecting.
    logged: Mutex<Vec<i64>>,
}

struct Life {
    service: Host,
    fate: Arc<Fate>,
    server: AbortHandle,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.fate.is_dead.store(true, Ordering::SeqCst);
        self.server.abort();
    }
}

impl World {
    async fn new(integration: &Integration, stores: Stores) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            integration: integration.clone(),
            sandbox: Sandbox::start(unlimited_scenario()).await?,
            stores,
            keys: Arc::new(SealingKeys::new(SealingKey::generate())),
            clock: Arc::default(),
            listener,
            logged: Mutex::default(),
        })
    }

    /// A host over what the one before left.
    async fn live(&self) -> Result<Life> {
        let fate = Arc::new(Fate::default());
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (ledger, store) = self.stores.place().open(&clock).await?;
        let http =
            crate::embedded::lend_unpaced(&self.integration, &self.sandbox, HttpLimits::default())?;
        let listener = tokio::net::TcpListener::from_std(self.listener.try_clone()?)?;
        let service = Host::builder(self.integration.clone())
            .outbound_http(http)
            .storage(Mortal {
                store,
                fate: Arc::clone(&fate),
            })
            .ledger(ledger)
            .sealing_keys(Arc::clone(&self.keys))
            .clock(clock)
            .public_url(format!("http://{}", listener.local_addr()?))
            .start()
            .await?;
        let server = Server::new(&service);
        let server = tokio::spawn(async move { server.serve(listener, pending()).await });
        Ok(Life {
            service,
            fate,
            server: server.abort_handle(),
        })
    }

    async fn connect(&self, service: &Host) -> Result<()> {
        eventually("it cannot be connected", async || {
            let secrets: Secrets =
                [("api-token".to_owned(), Secret::new(self.sandbox.token()))].into();
            let request = ConnectRequest {
                secrets,
                scope_id: ScopeId::new(NORTHWIND.to_string()),
                name: None,
            };
            match service.connect(request).await {
                Ok(_) => Ok(()),
                // What was interrupted is undone first, or had come to its end.
                Err(_) if !service.connections().await?.is_empty() => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn connection(&self, service: &Host) -> Result<ConnectionId> {
        let connections = service.connections().await?;
        Ok(connections
            .first()
            .context("nothing is connected")?
            .id
            .clone())
    }

    async fn prepare(&self, service: &Host, act: Act) -> Result<()> {
        let control = self.sandbox.control();
        match act {
            Act::Connect | Act::LookUp => {}
            Act::Refresh => {
                let id = self.log_on_new_project()?;
                self.ensure_names(service).await?;
                self.lose_deliveries(true);
                control.rename(Rename {
                    kind: NameKind::Project,
                    id,
                    name: "Called otherwise".to_owned(),
                })?;
                control.flush(Flush { timeout_ms: 30_000 }).await;
                self.lose_deliveries(false);
                self.clock.ahead(SignedDuration::from_hours(25));
            }
            Act::Reconcile => {
                self.ensure_names(service).await?;
                self.lose_deliveries(true);
                self.log_on_new_project()?;
                control.flush(Flush { timeout_ms: 30_000 }).await;
                self.lose_deliveries(false);
            }
        }
        Ok(())
    }

    async fn act(&self, service: &Host, act: Act) -> Result<()> {
        match act {
            Act::Connect => self.connect(service).await?,
            Act::LookUp => drop(self.log_on_new_project()?),
            Act::Refresh => {}
            Act::Reconcile => self.reconcile(service).await?,
        }
        self.ensure_names(service).await
    }

    async fn reconcile(&self, service: &Host) -> Result<()> {
        let id = self.connection(service).await?;
        let now = self.clock.now();
        service
            .reconcile(&id, now - SignedDuration::from_hours(24), now)
            .await?;
        Ok(())
    }

    fn log_on_new_project(&self) -> Result<i64> {
        let name = |kind, name: &str, client_id| CreateName {
            kind,
            workspace_id: NORTHWIND,
            name: name.to_owned(),
            client_id,
            project_id: None,
            private: false,
        };
        let control = self.sandbox.control();
        let client = control.create_name(name(NameKind::Client, "New client", None))?;
        let project = control.create_name(name(NameKind::Project, "New project", Some(client)))?;
        self.log_time(Some(project))?;
        Ok(project)
    }

    fn log_time(&self, project_id: Option<i64>) -> Result<()> {
        let control = self.sandbox.control();
        let mut members = control.state().members.into_iter();
        let member = members.find(|member| member.workspace_id == NORTHWIND);
        let entry = control.log_time(NewEntry {
            workspace_id: NORTHWIND,
            user_id: member.context("nobody is in the workspace")?.user_id,
            project_id,
            start: Some(Timestamp::now() - SignedDuration::from_hours(2)),
            duration: Some(600),
            ..NewEntry::default()
        })?;
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.push(entry.id);
        Ok(())
    }

    fn lose_deliveries(&self, lost: bool) {
        let control = self.sandbox.control();
        control.clear_faults();
        if lost {
            control.fail_deliveries(DeliveryFault::Drop { count: 100 });
        }
    }

    /// All time that was logged since connecting is there and is called as at Toggl.
    async fn ensure_names(&self, service: &Host) -> Result<()> {
        eventually("time is not there as it is at Toggl", async || {
            match self.different(service).await? {
                None => Ok(()),
                Some(what) => bail!(what),
            }
        })
        .await
    }

    async fn different(&self, service: &Host) -> Result<Option<String>> {
        let filter = ActivityFilter {
            include_unmapped: true,
            ..ActivityFilter::default()
        };
        if service.connections().await?.is_empty() {
            return Ok(Some("nothing is connected".to_owned()));
        }
        let state = self.sandbox.control().state();
        let listed = service.activities(&filter, None, 1000).await?.items;
        let logged = self
            .logged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for entry in (state.time_entries.iter()).filter(|entry| logged.contains(&entry.id)) {
            let id = entry.id.to_string();
            let Some(activity) = listed.iter().find(|activity| activity.entry_id == id) else {
                return Ok(Some(format!("the entry {id} is missing")));
            };
            let Some(project) = entry.project_id else {
                continue;
            };
            let project = state.projects.iter().find(|known| known.id == project);
            let name = &project.context("an entry without its project")?.name;
            if !activity.title.contains(name) {
                return Ok(Some(format!(
                    "the entry {id} is called {:?}, not {name}",
                    activity.title
                )));
            }
        }
        Ok(None)
    }
}

/// A clock that can be moved ahead.
#[derive(Default)]
struct Shifted(AtomicI64);

impl Shifted {
    fn ahead(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// When a host dies.
#[derive(Default)]
struct Fate {
    is_armed: AtomicBool,
    is_after: AtomicBool,
    commits: AtomicI64,
    is_dead: AtomicBool,
    died: Notify,
}

impl Fate {
    fn arm(&self, moment: Moment, commits: i64) {
        self.is_after
            .store(moment == Moment::After, Ordering::SeqCst);
        self.commits.store(commits, Ordering::SeqCst);
        self.is_armed.store(true, Ordering::SeqCst);
    }

    /// Whether it dies at this commit.
    fn strikes(&self) -> bool {
        self.is_armed.load(Ordering::SeqCst) && self.commits.fetch_sub(1, Ordering::SeqCst) == 0
    }

    async fn die(&self) -> ! {
        self.is_dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        pending().await
    }

    async fn live(&self) {
        if self.is_dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

/// The storage of a host that dies: then no call of it ever returns.
struct Mortal {
    store: Arc<dyn KeyValueStore>,
    fate: Arc<Fate>,
}

#[async_trait]
impl KeyValueStore for Mortal {
    async fn get(&self, id: &ConnectionId, key: &str) -> Result<Option<Entry>, StorageError> {
        self.fate.live().await;
        self.store.get(id, key).await
    }

    async fn list(
        &self,
        id: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.fate.live().await;
        self.store.list(id, prefix, after, limit).await
    }

    async fn commit(
        &self,
        id: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        self.fate.live().await;
        if !self.fate.strikes() {
            return self.store.commit(id, expected, writes).await;
        }
        if self.fate.is_after.load(Ordering::SeqCst) {
            self.store.commit(id, expected, writes).await?;
        }
        self.fate.die().await
    }
}
