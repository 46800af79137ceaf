//! A sandbox Toggl and a host of a cell's own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration_host::Host;
use integration_host_contract::Pacing;
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;
use integration_host_directory::EmptyDirectory;
use integration_host_engine::capability::http::SecretSource;
use integration_host_engine::{CallContext, Integration};
use integration_host_http::{
    AllowList, HttpLimits, HttpMetrics, OutboundHttp, ReqwestClient, RetryPolicy,
};
use integration_host_ledger::Ledger;
use integration_host_ledger_sql::SqliteLedger;
use integration_host_seal::secret::{Secret, Secrets};
use integration_host_server::Server;
use integration_host_storage::{KeyValueStore, MemoryStore};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use toggl_sandbox::{NewEntry, RunningSandbox, Sandbox, Scenario};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::AbortHandle;

use super::edge::Edge;
use crate::setup::NORTHWIND;

/// The pace of the matrix: the manifest's burst, and its rate ten times over so that it ends soon.
pub(super) const PACING: Pacing = Pacing {
    burst: 5,
    requests_per_minute: 600,
    longest_quota_seconds: 0,
};

/// How long one exchange may take where a fault makes it wait that long, and elsewhere.
const SHORT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(60);

/// What all cells share.
pub(super) struct Common {
    pub integration: Integration,
    client: Arc<ReqwestClient>,
    /// An address at which nobody listens.
    pub nobody: Url,
    /// Keeps that address from everybody else.
    _held: TcpSocket,
}

impl Common {
    pub async fn new(component: &Path) -> Result<Self> {
        let limits = Limits {
            concurrent_calls: 512,
            ..Limits::default()
        };
        let held = TcpSocket::new_v4()?;
        held.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let nobody = format!("http://{}", held.local_addr()?).parse()?;
        Ok(Self {
            integration: crate::load_component(component, limits).await?,
            client: Arc::new(ReqwestClient::new(Duration::from_secs(20))?),
            nobody,
            _held: held,
        })
    }
}

/// A sandbox and a host.
pub(super) struct Site {
    pub sandbox: RunningSandbox,
    pub edge: Arc<Edge>,
    pub service: Host,
    pub ledger: Arc<dyn Ledger>,
    http: Arc<OutboundHttp>,
    server: AbortHandle,
}

impl Site {
    pub async fn start(common: &Common, has_short_timeout: bool) -> Result<Self> {
        let mut scenario = Scenario::default();
        // The cell's own fault is the only quota.
        scenario.limits.hourly_quota = false;
        let sandbox = Sandbox::start(scenario).await?;
        let edge = Arc::new(Edge::new(Arc::clone(&common.client)));
        let mut manifest = common.integration.manifest().clone();
        manifest.pacing = PACING;
        let upstream = format!("api.track.toggl.com={}", sandbox.base_url()).parse()?;
        let limits = HttpLimits {
            exchange_timeout: if has_short_timeout {
                SHORT_TIMEOUT
            } else {
                TIMEOUT
            },
            retry: RetryPolicy {
                base: Duration::from_millis(50),
                ..RetryPolicy::default()
            },
            ..HttpLimits::default()
        };
        let http = Arc::new(OutboundHttp::new(
            Arc::clone(&edge) as _,
            &manifest,
            AllowList::new(&manifest.hosts, None, &[upstream])?,
            limits,
            Arc::new(HttpMetrics::default()),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::in_memory()?);
        let service = Host::builder(common.integration.clone())
            .outbound_http(Arc::clone(&http))
            .ledger(Arc::clone(&ledger))
            .public_url(format!("http://{}", listener.local_addr()?))
            .start()
            .await?;
        let server = Server::new(&service);
        // Toggl pings the callback while the workspace is being connected.
        let server =
            tokio::spawn(async move { server.serve(listener, std::future::pending()).await });
        Ok(Self {
            sandbox,
            edge,
            service,
            ledger,
            http,
            server: server.abort_handle(),
        })
    }

    /// The account owner's secrets.
    pub fn secrets(&self) -> Secrets {
        [("api-token".to_owned(), Secret::new(self.sandbox.token()))].into()
    }

    /// A call of the integration beside the service, with storage of its own.
    pub fn context(&self) -> CallContext {
        let clock = Arc::new(SystemClock);
        CallContext {
            connection: ConnectionId::new("names"),
            store: Arc::new(MemoryStore::new(clock.clone())) as Arc<dyn KeyValueStore>,
            secrets: SecretSource::Given(self.secrets()),
            lease_deadlines: Vec::new(),
            asked_by_person: false,
            unanswered: Arc::default(),
            directory: Arc::new(EmptyDirectory),
            http: Arc::clone(&self.http),
            clock,
        }
    }

    /// Logs time at Toggl, of the last two hours, and returns the entry's id.
    pub fn log_time(&self, project_id: Option<i64>, task_id: Option<i64>) -> Result<i64> {
        let control = self.sandbox.control();
        let mut members = control.state().members.into_iter();
        let member = members.find(|member| member.workspace_id == NORTHWIND);
        let entry = control.log_time(NewEntry {
            workspace_id: NORTHWIND,
            user_id: member.context("nobody is in the workspace")?.user_id,
            project_id,
            task_id,
            start: Some(Timestamp::now() - SignedDuration::from_hours(2)),
            duration: Some(600),
            ..NewEntry::default()
        })?;
        Ok(entry.id)
    }

    /// The sandbox's address.
    pub fn sandbox_url(&self) -> Result<Url> {
        Ok(self.sandbox.base_url().parse()?)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}
