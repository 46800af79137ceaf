//! Connections, and how they change.

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ConnectionSummary, Coverage, LedgerError};
use integration_host_contract::clock::is_ahead;
use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
use integration_host_contract::{Account, Quota, Subscription};

/// One scope of a remote service, connected with a person's secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Name for people; the scope's name until somebody changes it.
    pub name: String,
    /// The id of the integration, from its manifest.
    pub integration: String,
    /// The connected scope's id. Of one integration, a scope is connected at most once.
    pub scope_id: ScopeId,
    /// The connected scope's name.
    pub scope_name: String,
    /// Whose secrets it uses.
    pub owner: Account,
    /// The last part of its callback URL.
    pub hook: HookId,
    /// Where it stands.
    pub state: ConnectionState,
    /// What a person must do, if anything.
    pub attention: Option<Attention>,
    /// The webhook at the remote service, as last seen.
    pub subscription: Option<Subscription>,
    /// Members that are mapped to a user.
    pub users_mapped: u64,
    /// Members of the team.
    pub users_total: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its name, state, secrets or subscription last changed.
    pub updated_at: Timestamp,
    /// When the last genuine delivery arrived.
    pub last_delivery_at: Option<Timestamp>,
    /// Up to when the ledger has everything.
    pub coverage: Coverage,
    /// How many requests the remote service still accepted when that was last seen.
    pub quotas: Option<SeenQuotas>,
    /// When the remote service was last asked for a webhook without an answer that says what became of it.
    #[serde(default)]
    pub unsettled_since: Option<Timestamp>,
}

impl Connection {
    /// The connection as it is to be believed at a time; see [`Coverage::believed`].
    pub fn believed(self, now: Timestamp) -> Self {
        Self {
            coverage: self.coverage.believed(now),
            last_delivery_at: self.last_delivery_at.filter(|at| !is_ahead(*at, now)),
            ..self
        }
    }
}

impl Connection {
    /// Changes what an update names.
    pub fn change(&mut self, update: ConnectionUpdate, now: Timestamp) {
        let ConnectionUpdate {
            name,
            scope_name,
            owner,
            state,
            attention,
            subscription,
            quotas,
            unsettled_since,
            hook,
        } = update;
        // What only the host noticed is no change somebody made.
        if name.is_some()
            || scope_name.is_some()
            || owner.is_some()
            || state.is_some()
            || subscription.is_some()
            || hook.is_some()
        {
            self.updated_at = now;
        }
        // Until somebody names a connection it is called like its scope.
        let unnamed = self.name == self.scope_name;
        if let Some(scope_name) = scope_name {
            if unnamed {
                self.name.clone_from(&scope_name);
            }
            self.scope_name = scope_name;
        }
        if let Some(name) = name {
            self.name = name;
        }
        if let Some(owner) = owner {
            self.owner = owner;
        }
        if let Some(state) = state {
            self.state = state;
        }
        if let Some(attention) = attention {
            self.attention = attention;
        }
        if let Some(subscription) = subscription {
            self.subscription = subscription;
        }
        if quotas.is_some() {
            self.quotas = quotas;
        }
        if let Some(hook) = hook {
            self.hook = hook;
        }
        if let Some(unsettled_since) = unsettled_since {
            self.unsettled_since = unsettled_since;
        }
    }
}

/// How many requests the remote service still accepted at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenQuotas {
    /// The quotas; their periods are counted from that time.
    pub quotas: Vec<Quota>,
    /// When they were seen.
    pub at: Timestamp,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Being made: its hook answers, and it is not listed yet.
    Connecting,
    /// Made.
    Active,
    /// Disconnected: its mappings and activities are kept, and connecting the scope again revives it.
    Disconnected,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Connecting, Self::Active, Self::Disconnected];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::Disconnected => "disconnected",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// Something only a person can put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// The contract's name of the error, such as `unauthorized`.
    pub code: String,
    /// What to do, in a sentence.
    pub message: String,
}

/// A connection to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConnection {
    /// The id to use, unless an earlier connection of the same scope is revived.
    pub id: ConnectionId,
    /// The hook to use.
    pub hook: HookId,
    /// Name for people.
    pub name: Option<String>,
    /// The id of the integration.
    pub integration: String,
    /// The scope's id.
    pub scope_id: ScopeId,
    /// When it is made.
    pub created_at: Timestamp,
}

impl NewConnection {
    /// Whether this revives the connection that its scope has already.
    ///
    /// # Errors
    /// The scope is connected, or being connected.
    pub fn ensure_revives(
        &self,
        existing: &ConnectionId,
        state: ConnectionState,
    ) -> Result<(), LedgerError> {
        let what = match state {
            ConnectionState::Disconnected => return Ok(()),
            ConnectionState::Active => "connected",
            ConnectionState::Connecting => "being connected",
        };
        Err(LedgerError::Conflict(format!(
            "the scope {} is already {what}, as the connection {existing}",
            self.scope_id
        )))
    }
}

