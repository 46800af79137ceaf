//! A host inside this process, for what cannot be seen or measured from outside.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration_host::{self, ConnectRequest, Host};
use integration_host_contract::clock::{Clock, SystemClock};
use integration_host_contract::id::ScopeId;
use integration_host_contract::limits::Limits;
use integration_host_contract::{Manifest, Pacing};
use integration_host_database::SqliteDatabase;
use integration_host_directory::{EmptyDirectory, UserDirectory};
use integration_host_engine::{Engine, Integration};
use integration_host_http::{AllowList, HttpLimits, HttpMetrics, OutboundHttp, ReqwestClient};
use integration_host_ledger::{Connection, Ledger};
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::secret::{Secret, Secrets};
use integration_host_seal::{SealingKey, SealingKeys};
use integration_host_server::{AdminToken, Server, SignInLinks};
use integration_host_storage::{KeyValueStore, MemoryStore};
use toggl_sandbox::model::Subscription;
use toggl_sandbox::{RunningSandbox, Sandbox, Scenario};
use tokio::net::TcpListener;

use crate::setup::NORTHWIND;

/// Requests to Toggl as fast as they come.
const UNPACED: Pacing = Pacing {
    burst: 1_000,
    requests_per_minute: 600_000,
    longest_quota_seconds: 0,
};

/// A sandbox Toggl and a host that keeps everything in memory, in this process.
pub struct Embedded {
    /// The sandbox.
    pub sandbox: RunningSandbox,
    /// The host's use cases.
    pub service: Host,
    /// What the host lends as HTTP.
    pub http: Arc<OutboundHttp>,
    /// The host's storage, with sealed values.
    pub store: Arc<dyn KeyValueStore>,
    /// What they are sealed with.
    pub keys: Arc<SealingKeys>,
    /// Where the host listens, such as `http://127.0.0.1:8080`.
    pub url: String,
    sign_in_links: SignInLinks,
}

impl Embedded {
    /// Starts both, the host with this component.
    pub async fn start(component: &Path) -> Result<Self> {
        let limits = Limits::default();
        let engine = Engine::new(limits.clone(), None)?;
        Self::start_on(&engine, limits, component).await
    }

    /// Starts both, the host on an engine that others use too.
    pub async fn start_on(engine: &Engine, limits: Limits, component: &Path) -> Result<Self> {
        Parts::default().start(engine, limits, component).await
    }

    /// Starts both, the host sending requests to Toggl as fast as it can.
    pub async fn start_unpaced(component: &Path, scenario: Scenario) -> Result<Self> {
        let limits = Limits::default();
        let engine = Engine::new(limits.clone(), None)?;
        let parts = Parts {
            scenario,
            pacing: Some(UNPACED),
            ..Parts::default()
        };
        parts.start(&engine, limits, component).await
    }

    /// Starts both, the host with this clock and this directory, and as fast as it can.
    pub async fn start_at(
        component: &Path,
        scenario: Scenario,
        clock: Arc<dyn Clock>,
        directory: Arc<dyn UserDirectory>,
    ) -> Result<Self> {
        let limits = Limits::default();
        let engine = Engine::new(limits.clone(), None)?;
        let parts = Parts {
            scenario,
            pacing: Some(UNPACED),
            clock,
            directory,
            ..Parts::default()
        };
        parts.start(&engine, limits, component).await
    }

    /// Starts both, with these limits and something around the host's storage.
    pub async fn start_around(
        component: &Path,
        limits: Limits,
        around_storage: impl FnOnce(Arc<dyn KeyValueStore>) -> Arc<dyn KeyValueStore> + 'static,
    ) -> Result<Self> {
        let engine = Engine::new(limits.clone(), None)?;
        let parts = Parts {
            around_storage: Box::new(around_storage),
            ..Parts::default()
        };
        parts.start(&engine, limits, component).await
    }

    /// Starts both, the host on this ledger, which may have been another host's with these keys.
    pub async fn start_over(
        component: &Path,
        ledger: Arc<dyn Ledger>,
        keys: Arc<SealingKeys>,
    ) -> Result<Self> {
        let limits = Limits::default();
        let engine = Engine::new(limits.clone(), None)?;
        let parts = Parts {
            ledger: Some(ledger),
            keys: Some(keys),
            ..Parts::default()
        };
        parts.start(&engine, limits, component).await
    }

    /// A new link that signs in to the console once, without the host.
    pub fn sign_in_path(&self) -> String {
        self.sign_in_links.issue().link("")
    }

