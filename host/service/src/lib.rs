//! The host as a library: what a person or the remote service can ask of it.
//!
//! A [`Host`] runs the component of an integration, lends it HTTP, storage and user lookup, and keeps what comes of it in a
//! ledger. [`Host::builder`] puts one together from a platform's own providers. It opens no port and knows no database:
//! the crates `integration-host-server` and `integration-host-ledger-sql` do. Server and command line call [`Host`] and
//! nothing below it.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use integration_host::Host;
//! use integration_host_ledger_sql::SqliteLedger;
//!
//! let host = Host::builder(std::fs::read("integration.wasm")?)
//!     .ledger(SqliteLedger::in_memory()?)
//!     .public_url("https://time.example.com")
//!     .start()
//!     .await?;
//! println!("{} needs {} secrets", host.manifest().name, host.manifest().secrets.len());
//! host.stop().await;
//! # Ok(()) }
//! ```
#![deny(missing_docs)]

mod bounded;
mod builder;
pub mod log_output;
pub mod schedule;

mod authenticity;
mod background;
mod backup;
mod belonging;
mod connect;
mod dead_letter;
mod deliveries;
mod disconnect;
mod error;
mod failing;
mod feed;
mod gaps;
mod health;
mod keys;
mod lease;
mod metrics;
mod reading;
mod reconcile;
mod repetitions;
mod replay;
mod rotation;
mod sealed;
mod sessions;
mod unread;
mod upkeep;
mod users;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;
use url::Url;

use self::authenticity::Hooks;
pub use self::authenticity::{Authenticity, Claim};
use self::background::{Background, KeptBack};
use self::builder::Parts;
pub use self::builder::{Component, HostBuilder, StartError};
pub use self::connect::{ConnectRequest, ConnectStep, MAX_NAME_CHARACTERS, valid_name};
pub use self::dead_letter::seal_context as request_seal_context;
pub use self::deliveries::HookAnswer;
pub use self::deliveries::UNREADABLE;
pub use self::error::HostError;
pub use self::failing::FAILING;
use self::failing::Failing;
pub use self::feed::{FeedError, FeedPage, FeedPlace, NoPlace};
use self::lease::LeaseManager;
use self::metrics::Metrics;
pub use self::reconcile::{GapWait, MissingActivity, MissingState, Reconciled};
use self::repetitions::Repetitions;
pub use self::replay::Replayed;
use self::replay::Replays;
use self::rotation::Rotations;
pub use self::rotation::{FormerKeys, Rotation, RotationProgress, SealingKeyStatus};
pub use self::sealed::SealedContents;
pub use self::unread::UnreadTime;
pub use self::users::MAX_FOUND_USERS;
use crate::bounded::{BoundedDirectory, BoundedLedger, BoundedStore};
use crate::schedule::Schedule;
use integration_host_contract::id::{ConnectionId, HookId};
pub use integration_host_contract::limits::Limits;
use integration_host_contract::recent::Recent;
use integration_host_contract::supervision;
use integration_host_contract::{Changes, ErrorCode, Manifest};
use integration_host_engine::CallContext;
use integration_host_engine::capability::http::SecretSource;
use integration_host_engine::log_budget::LogBudget;
use integration_host_http::LeaseDeadline;
use integration_host_ledger::{
    Applied, ConnectionEvent, DeliveryRecord, EventKind, Ledger, LedgerIdentity,
};
pub use integration_host_seal::secret::Secret;
use integration_host_storage::{KeyValueStore, SealedStore, SecretStore, Write};

/// How long the providers have to show that they work.
const READY_TIME: Duration = Duration::from_millis(1_500);

/// How activities that were deleted at the remote service are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletedEntries {
    /// Like any other, marked as deleted.
    #[default]
    Keep,
    /// Only when asked for.
    Hide,
}

/// Of how many connections it is remembered when something was last done that is done once in a while.
const MOST_REMEMBERED: usize = 10_000;

/// How many lines a minute deliveries of one connection may cause when they fail.
const DELIVERY_LINES_PER_MINUTE: u32 = 60;

impl Parts {
    /// The same, with providers each of whose calls ends. HTTP is bounded where it is lent.
    fn bounded(self) -> Self {
        let limits = self.integration.limits();
        Self {
            store: Arc::new(BoundedStore::new(self.store, limits.storage_timeout)),
            ledger: Arc::new(BoundedLedger::new(self.ledger, limits.ledger_timeout)),
            directory: Arc::new(BoundedDirectory::new(self.directory, limits)),
            ..self
        }
    }
}