/// What removing a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It goes, with everything that belongs to it.
    Delete,
    /// It was revived and keeps what it had before.
    Disconnect,
}

impl Removal {
    /// Of a connection in a state, which was active once or never.
    ///
    /// # Errors
    /// It is active.
    pub fn of(
        id: &ConnectionId,
        state: ConnectionState,
        was_active: bool,
    ) -> Result<Self, LedgerError> {
        match (state, was_active) {
            (ConnectionState::Active, _) => Err(LedgerError::Conflict(format!(
                "the connection {id} is complete: disconnect it"
            ))),
            (_, true) => Ok(Self::Disconnect),
            (_, false) => Ok(Self::Delete),
        }
    }
}

/// A change of a connection. `None` leaves a thing as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionUpdate {
    /// Its name.
    pub name: Option<String>,
    /// The scope's name.
    pub scope_name: Option<String>,
    /// Whose secrets it uses.
    pub owner: Option<Account>,
    /// Where it stands.
    pub state: Option<ConnectionState>,
    /// What a person must do; `Some(None)`: nothing any more.
    pub attention: Option<Option<Attention>>,
    /// The webhook; `Some(None)`: there is none.
    pub subscription: Option<Option<Subscription>>,
    /// How many requests the remote service still accepts.
    pub quotas: Option<SeenQuotas>,
    /// Since when it is not known what became of a webhook that was asked for; `Some(None)`: it is.
    pub unsettled_since: Option<Option<Timestamp>>,
    /// The last part of its callback URL; the former one leads nowhere from then on.
    pub hook: Option<HookId>,
}

/// The part of a [ledger](super::Ledger) that records connections. What is said there of calls, errors and pages
/// goes for these too.
///
/// - Of one integration a scope has one connection: making another while that is connecting or active is a
///   [`LedgerError::Conflict`], also when several are made at once.
/// - A new connection is connecting, is called like its scope until somebody names it, and has no team, no activities and
///   no deliveries.
/// - Making the connection of a disconnected scope revives it: it keeps its id, name, mappings, activities and
///   deliveries, has the new hook, and has no attention, no subscription and no quotas.
/// - A connection is found by its present hook, unless it is disconnected.
/// - An update changes what it names and nothing else; `updated_at` follows a change of name, scope name, owner, state,
///   subscription or hook.
/// - A connection that was never active is removed with everything that belongs to it; one that was becomes disconnected
///   again; an absent one is no error, and an active one is a [`LedgerError::Conflict`].
/// - All connections are told, in whatever state, in the order they were made in.
/// - Summaries are told of all connections, in whatever state, ordered by id byte by byte, on however many pages; a
///   connection that is there all the while is on exactly one of them.
/// - A call for a connection that is not there is [`LedgerError::NotFound`], unless it looks for the connection or removes
///   it.
#[async_trait]
#[auto_impl(Arc)]
pub trait Connections: Send + Sync + 'static {
    /// Records a connection in the state `Connecting`. A disconnected one of the same scope is revived: it
    /// keeps its id, name, mappings and activities and gets the new hook.
    /// `Conflict` if the scope is connected or being connected.
    async fn create_connection(&self, new: NewConnection) -> Result<Connection, LedgerError>;

    /// The connection with this id, in any state.
    async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, LedgerError>;

    /// The connection with this hook, unless it is disconnected.
    async fn connection_by_hook(&self, hook: &HookId) -> Result<Option<Connection>, LedgerError>;

    /// All connections in any state, oldest first: for a list that a person looks at.
    async fn connections(&self) -> Result<Vec<Connection>, LedgerError>;

    /// Where connections stand, in any state, whose ids come after `after`, in order of their ids. At most `limit` and
    /// [`MAX_PAGE`](super::MAX_PAGE) at once. This is how hosts look for connections, each minute, so it must cost little for each.
    async fn scan_connections(
        &self,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionSummary>, LedgerError>;

    /// Changes a connection, and returns it as it is then. `now` is when. One that becomes active begins to
    /// cover from then on ([`CoverageChange::Connected`](super::CoverageChange::Connected)).
    async fn update_connection(
        &self,
        id: &ConnectionId,
        update: ConnectionUpdate,
        now: Timestamp,
    ) -> Result<Connection, LedgerError>;

    /// Removes a connection that was never completed, with everything that belongs to it; a revived
    /// one becomes disconnected again. One that is absent is no error, an active one a `Conflict`.
    async fn remove_connection(&self, id: &ConnectionId) -> Result<(), LedgerError>;
}
