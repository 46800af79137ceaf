//! The use cases: what a person or the remote service can ask of the host.
//!
//! The server and the command line call [`Service`] and nothing below it.

mod background;
mod backup;
mod connect;
mod deliveries;
mod disconnect;
mod error;
mod gaps;
mod health;
mod kept;
mod keys;
mod lease;
mod metrics;
mod progress;
mod reading;
mod reconcile;
mod replay;
mod right;
mod rotation;
mod sealed;
mod unfinished;
mod upkeep;
mod users;

use std::sync::Arc;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;
use url::Url;

use self::background::Background;
pub use self::connect::ConnectRequest;
pub(crate) use self::connect::{MAX_NAME_CHARACTERS, valid_name};
pub use self::deliveries::HookAnswer;
pub use self::error::ServiceError;
pub(crate) use self::kept::seal_context as request_seal_context;
use self::lease::Leases;
use self::metrics::Metrics;
pub use self::progress::ConnectStep;
pub use self::replay::Replayed;
use self::replay::Replays;
use self::rotation::Rotations;
pub use self::rotation::{FormerKeys, Rotation, RotationProgress, SealingKeyStatus};
pub use self::sealed::SealedContents;
pub(crate) use self::users::MAX_FOUND_USERS;
use crate::capability::http::{HttpLender, Right, SecretSource};
use crate::capability::storage::{KeyValueStore, SealedStore, SecretStore};
use crate::capability::user_directory::UserDirectory;
use crate::clock::Clock;
use crate::contract::{Changes, Manifest};
use crate::database::SqliteDatabase;
use crate::engine::{CallContext, Integration};
use crate::id::{ConnectionId, HookId};
use crate::ledger::{Applied, ConnectionEvent, DeliveryRecord, EventKind, Ledger};
use crate::schedule::Schedule;
use crate::seal::SealingKeys;

/// How activities that were deleted at the remote service are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DeletedEntries {
    /// Like any other, marked as deleted.
    #[default]
    Keep,
    /// Only when asked for.
    Hide,
}

/// What a [`Service`] is made of.
pub struct Parts {
    /// The loaded integration.
    pub integration: Integration,
    /// HTTP, with what the integration may call.
    pub http: Arc<HttpLender>,
    /// Storage. Values are sealed before they reach it.
    pub store: Arc<dyn KeyValueStore>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The platform's users.
    pub directory: Arc<dyn UserDirectory>,
    /// What secrets, stored values and kept deliveries are sealed with.
    pub keys: Arc<SealingKeys>,
    /// The embedded database, if storage and ledger are in one: then backups can be made of it.
    pub database: Option<SqliteDatabase>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Under which the remote service reaches this host.
    pub public_url: Url,
    /// How deleted activities are listed.
    pub deleted_entries: DeletedEntries,
    /// When background work is done.
    pub schedule: Schedule,
}

/// The use cases. Cloning it gives another handle to the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
    /// The ledger, which a handle by right of a lease changes only while it has that lease.
    ledger: Arc<dyn Ledger>,
    /// What this handle has requests sent by the right of.
    rights: Vec<Right>,
}

struct Inner {
    parts: Parts,
    sealed_store: Arc<dyn KeyValueStore>,
    secrets: Arc<SecretStore>,
    leases: Leases,
    metrics: Metrics,
    changed: watch::Sender<u64>,
    rotations: Rotations,
    /// Held while a backup is copied.
    copying: tokio::sync::Mutex<()>,
    background: Background,
    replays: Replays,
}

impl Service {
    /// Puts a service together and starts its background work, which ends when the last handle is
    /// dropped or [`Service::stop`] is called.
    ///
    /// # Errors
    /// The ledger or the storage does not answer, or what it keeps was sealed with another key.
    pub async fn start(parts: Parts) -> Result<Self, ServiceError> {
        let (background, due) = Background::new();
        let leases = Leases::new(Arc::clone(&parts.ledger), parts.schedule.lease());
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
            metrics: Metrics::default(),
            changed: watch::Sender::new(0),
            rotations: Rotations::default(),
            copying: tokio::sync::Mutex::default(),
            background,
            replays: Replays::default(),
        }));
        service.ensure_keys_fit().await?;
        service.pass_on_growth();
        background::start(&service, due);
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

    /// What the integration is and needs.
    pub fn manifest(&self) -> &Manifest {
        self.inner.parts.integration.manifest()
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
    pub async fn ready(&self) -> Result<(), ServiceError> {
        let parts = &self.inner.parts;
        self.ledger.ready().await?;
        let nobody = ConnectionId::new("ready");
        parts.store.get(&nobody, "ready").await?;
        Ok(())
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
            rights: self.rights.clone(),
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
    ) -> Result<Applied, ServiceError> {
        let applied = self.ledger.apply(connection, changes, delivery).await?;
        self.inner.metrics.activities_applied.add(applied.applied);
        self.inner
            .metrics
            .activities_unchanged
            .add(applied.unchanged);
        if !changes.activities.is_empty() || !changes.subjects.is_empty() {
            self.announce_changes();
        }
        Ok(applied)
    }

    /// Tells whoever watches the change feed of what other hosts add to it.
    fn pass_on_growth(&self) {
        let Some(mut growth) = self.ledger.watch_growth() else {
            return;
        };
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            while growth.changed().await.is_ok() {
                match inner.upgrade() {
                    Some(inner) => Self::of(inner).announce_changes(),
                    None => return,
                }
            }
        });
    }

    fn announce_changes(&self) {
        self.inner
            .changed
            .send_modify(|moments| *moments = moments.wrapping_add(1));
    }
}

/// A time in a sentence.
fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