/// A host that runs. Cloning it gives another handle to the same one.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
    /// The ledger, which a handle that needs a lease changes only while that is held.
    ledger: Arc<dyn Ledger>,
    /// The leases that this handle needs.
    lease_deadlines: Vec<LeaseDeadline>,
    /// Whether a person asks.
    asked_by_person: bool,
}

struct Inner {
    parts: Parts,
    sealed_store: Arc<dyn KeyValueStore>,
    secrets: Arc<SecretStore>,
    leases: LeaseManager,
    metrics: Metrics,
    changed: watch::Sender<u64>,
    rotations: Rotations,
    /// Held while a backup is copied.
    copying: tokio::sync::Mutex<()>,
    background: Background,
    replays: Replays,
    hooks: Hooks,
    repetitions: Repetitions,
    /// Lines about deliveries, which anybody may send.
    log_budget: LogBudget,
    kept_back: KeptBack,
    /// When connections were last looked at because nothing was stored to verify deliveries with.
    losses: Recent<ConnectionId, Instant>,
    /// When something was last noted in their logs that could not be taken as it was.
    noted: Recent<ConnectionId, Instant>,
    failing: Failing,
}

impl Host {
    /// A host for this component, to be given its providers.
    pub fn builder(component: impl Into<Component>) -> HostBuilder {
        HostBuilder::new(component.into())
    }

    async fn start(parts: Parts) -> Result<Self, HostError> {
        let parts = parts.bounded();
        let (background, queue) = Background::new();
        let (ledger, time) = (Arc::clone(&parts.ledger), parts.schedule.lease);
        let leases = LeaseManager::new(ledger, time, Arc::clone(&queue));
        let metrics = Metrics::new()
            .map_err(|error| HostError::new(ErrorCode::Internal, error.to_string()))?;
        let service = Self::of(Arc::new(Inner {
            secrets: Arc::new(SecretStore::new(
                Arc::clone(&parts.store),
                Arc::clone(&parts.keys),
            )),
            sealed_store: Arc::new(SealedStore::new(
                Arc::clone(&parts.store),
                Arc::clone(&parts.keys),
            )),
            parts,
            leases,
            metrics,
            changed: watch::Sender::new(0),
            rotations: Rotations::default(),
            copying: tokio::sync::Mutex::default(),
            background,
            replays: Replays::default(),
            hooks: Hooks::default(),
            repetitions: Repetitions::default(),
            log_budget: LogBudget::new(DELIVERY_LINES_PER_MINUTE),
            kept_back: KeptBack::default(),
            losses: Recent::new(MOST_REMEMBERED),
            noted: Recent::new(MOST_REMEMBERED),
            failing: Failing::default(),
        }));
        service.ensure_integration_fits().await?;
        service.ensure_keys_fit().await?;
        service.look_at_storage_at_start().await?;
        service.pass_on_changes();
        background::start(&service, queue);
        replay::start(&service);
        Ok(service)
    }

    /// Ends background work, letting what runs finish, and closes the ledger.
    pub async fn stop(&self) {
        self.inner.background.stop().await;
        self.inner.replays.stop().await;
        self.last_beat().await;
        self.ledger.close().await;
    }

    /// The longest that anything waits because the remote service says so.
    fn longest_wait(&self) -> Duration {
        let period = self.manifest().pacing.longest_wait_seconds();
        Duration::from_secs(period.into()).min(self.schedule().longest_wait)
    }

    /// What the integration is and needs.
    pub fn manifest(&self) -> &Manifest {
        self.inner.parts.integration.manifest()
    }

    /// The limits that it keeps to.
    pub fn limits(&self) -> &Limits {
        self.inner.parts.integration.limits()
    }

