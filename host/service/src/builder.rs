//! Putting a host together.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tracing::warn;
use url::Url;

use crate::schedule::Schedule;
use crate::{DeletedEntries, Host, HostError};
use integration_host_contract::Manifest;
use integration_host_contract::clock::{Clock, SteadyClock};
use integration_host_contract::limits::Limits;
use integration_host_directory::{EmptyDirectory, UserDirectory};
use integration_host_engine::{Engine, Integration, LoadError};
use integration_host_http::allow_list::AllowListError;
use integration_host_http::{
    AllowList, CONNECT_TIMEOUT, EgressProxy, HttpError, HttpLimits, HttpMetrics, OutboundHttp,
    ReqwestClient, Upstream,
};
use integration_host_ledger::{Backup, Ledger};
use integration_host_seal::{SealingKey, SealingKeys};
use integration_host_storage::{KeyValueStore, MemoryStore};

/// What a host is made of. A ledger and a public URL are required.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// use integration_host::Host;
/// use integration_host_ledger_sql::SqliteLedger;
///
/// let host = Host::builder(std::fs::read("integration.wasm")?)
///     .ledger(SqliteLedger::open("host.db")?)
///     .public_url("https://time.example.com")
///     .start()
///     .await?;
/// # host.stop().await; Ok(()) }
/// ```
#[must_use = "a host runs once it was started"]
pub struct HostBuilder {
    component: Component,
    limits: Limits,
    cache: Option<PathBuf>,
    outbound: Outbound,
    storage: Option<Arc<dyn KeyValueStore>>,
    ledger: Option<Arc<dyn Ledger>>,
    directory: Arc<dyn UserDirectory>,
    sealing_keys: Option<Arc<SealingKeys>>,
    backup: Option<Arc<dyn Backup>>,
    clock: Arc<dyn Clock>,
    public_url: Option<String>,
    deleted_entries: DeletedEntries,
    schedule: Schedule,
}

/// The component of an integration: its bytes, or an [`Integration`] that was loaded on an engine which others use too.
pub struct Component(Source);

enum Source {
    Bytes(Vec<u8>),
    Loaded(Box<Integration>),
}

