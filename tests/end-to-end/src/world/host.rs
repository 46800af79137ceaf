//! A host that can be suspended and killed, although it runs in this process: everything it does is on one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use integration_host_contract::Pacing;
use integration_host_contract::clock::Clock;
use integration_host_http::{AllowList, HttpLimits, HttpMetrics, OutboundHttp, ReqwestClient};
use integration_host_seal::SealingKeys;
use integration_host_server::{AdminToken, Server};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::Common;
use super::directory::Directory;
use super::stores::Place;

/// What requests to the API carry.
const ADMIN_TOKEN: &str = "the-administrator-of-a-world-that-lies";

/// How long a host waits for an answer of Toggl's.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long what a killed host has begun in its database may take to end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A clock that can be elsewhere.
#[derive(Debug, Default)]
pub(super) struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    pub(super) fn shift(&self, hours: i64) {
        self.0.store(hours, Ordering::Relaxed);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shift = SignedDuration::from_hours(self.0.load(Ordering::Relaxed));
        Timestamp::now()
            .saturating_add(shift)
            .unwrap_or(Timestamp::MAX)
    }
}

/// What all hosts of a history share.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) place: Place,
    pub(super) toggl: String,
    /// Under which Toggl reaches the first host.
    pub(super) public_url: String,
    pub(super) clock: Arc<ShiftedClock>,
    pub(super) directory: Arc<Directory>,
    pub(super) keys: Arc<SealingKeys>,
}

/// A running host.
pub(super) struct Host {
    kill: Option<oneshot::Sender<()>>,
    pauses: mpsc::UnboundedSender<Duration>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts a host that listens there.
    pub(super) async fn start(
        common: &Common,
        around: Surroundings,
        address: SocketAddr,
    ) -> Result<Self> {
        let (kill, killed) = oneshot::channel();
        let (pauses, pause) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let integration = common.integration.clone();
        let limits = common.limits.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let serving = match open(integration, limits, around, address).await {
                    Ok(serving) => {
                        let _ = ready.send(Ok(()));
                        serving
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                tokio::select! {
                    _ = serving => {}
                    _ = killed => {}
                    () = stand_still(pause) => {}
                }
            });
            runtime.shutdown_timeout(LAST_WORDS);
        });
        is_ready.await.context("the host's thread ended")??;
        Ok(Self {
            kill: Some(kill),
            pauses,
            thread: Some(thread),
        })
    }

    /// Has it stand still for a while: all its tasks.
    pub(super) fn suspend(&self, for_how_long: Duration) {
        let _ = self.pauses.send(for_how_long);
    }

    /// Ends it wherever it is.
    pub(super) async fn kill(mut self) -> Result<()> {
        drop(self.kill.take());
        let thread = self.thread.take();
        let ended = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await?;
        match ended {
            Some(Err(_)) => Err(anyhow!("a host panicked")),
            _ => Ok(()),
        }
    }
}

/// Blocks the thread that everything of the host runs on.
async fn stand_still(mut pauses: mpsc::UnboundedReceiver<Duration>) {
    while let Some(pause) = pauses.recv().await {
        thread::sleep(pause);
    }
    std::future::pending().await
}

/// Opens everything and returns what serves until it is dropped.
async fn open(
    integration: integration_host_engine::Integration,
    limits: integration_host_contract::limits::Limits,
    around: Surroundings,
    address: SocketAddr,
) -> Result<impl Future<Output = std::io::Result<()>>> {
    let clock: Arc<dyn Clock> = around.clock.clone();
    let (ledger, store) = around.place.open(&clock).await?;
    let mut manifest = integration.manifest().clone();
    // Requests to Toggl as fast as they come.
    manifest.pacing = Pacing {
        burst: 1_000,
        requests_per_minute: 600_000,
        longest_quota_seconds: 1,
    };
    let upstream = format!("api.track.toggl.com={}", around.toggl).parse()?;
    let http = OutboundHttp::new(
        Arc::new(ReqwestClient::new(PATIENCE)?),
        &manifest,
        AllowList::new(&manifest.hosts, None, &[upstream])?,
        HttpLimits {
            exchange_timeout: PATIENCE,
            ..HttpLimits::default()
        },
        Arc::new(HttpMetrics::default()),
    );
    let listener = TcpListener::bind(address).await?;
    let service = integration_host::Host::builder(integration)
        .outbound_http(http)
        .storage(store)
        .ledger(ledger)
        .directory(around.directory)
        .sealing_keys(around.keys)
        .clock(clock)
        .public_url(around.public_url)
        .schedule(super::schedule())
        .start()
        .await?;
    let server = Server::new(&service)
        .admin_token(AdminToken::new(ADMIN_TOKEN)?)
        .limits(limits);
    Ok(async move { server.serve(listener, std::future::pending()).await })
}

/// The first host's API.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
}

impl Api {
    pub(super) fn new(public_url: &str) -> Result<Self> {
        Ok(Self {
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(20))
                .build()?,
            base: format!("{public_url}/api/v1"),
        })
    }

    /// Status and JSON of a GET; `path` begins after `/api/v1`.
    pub(super) async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// Status and JSON of a call; `Null` stands for no body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value)> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(ADMIN_TOKEN);
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let bytes = response.bytes().await?;
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok((status, json))
    }
}