    /// The account owner's secrets.
    pub fn secrets(&self) -> Secrets {
        BTreeMap::from([("api-token".to_owned(), Secret::new(self.sandbox.token()))])
    }

    /// Connects the workspace of twelve, and returns the connection and Toggl's side of it.
    pub async fn connect(&self) -> Result<(Connection, Subscription)> {
        let connection = self
            .service
            .connect(ConnectRequest {
                secrets: self.secrets(),
                scope_id: ScopeId::new(NORTHWIND.to_string()),
                name: None,
            })
            .await?;
        let subscriptions = self.sandbox.control().subscriptions();
        let subscription = subscriptions
            .into_iter()
            .next()
            .context("nothing is subscribed")?;
        Ok((connection, subscription))
    }
}

type AroundStorage = dyn FnOnce(Arc<dyn KeyValueStore>) -> Arc<dyn KeyValueStore>;

/// What differs from one embedded host to the other.
struct Parts {
    scenario: Scenario,
    /// Instead of the manifest's.
    pacing: Option<Pacing>,
    around_storage: Box<AroundStorage>,
    clock: Arc<dyn Clock>,
    directory: Arc<dyn UserDirectory>,
    /// Instead of one in memory.
    ledger: Option<Arc<dyn Ledger>>,
    /// Instead of new ones.
    keys: Option<Arc<SealingKeys>>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            scenario: Scenario::default(),
            pacing: None,
            around_storage: Box::new(|store| store),
            clock: Arc::new(SystemClock),
            directory: Arc::new(EmptyDirectory),
            ledger: None,
            keys: None,
        }
    }
}

impl Parts {
    async fn start(self, engine: &Engine, limits: Limits, component: &Path) -> Result<Embedded> {
        let sandbox = Sandbox::start(self.scenario).await?;
        let integration = Integration::load(engine, &std::fs::read(component)?).await?;
        let mut manifest = integration.manifest().clone();
        manifest.pacing = self.pacing.unwrap_or(manifest.pacing);
        let store: Arc<dyn KeyValueStore> =
            (self.around_storage)(Arc::new(MemoryStore::new(Arc::clone(&self.clock))));
        let keys = self
            .keys
            .unwrap_or_else(|| Arc::new(SealingKeys::new(SealingKey::generate())));
        let ledger = match self.ledger {
            Some(ledger) => ledger,
            None => Arc::new(SqliteLedger::new(SqliteDatabase::open_in_memory()?)),
        };
        let http = Arc::new(lend(&manifest, &sandbox, HttpLimits::default())?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let service = Host::builder(integration)
            .outbound_http(Arc::clone(&http))
            .storage(Arc::clone(&store))
            .ledger(ledger)
            .directory(self.directory)
            .sealing_keys(Arc::clone(&keys))
            .clock(self.clock)
            .public_url(url.as_str())
            .start()
            .await?;
        let sign_in_links = SignInLinks::default();
        let server = Server::new(&service)
            .admin_token(AdminToken::new("embedded-embedded")?)
            .limits(limits)
            .sign_in_links(sign_in_links.clone());
        // Toggl pings the callback while the workspace is being connected.
        tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
        Ok(Embedded {
            sandbox,
            service,
            http,
            store,
            keys,
            url,
            sign_in_links,
        })
    }
}

/// HTTP for an integration, with a sandbox in Toggl's place.
pub fn lend_http(
    integration: &Integration,
    sandbox: &RunningSandbox,
    limits: HttpLimits,
) -> Result<OutboundHttp> {
    lend(integration.manifest(), sandbox, limits)
}

/// The same, as fast as requests come.
pub(crate) fn lend_unpaced(
    integration: &Integration,
    sandbox: &RunningSandbox,
    limits: HttpLimits,
) -> Result<OutboundHttp> {
    let mut manifest = integration.manifest().clone();
    manifest.pacing = UNPACED;
    lend(&manifest, sandbox, limits)
}

fn lend(manifest: &Manifest, sandbox: &RunningSandbox, limits: HttpLimits) -> Result<OutboundHttp> {
    let upstream = format!("api.track.toggl.com={}", sandbox.base_url()).parse()?;
    Ok(OutboundHttp::new(
        Arc::new(ReqwestClient::new(Duration::from_secs(5))?),
        manifest,
        AllowList::new(&manifest.hosts, None, &[upstream])?,
        limits,
        Arc::new(HttpMetrics::default()),
    ))
}