    /// Which ledger this host keeps, and which life of its change feed. Asked of the ledger each time, since it may be
    /// restored under a host that runs.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn ledger_identity(&self) -> Result<LedgerIdentity, HostError> {
        Ok(self.ledger.identity().await?)
    }

    /// Under which URL the remote service reaches this host.
    pub fn public_url(&self) -> &Url {
        &self.inner.parts.public_url
    }

    /// The callback URL of a hook.
    pub fn callback_url(&self, hook: &HookId) -> String {
        let base = self.inner.parts.public_url.as_str().trim_end_matches('/');
        format!("{base}/hooks/{hook}")
    }

    /// Whether the providers answer and the ledger can be changed: whether a delivery would be taken.
    ///
    /// # Errors
    /// One of them does not answer, or not soon: whoever asks does not wait for long.
    pub async fn ready(&self) -> Result<(), HostError> {
        let parts = &self.inner.parts;
        let nobody = ConnectionId::new("ready");
        let ledger = async { Ok(self.ledger.ready().await?) };
        let storage = async {
            parts.store.get(&nobody, "ready").await?;
            // Removing what is not there still writes, so that a replica shows.
            let nothing = Write {
                key: "ready".to_owned(),
                value: None,
                expires_at: None,
            };
            parts.store.commit(&nobody, &[], &[nothing]).await?;
            // An empty one verifies no delivery.
            self.ensure_storage_fits().await
        };
        let (ledger, storage) =
            tokio::join!(timeout(READY_TIME, ledger), timeout(READY_TIME, storage),);
        ledger.unwrap_or_else(|_| late("the ledger"))?;
        storage.unwrap_or_else(|_| late("the storage"))
    }

    /// Counters in the Prometheus text format.
    pub fn metrics(&self) -> String {
        let http = self.inner.parts.http.counts();
        self.inner
            .metrics
            .render(&http, self.inner.background.late())
    }

    fn schedule(&self) -> &Schedule {
        &self.inner.parts.schedule
    }

    /// The time as the host's clock tells it.
    pub fn now(&self) -> Timestamp {
        self.inner.parts.clock.now()
    }

    /// Adds to the log of a connection. That it cannot be added must not keep anything from being done.
    async fn record(&self, id: &ConnectionId, kind: EventKind, message: String) {
        let event = ConnectionEvent {
            at: self.now(),
            kind,
            message,
        };
        if let Err(error) = self.ledger.record_event(id, event).await {
            warn!(connection = %id, %error, "the log of a connection could not be written");
        }
    }

    /// A call for a connection, with its stored secrets.
    fn context(&self, connection: &ConnectionId) -> CallContext {
        self.context_with(
            connection,
            SecretSource::Stored(Arc::clone(&self.inner.secrets)),
        )
    }

    fn context_with(&self, connection: &ConnectionId, secrets: SecretSource) -> CallContext {
        let parts = &self.inner.parts;
        CallContext {
            connection: connection.clone(),
            lease_deadlines: self.lease_deadlines.clone(),
            asked_by_person: self.asked_by_person,
            unanswered: Arc::default(),
            store: Arc::clone(&self.inner.sealed_store),
            secrets,
            directory: Arc::clone(&parts.directory),
            http: Arc::clone(&parts.http),
            clock: Arc::clone(&parts.clock),
        }
    }

    /// Applies changes to the ledger and tells whoever watches the change feed.
    async fn apply(
        &self,
        connection: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied, HostError> {
        let applied = self.ledger.apply(connection, changes, delivery).await?;
        self.inner
            .metrics
            .activities_applied
            .inc_by(applied.applied);
        self.inner
            .metrics
            .activities_unchanged
            .inc_by(applied.unchanged);
        if !changes.activities.is_empty() || !changes.subjects.is_empty() {
            self.announce_changes();
        }
        Ok(applied)
    }

    /// Tells whoever watches the change feed of what other hosts add to it.
    fn pass_on_changes(&self) {
        let Some(changes) = self.ledger.watch_changes() else {
            return;
        };
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(supervision::task("feed-changes", move || {
            let (inner, mut changes) = (inner.clone(), changes.clone());
            async move {
                while changes.changed().await.is_ok() {
                    match inner.upgrade() {
                        Some(inner) => Self::of(inner).announce_changes(),
                        None => return,
                    }
                }
            }
        }));
    }

    fn announce_changes(&self) {
        self.inner
            .changed
            .send_modify(|moments| *moments = moments.wrapping_add(1));
    }
}

fn late(what: &str) -> Result<(), HostError> {
    let why = format!("{what} did not answer within {READY_TIME:?}");
    Err(HostError::new(ErrorCode::Unavailable, why))
}

/// A time in a sentence.
fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
