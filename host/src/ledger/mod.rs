//! The ledger: the durable record of connections, mappings, activities and deliveries.
//!
//! [`Ledger`] is what a provider implements. Everything that is shown to people or handed to the
//! platform comes from here; what an integration keeps for itself is in [storage](crate::capability::storage).

mod activity;
mod continuity;
mod delivery;
mod member;
mod retention;
mod sqlite;
mod summary;
mod text;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

pub use self::activity::{ActivityFilter, LedgerActivity, MAX_EXAMINED, SubjectName};
pub use self::continuity::{
    ConnectionEvent, Continuity, Coverage, CoverageChange, EventKind, Gap, MAX_EVENTS,
};
pub use self::delivery::{Delivery, DeliveryRate, DeliveryRecord, DeliveryStatus, MAX_RATE_TIME};
pub use self::member::{
    Mapping, MappingChange, MatchedBy, Member, MemberFilter, MemberPage, TeamChanges,
};
pub use self::retention::Retention;
pub use self::sqlite::SqliteLedger;
pub use self::summary::{
    Counted, Facets, Listed, MAX_INTERVALS, MAX_LISTED, MAX_SUMMARIZED, Person, PersonTime,
    SubjectPath, SubjectTime, Summary,
};
use crate::contract::{Account, Changes, Quota, Subscription, TeamMember};
use crate::id::{ConnectionId, DeliveryId, HookId, RemoteUserId, ScopeId};

pub(crate) use self::text::Wanted;

/// The most rows one page returns.
pub const MAX_PAGE: usize = 1000;

/// One scope of a remote service, connected with a person's secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// How many requests the remote service still accepted at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenQuotas {
    /// The quotas; their periods are counted from that time.
    pub quotas: Vec<Quota>,
    /// When.
    pub at: Timestamp,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Being made: its hook answers, and it is not listed yet.
    Connecting,
    /// Made.
    Active,
    /// Disconnected: its mappings and activities are kept, and connecting the scope again revives it.
    Disconnected,
}

/// Something only a person can put right.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Now.
    pub created_at: Timestamp,
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
}

/// The sealed request of a failed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRequest {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// Its delivery.
    pub delivery_id: DeliveryId,
    /// The request, sealed.
    pub sealed: Vec<u8>,
    /// Its place among the kept requests.
    pub place: u64,
}

/// How many activities a change touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Activities that are new or newer than what the ledger had.
    pub applied: u64,
    /// Those of them that are seen differently: a newer revision of the same content is none.
    pub changed: u64,
    /// Activities the ledger already had in this or a newer state.
    pub unchanged: u64,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to pass to get the next page; `None`: this is the last.
    pub next: Option<String>,
}

/// Why the ledger could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is no such row.
    #[error("{0}")]
    NotFound(String),
    /// The scope is connected already.
    #[error("{0}")]
    Conflict(String),
    /// An argument, such as a page cursor, is not one the ledger gave out.
    #[error("{0}")]
    Invalid(String),
    /// The provider could not answer; whether a change happened is unknown. Trying again may help.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
}

/// A ledger provider. A change is durable when its method returns `Ok`.
#[async_trait]
pub trait Ledger: Continuity {
    /// Records a connection in the state `Connecting`. A disconnected one of the same scope is revived: it
    /// keeps its id, name, mappings and activities and gets the new hook.
    /// `Conflict` if the scope is connected or being connected.
    async fn create_connection(&self, new: NewConnection) -> Result<Connection, LedgerError>;

    /// The connection with this id, in any state.
    async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, LedgerError>;

    /// The connection with this hook, unless it is disconnected.
    async fn connection_by_hook(&self, hook: &HookId) -> Result<Option<Connection>, LedgerError>;

    /// All connections in any state, oldest first.
    async fn connections(&self) -> Result<Vec<Connection>, LedgerError>;

    /// Changes a connection.
    async fn update_connection(
        &self,
        id: &ConnectionId,
        update: ConnectionUpdate,
        now: Timestamp,
    ) -> Result<Connection, LedgerError>;

    /// Removes a connection that was never completed, with everything that belongs to it; a revived
    /// one becomes disconnected again. One that is absent is no error, an active one a `Conflict`.
    async fn remove_connection(&self, id: &ConnectionId) -> Result<(), LedgerError>;