impl From<Vec<u8>> for Component {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<&[u8]> for Component {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<Integration> for Component {
    fn from(integration: Integration) -> Self {
        Self(Source::Loaded(Box::new(integration)))
    }
}

/// What requests of the component go through.
enum Outbound {
    /// Made of the manifest.
    Declared {
        approved: Option<BTreeSet<String>>,
        upstreams: Vec<Upstream>,
        proxy: Option<EgressProxy>,
    },
    /// As it is.
    Given(Arc<OutboundHttp>),
}

/// Why a host cannot start. The text is a sentence that says what helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Something without which there is no host.
    #[error("a host needs {0}")]
    Missing(&'static str),
    /// The component cannot be used.
    #[error("the component cannot be used: {0}")]
    Component(#[from] LoadError),
    /// What the component may call cannot be said.
    #[error(transparent)]
    Hosts(#[from] AllowListError),
    /// Requests cannot be sent at all.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The public URL is none.
    #[error("the public URL is malformed; it must be like https://time.example.com: {0}")]
    PublicUrl(#[from] url::ParseError),
    /// A provider does not answer, or keeps what is not this host's.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl HostBuilder {
    pub(crate) fn new(component: Component) -> Self {
        Self {
            component,
            limits: Limits::default(),
            cache: None,
            outbound: Outbound::Declared {
                approved: None,
                upstreams: Vec::new(),
                proxy: None,
            },
            storage: None,
            ledger: None,
            directory: Arc::new(EmptyDirectory),
            sealing_keys: None,
            backup: None,
            clock: Arc::new(SteadyClock::default()),
            public_url: None,
            deleted_entries: DeletedEntries::default(),
            schedule: Schedule::default(),
        }
    }

    /// Where connections, mappings, activities and deliveries are kept. Required.
    pub fn ledger(mut self, ledger: impl Ledger + 'static) -> Self {
        self.ledger = Some(Arc::new(ledger));
        self
    }

    /// Where the component's values and the secrets are kept. They are sealed before they reach it, and each call is
    /// bounded in time. Without it they are in memory, and gone when the process ends.
    pub fn storage(mut self, storage: impl KeyValueStore + 'static) -> Self {
        self.storage = Some(Arc::new(storage));
        self
    }

    /// The platform's users, among whom members are looked up. Without it there are none.
    pub fn directory(mut self, directory: impl UserDirectory + 'static) -> Self {
        self.directory = Arc::new(directory);
        self
    }

    /// What secrets, stored values and kept deliveries are sealed with. Without them a key is made that is gone when the
    /// process ends.
    pub fn sealing_keys(mut self, keys: impl Into<Arc<SealingKeys>>) -> Self {
        self.sealing_keys = Some(keys.into());
        self
    }

    /// Under which https URL the remote service reaches this host: callbacks are at `/hooks/{hook}` below it. Required.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// All time-outs and limits, those of HTTP and of a server included. A component that was loaded before has those of its
    /// engine; a ledger is told by itself how much of the delivery log it keeps.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A directory for compiled code, which makes later starts fast. Native code is loaded from it, so nobody else may be
    /// able to write there.
    pub fn cache(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cache = Some(directory.into());
        self
    }

    /// Of the hosts that the manifest names, those that may be called. Without it all may.
    pub fn approved_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        if let Outbound::Declared { approved, .. } = &mut self.outbound {
            *approved = Some(hosts.into_iter().collect());
        }
        self
    }

    /// Another place for what is sent to a host of the manifest, such as a sandbox.
    pub fn upstreams(mut self, given: impl IntoIterator<Item = Upstream>) -> Self {
        if let Outbound::Declared { upstreams, .. } = &mut self.outbound {
            upstreams.extend(given);
        }
        self
    }

    /// A proxy that requests are sent through.
    pub fn egress_proxy(mut self, given: EgressProxy) -> Self {
        if let Outbound::Declared { proxy, .. } = &mut self.outbound {
            *proxy = Some(given);
        }
        self
    }

    /// What requests of the component go through, instead of what is made of the manifest, approved hosts, upstreams and
    /// proxy: for an HTTP client of one's own.
    pub fn outbound_http(mut self, http: impl Into<Arc<OutboundHttp>>) -> Self {
        self.outbound = Outbound::Given(http.into());
        self
    }

    /// What copies ledger and storage together, if both are in one embedded database.
    pub fn backup(mut self, backup: Arc<dyn Backup>) -> Self {
        self.backup = Some(backup);
        self
    }

    /// The time. Without it the system's, without its leaps.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How activities that were deleted at the remote service are listed.
    pub fn deleted_entries(mut self, deleted_entries: DeletedEntries) -> Self {
        self.deleted_entries = deleted_entries;
        self
    }

    /// When background work is done.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Loads the component, looks at the providers and starts the background work, which ends when the last handle is
    /// dropped or [`Host::stop`] is called.
    ///
    /// # Errors
    /// Something is missing or malformed, the component cannot be used, the ledger or the storage does not answer, what it
    /// keeps was sealed with another key, or its connections were made with another integration.
    pub async fn start(self) -> Result<Host, StartError> {
        let ledger = (self.ledger).ok_or(StartError::Missing("a ledger: HostBuilder::ledger"))?;
        let public_url = (self.public_url).ok_or(StartError::Missing(
            "a public URL, under which the remote service reaches it: HostBuilder::public_url",
        ))?;
        let public_url = Url::parse(&public_url)?;
        let integration = match self.component.0 {
            Source::Loaded(integration) => *integration,
            Source::Bytes(bytes) => {
                let engine = Engine::new(self.limits, self.cache.as_deref())?;
                Integration::load(&engine, &bytes).await?
            }
        };
        let http = match self.outbound {
            Outbound::Given(http) => http,
            Outbound::Declared {
                approved,
                upstreams,
                proxy,
            } => {
                let (manifest, limits) = (integration.manifest(), integration.limits());
                Arc::new(lend(
                    manifest,
                    limits,
                    approved.as_ref(),
                    &upstreams,
                    proxy,
                )?)
            }
        };
        let parts = Parts {
            integration,
            http,
            store: self.storage.unwrap_or_else(|| {
                warn!("no storage was given: secrets are in memory, and gone when this process ends");
                Arc::new(MemoryStore::new(Arc::clone(&self.clock)))
            }),
            ledger,
            directory: self.directory,
            keys: self.sealing_keys.unwrap_or_else(|| {
                warn!("no sealing keys were given: what is sealed cannot be opened when this process has ended");
                Arc::new(SealingKeys::new(SealingKey::generate()))
            }),
            backup: self.backup,
            clock: self.clock,
            public_url,
            deleted_entries: self.deleted_entries,
            schedule: self.schedule,
        };
        Ok(Host::start(parts).await?)
    }
}

fn lend(
    manifest: &Manifest,
    limits: &Limits,
    approved: Option<&BTreeSet<String>>,
    upstreams: &[Upstream],
    proxy: Option<EgressProxy>,
) -> Result<OutboundHttp, StartError> {
    Ok(OutboundHttp::new(
        Arc::new(ReqwestClient::with_proxy(CONNECT_TIMEOUT, proxy)?),
        manifest,
        AllowList::new(&manifest.hosts, approved, upstreams)?,
        HttpLimits::from(limits),
        Arc::new(HttpMetrics::default()),
    ))
}

/// What a [`Host`] works with.
pub(crate) struct Parts {
    pub(crate) integration: Integration,
    pub(crate) http: Arc<OutboundHttp>,
    pub(crate) store: Arc<dyn KeyValueStore>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) directory: Arc<dyn UserDirectory>,
    pub(crate) keys: Arc<SealingKeys>,
    pub(crate) backup: Option<Arc<dyn Backup>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) public_url: Url,
    pub(crate) deleted_entries: DeletedEntries,
    pub(crate) schedule: Schedule,
}
