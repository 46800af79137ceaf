//! A host inside this process, for what cannot be seen or measured from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
    /// The built-in scenario and a host with this component, unless something else is said.
    pub fn builder(component: &Path) -> EmbeddedBuilder {
        EmbeddedBuilder {
            component: component.to_owned(),
            engine: None,
            limits: Limits::default(),
            scenario: Scenario::default(),
            pacing: None,
            around_storage: Box::new(|store| store),
            clock: Arc::new(SystemClock),
            directory: Arc::new(EmptyDirectory),
            ledger: None,
            keys: None,
        }
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

/// What is special about an [`Embedded`] host.
pub struct EmbeddedBuilder {
    component: PathBuf,
    /// Instead of one of its own.
    engine: Option<Engine>,
    limits: Limits,
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

impl EmbeddedBuilder {
    /// What the component may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// An engine with the same limits, which others use too.
    pub fn engine(mut self, engine: &Engine) -> Self {
        self.engine = Some(engine.clone());
        self
    }

    /// Another scenario than the built-in one.
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// Requests to Toggl as fast as they come.
    pub fn unpaced(mut self) -> Self {
        self.pacing = Some(UNPACED);
        self
    }

    /// Something around the host's storage.
    pub fn around_storage(
        mut self,
        around: impl FnOnce(Arc<dyn KeyValueStore>) -> Arc<dyn KeyValueStore> + 'static,
    ) -> Self {
        self.around_storage = Box::new(around);
        self
    }

    /// The host's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the host's users come from.
    pub fn directory(mut self, directory: Arc<dyn UserDirectory>) -> Self {
        self.directory = directory;
        self
    }

    /// The host's ledger, which may have been another host's with these keys.
    pub fn ledger(mut self, ledger: Arc<dyn Ledger>, keys: Arc<SealingKeys>) -> Self {
        self.ledger = Some(ledger);
        self.keys = Some(keys);
        self
    }

    /// Starts sandbox and host.
    pub async fn start(self) -> Result<Embedded> {
        let sandbox = Sandbox::start(self.scenario).await?;
        let engine = match self.engine {
            Some(engine) => engine,
            None => Engine::new(self.limits.clone(), None)?,
        };
        let integration = Integration::load(&engine, &std::fs::read(&self.component)?).await?;
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
            .limits(self.limits)
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