    /// Takes over an imported team. Members that are missing stay if they are mapped or have
    /// activities, marked as not present. What a person decided stays; every other mapping follows the import.
    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
    ) -> Result<TeamChanges, LedgerError>;

    /// The members of a team that match, ordered by name without regard to case, and how many they are.
    /// At most `limit` and [`MAX_PAGE`] at once; `cursor` is a page's `next` or `previous`.
    async fn members(
        &self,
        id: &ConnectionId,
        filter: &MemberFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<MemberPage, LedgerError>;

    /// One member of a team, if an import has listed it.
    async fn member(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
    ) -> Result<Option<Member>, LedgerError>;

    /// Maps a member to a user or to nobody. A member that activities mention and no import has listed is
    /// accepted; `NotFound` for any other. `Conflict` if the mapping is not what it must be before.
    async fn set_mapping(
        &self,
        id: &ConnectionId,
        remote_user: &RemoteUserId,
        change: &MappingChange,
    ) -> Result<Member, LedgerError>;

    /// Applies activities and subjects and records the delivery that brought them, at once. Whatever
    /// the order and repetition of calls, the ledger ends up the same (see `wit/integration.wit`).
    /// A failed delivery that is recorded as accepted or ignored becomes superseded if another delivery
    /// brought its event meanwhile.
    async fn apply(
        &self,
        id: &ConnectionId,
        changes: &Changes,
        delivery: Option<DeliveryRecord>,
    ) -> Result<Applied, LedgerError>;

    /// Activities for which [`LedgerActivity::matches`] is true, newest start first. `cursor` is a page's
    /// `next`. A page may come back short, or empty, with a `next`: at most about [`MAX_EXAMINED`] activities
    /// are looked at for one, so that what is rare costs no more at once than what is common. There are no
    /// more when there is no `next`. `Invalid` for a subject or a remote user without a connection.
    async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, LedgerError>;

    /// How much time the activities of a filter took in each of the intervals between boundaries, whose it
    /// was and what it was spent on. The boundaries are from 2 to [`MAX_INTERVALS`] + 1 times in order,
    /// `Invalid` otherwise; they take the place of the filter's `from` and `to`. What still runs is
    /// counted until `now`, what is deleted is not. At most about [`MAX_SUMMARIZED`] activities are looked at.
    async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
        now: Timestamp,
    ) -> Result<Summary, LedgerError>;

    /// Ids of activities that ran at some time in a range, have stopped and are not deleted, in order,
    /// beginning after `after`.
    async fn activity_ids(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError>;

    /// Activities whose place in the change feed is after `after`, in order of change. An activity is
    /// moved to the end of the feed when it, its title, its user or an imported name of its member changes, so it appears once, in its latest
    /// state. Includes deleted and unmapped activities.
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError>;

    /// The last place in the change feed.
    async fn last_change(&self) -> Result<u64, LedgerError>;

    /// The delivery log, newest first, without the sealed requests. `cursor` is a page's `next`.
    async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, LedgerError>;

    /// How many deliveries arrived in each minute, by what became of them: from the minute of `from` on,
    /// before `to`, in order of time. Minutes and outcomes without any are left out. At most
    /// [`MAX_RATE_TIME`] before `to` is counted.
    async fn delivery_rates(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DeliveryRate>, LedgerError>;

    /// One delivery, with its sealed request if it is still kept.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, LedgerError>;

    /// Requests kept for replay whose place is after `after`, in order of their places, which stay.
    async fn kept_requests(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<KeptRequest>, LedgerError>;

    /// Puts a request that was sealed again in the place of a kept one, if that is still as it was given
    /// out.
    async fn replace_kept_request(
        &self,
        kept: &KeptRequest,
        sealed: Vec<u8>,
    ) -> Result<(), LedgerError>;

    /// Failed deliveries whose requests are kept, of connections that are active, last handled before a
    /// time, without the requests: those handled the least often first, then the oldest. And how many there are.
    async fn failed_deliveries(
        &self,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64), LedgerError>;

    /// Removes some of the deliveries that are older than they are to be kept. True: there are more.
    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError>;

    /// Whether a change could be made durable now. May be asked every second.
    async fn ready(&self) -> Result<(), LedgerError>;

    /// Finishes what waits and lets go of the database. Nothing can be asked afterwards.
    async fn close(&self);
}
