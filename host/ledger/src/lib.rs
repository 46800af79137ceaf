//! The ledger: the durable record of connections, mappings, activities and deliveries.
//!
//! [`Ledger`] is what a provider implements. Everything that is shown to people or handed to the
//! platform comes from here; what an integration keeps for itself is in `integration-host-storage`.
#![deny(missing_docs)]

mod activity;
mod backup;
mod connection;
mod connection_summary;
mod continuity;
pub mod delivery;
mod identity;
mod lease;
pub mod matching;
mod member;
pub mod merge;
mod retention;
mod session;
pub mod spreading;
pub mod stored;
pub mod summary;
pub mod summary_accumulator;
pub mod team;
mod text_query;
pub mod titles;
pub mod totals;
pub mod transfer;
pub mod unindexed_filter;

use std::time::Duration;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::watch;

pub use self::activity::{ActivityFilter, LedgerActivity, MAX_EXAMINED, SubjectName};
pub use self::backup::{Backup, BackupFile};
pub use self::connection::{
    Attention, Connection, ConnectionState, ConnectionUpdate, NewConnection, SeenQuotas,
};
pub use self::connection_summary::{ConnectionSummary, IntegrationVersion};
pub use self::continuity::{
    ConnectionEvent, Continuity, Coverage, CoverageChange, EventKind, Gap, MAX_EVENTS,
};
pub use self::delivery::{Delivery, DeliveryRate, DeliveryRecord, DeliveryStatus, MAX_RATE_TIME};
pub use self::identity::LedgerIdentity;
pub use self::lease::{Lease, LeaseAnswer, LeaseStore};
pub use self::member::{
    ImportLimits, Mapping, MappingChange, MappingFound, MatchedBy, Member, MemberFilter,
    MemberPage, TeamChanges,
};
pub use self::retention::{AgeLook, Retention};
pub use self::session::{MAX_ENDED_SESSIONS, Sessions};
pub use self::summary::{
    Counted, Facets, Listed, MAX_INTERVALS, MAX_LISTED, MAX_SUMMARIZED, Person, PersonTime,
    SubjectPath, SubjectTime, Summary,
};
use integration_host_contract::deadline::Unanswered;
use integration_host_contract::id::{ConnectionId, DeliveryId, HookId, RemoteUserId};
use integration_host_contract::{Changes, ErrorCode, TeamMember};

pub use self::connection_summary::ConnectionScan;
pub use self::delivery::SUPERSEDED;
pub use self::text_query::TextQuery;
use self::transfer::Transfer;

/// The most rows one page returns.
pub const MAX_PAGE: usize = 1000;

/// The sealed request of a failed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// Its delivery.
    pub delivery_id: DeliveryId,
    /// The request, sealed.
    pub sealed: Vec<u8>,
    /// Its place among the dead letters.
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

/// Why the ledger could not do what was asked. Nothing was changed, unless it says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is no such row. The caller is told so.
    #[error("{0}")]
    NotFound(String),
    /// Something stands in the way: the scope is connected already, or somebody changed what was to be changed. The
    /// caller looks again; doing the same again does not help.
    #[error("{0}")]
    Conflict(String),
    /// An argument, such as a page cursor, is not one the ledger gave out. Trying again does not help.
    #[error("{0}")]
    Invalid(String),
    /// The change was fenced by a lease that somebody else was granted since ([`LeaseStore::fenced`]). The
    /// same handle never makes it again.
    #[error("another host has taken over, because this one was away for long")]
    LeaseLost,
    /// The provider could not answer; whether a change happened is unknown. Trying again may help, and is
    /// always allowed: whatever may arrive twice has the same effect as once. The text is for the log, names what
    /// could not be reached, and holds no secret.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
}

impl LedgerError {
    /// What a caller can act on.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Conflict(_) => ErrorCode::Conflict,
            Self::Invalid(_) => ErrorCode::InvalidInput,
            Self::LeaseLost | Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

impl Unanswered for LedgerError {
    fn unanswered(why: String) -> Self {
        Self::Unavailable(why)
    }
}

/// A ledger provider: the durable record of connections, teams, activities and deliveries.
///
/// This and [`Continuity`] are the whole contract. Nothing else is relied on, and the conformance suite
/// (`tests/conformance`) demands nothing else: it has a case for every point of the lists below, and names the point that a
/// provider breaks. Texts are UTF-8, compared byte by byte where nothing else is said; those that people and remote
/// services wrote may hold any character but U+0000, which the host replaces. Times are kept in whole milliseconds, and what is finer may be
/// cut.
///
/// # Identity
///
/// - A ledger has an id and a life that no other ledger has, unless one was made of the other; whatever is asked, applied
///   and opened again, they stay.
/// - Beginning a life keeps the id and gives a life that there never was before, which whoever asks afterwards is told,
///   through any handle. The first life of a ledger is told as that, and no other is.
///
/// # Connections
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
/// - Of each integration that a host says it runs the latest version is told that it said so of, ordered by id byte by
///   byte.
/// - A call for a connection that is not there is [`LedgerError::NotFound`], unless it looks for the connection or removes
///   it.
///
/// # Teams
///
/// - An import makes the team what it lists: who is missing stays, as not present, if somebody decided the mapping, a user
///   is mapped or activities mention the member, and is removed otherwise.
/// - Of a member that an import lists more than once the last one counts, and of a user whom it tells with several names or
///   addresses the last.
/// - What a person decided stays, whatever is imported; who is mapped to nobody follows the import.
/// - A mapping that an earlier import made stays when no address confirms it any more, and says so until one does or a
///   person decides; only as many as [`ImportLimits::removals`] allows are removed, or none.
/// - When a member's address belongs to another user, that user has the activities still to come, and those that belong to
///   a user already stay that user's; beyond [`ImportLimits::moves`] no mapping is moved, and each says so.
/// - An import tells what it found of mappings that earlier ones made, each once until it changes, and how many stay
///   unconfirmed.
/// - An import tells how many members joined and how many left, each counted once.
/// - Members are ordered by their names in lower case, as [`str::to_lowercase`] has them, then by id; pages lead on and
///   back, and tell how many match on all of them.
/// - A list of members has whom its [`MemberFilter`] describes, without regard to case in any script.
/// - A mapping that is not what it was expected to be is left alone, as a [`LedgerError::Conflict`].
/// - A member that only activities mention can be mapped; one that nothing mentions is [`LedgerError::NotFound`].
/// - A decision that is taken back leaves the member undecided, with the import's note, for the next import to decide.
/// - A mapping by hand goes for all activities of a member, those received before and those still to come, unless it keeps
///   earlier ones with the users they belong to; for many of them as [`Ledger::spread_changes`] goes on.
/// - A connection tells how many members its team has and how many of them are mapped.
///
/// # Activities
///
/// - Of an activity the content with the greatest revision counts and the greatest revision that deletes: it is deleted if
///   the latter is not smaller. What has neither content nor deletion is nothing.
/// - A deletion that no event told of is weak: whatever shows the activity afterwards, however small its revision and also
///   without content, takes it back; one that was told of and counts stays in its place; and of what is not known it is
///   nothing.
/// - Otherwise, whatever the order, repetition and grouping in which activities and subjects arrive, the ledger shows the same in the
///   end; of two states with one revision the same one is kept every time.
/// - An activity is told as it arrived: its texts, its tags in their order, its times.
/// - An arriving state counts as applied if it is new or newer, also as changed if it is seen differently, and otherwise
///   as unchanged.
/// - A title has the names of the subject and of what is above it, outermost first, then the description; what is not
///   known or blank is left out. A path has at most 8 subjects and none twice.
/// - Of a subject, the newest state that has a name tells name and parent; one without a name tells a parent if it is
///   newer, or if it has no revision and no other parent is told.
/// - What one call applies, the delivery that brought it included, is there as a whole or not at all.
///
/// # The change feed
///
/// - Every activity is in the feed once, deleted and unmapped ones too; what is seen of it changes only as it moves to the
///   end of the feed, behind every place told before.
/// - What changes nothing that is seen moves nothing, and activities that move together keep their order.
/// - Names of subjects, of users and of members that change move the activities that show them: at once if they are few,
///   and otherwise as [`Ledger::spread_changes`] goes on, until each has moved since what it shows has changed.
/// - Whoever follows the feed misses nothing, however many changes are made at once: no place appears before one that was
///   told already, and `last_change` is the last.
///
/// # Lists
///
/// - A list has the activities for which [`LedgerActivity::matches`] is true, each once, newest start first and those
///   without a start last, on however many pages.
/// - An activity that stays as it is while a list is read is on exactly one of its pages.
/// - Activities are found by their ids, deleted ones too.
/// - Ids are those of activities that have stopped, are not deleted and ran at some time from `from` to `to`, both
///   included, ordered byte by byte.
/// - What has no end of a connection that was active and is not is frozen: it counts for no time and does not run until the
///   connection is active again. Either moves it to the end of the feed.
/// - A summary adds up what the list of its filter has between the first and the last boundary, cut at the boundaries.
/// - The facets of a summary count what is there whatever user, member, subject, tag, billing and text are chosen.
/// - A cursor that the ledger did not give out, boundaries that bound no intervals, and a subject or a remote user without
///   a connection are refused as [`LedgerError::Invalid`].
/// - A limit of 0 counts as 1, and one beyond [`MAX_PAGE`] as that.
///
/// # Deliveries
///
/// - A delivery is recorded once under its id: again, it counts an attempt and says what became of it as long as it is
///   failed, and stays as it is afterwards. The id of another connection's delivery is [`LedgerError::Invalid`].
/// - A delivery that was handled and comes again under another id counts as handled once more in the row of the first and
///   adds none: the same event of the same connection, or, where no event is known, the same digest. One that fails like
///   one that failed, with its digest, adds none either and counts as no attempt; its request is kept if the first one's
///   is not.
/// - A failed delivery keeps its request until it is handled or refused, also when it fails again.
/// - The log tells deliveries newest first, by connection and status, without their requests, each once.
/// - `last_delivery_at` is when the latest delivery arrived that is neither failed nor refused, and no repetition.
/// - A failed delivery that is handled at last becomes superseded if an accepted or ignored one of the same connection
///   brought its event meanwhile.
/// - To be replayed are the failed deliveries of active connections whose requests are kept and that were last handled
///   before the time: those handled the least often first, then the oldest. All of them are counted.
/// - Kept requests are told in the order of their places, which stay; one is replaced only while it is as it was given
///   out.
/// - Rates count deliveries by the minute they arrived in and by what became of them, in order of time, over at most
///   [`MAX_RATE_TIME`] before `to`.
/// - Of a connection's deliveries the newest [`Retention::rows`] stay, or up to a hundredth fewer, beside those that can be
///   replayed; the one just recorded always stays.
/// - Requests are kept within the number and bytes of the [`Retention`]: the oldest go first, and one that is too large by
///   itself is not kept and pushes nothing out.
/// - Looks at the time are kept, and lead to what [`AgeLook::after`] says.
/// - Pruning removes requests and deliveries that are older than the [`Retention`] lets them be, and nothing else; it tells
///   whether there is more to remove.
///
/// # Calls
///
/// - Calls may be made from any number of tasks at once, on one handle and on several, and each happens as if alone.
/// - A change is seen by every call that begins after it returned, whichever of several handles it is made with.
/// - A change that returned `Ok` is still there when the process ended right after it without any goodbye, unless the
///   provider keeps nothing beyond the process and says so.
/// - A call that is dropped before it ended happened as a whole or not at all, and hinders no later one.
///
/// A host drops calls when a deadline passes, and treats them like [`LedgerError::Unavailable`]. Any call may be made
/// again: applying, importing and recording have the same effect twice as once.
#[async_trait]
#[auto_impl(Arc)]
pub trait Ledger: Continuity + LeaseStore + Sessions {
    /// Which ledger this is, and which life of its change feed. May be asked for every page of the feed. Whoever asks
    /// before reading the feed takes no place for one of an earlier life.
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError>;

    /// Begins another life of the change feed, because the ledger is not what it was: a restored backup, a copy. All
    /// sessions end: whoever signed out after the moment it was brought back to would be signed in again.
    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError>;

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
    /// [`MAX_PAGE`] at once. This is how hosts look for connections, each minute, so it must cost little for each.
    async fn scan_connections(
        &self,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionSummary>, LedgerError>;

    /// The integrations that hosts ran on this ledger, each with the version that was recorded last.
    async fn integrations(&self) -> Result<Vec<IntegrationVersion>, LedgerError>;

    /// Records which version of an integration a host runs.
    async fn record_integration(&self, running: &IntegrationVersion) -> Result<(), LedgerError>;

    /// Changes a connection, and returns it as it is then. `now` is when. One that becomes active begins to
    /// cover from then on ([`CoverageChange::Connected`]).
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
    /// activities, marked as not present. What a person decided stays, and what earlier imports mapped is changed within
    /// limits.
    async fn import_members(
        &self,
        id: &ConnectionId,
        team: &[TeamMember],
        limits: &ImportLimits,
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

    /// The activities of a connection with these ids, at most [`MAX_PAGE`] of them, in any order. Those that are not
    /// there are left out.
    async fn activities_by_id(
        &self,
        id: &ConnectionId,
        entry_ids: &[String],
    ) -> Result<Vec<LedgerActivity>, LedgerError>;

    /// Activities whose place in the change feed is after `after`, in order of change. An activity is
    /// moved to the end of the feed when it, its title, its user or an imported name of its member changes, so it appears once, in its latest
    /// state. Includes deleted and unmapped activities.
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError>;

    /// Goes on telling activities of a change of what many of them share: a name, or whom a member is mapped to. At most
    /// `most` are moved, and a bounded number is looked at, so that everybody else can go on. True: it
    /// went on, and there may be more to do; false: there is nothing to do, or somebody else is at it. What is to do
    /// survives whoever is at it.
    async fn spread_changes(&self, most: usize) -> Result<bool, LedgerError>;

    /// The last place in the change feed; 0 while there is none.
    async fn last_change(&self) -> Result<u64, LedgerError>;

    /// Tells whenever the change feed may have grown by what another host did that shares the ledger; the
    /// value only counts such moments. `None`: no other host shares it.
    fn watch_growth(&self) -> Option<watch::Receiver<u64>> {
        None
    }

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
    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, LedgerError>;

    /// Puts a request that was sealed again in the place of a kept one, if that is still as it was given
    /// out.
    async fn replace_dead_letter(
        &self,
        kept: &DeadLetter,
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

    /// Looks at the time, a host having run for `ran` since it looked last, and returns as of when
    /// [`Ledger::prune_deliveries`] is to remove what is too old; `None`: nothing is to be removed now.
    async fn look_at_age(
        &self,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>, LedgerError>;

    /// Removes some of the deliveries that are older than they are to be kept. True: there are more.
    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError>;

    /// Whether a change could be made durable now. May be asked every second.
    async fn ready(&self) -> Result<(), LedgerError>;

    /// Called after something sealed was erased or sealed anew, as `KeyValueStore::scrub` is: what is left of former
    /// values in the ledger's files is to go as soon as it can. A ledger that keeps nothing of them has nothing to do.
    async fn scrub(&self) {}

    /// The part that moves everything to another ledger and from one. `None`: this ledger cannot be moved.
    fn transfer(&self) -> Option<&dyn Transfer> {
        None
    }

    /// Finishes what waits and lets go of the database. Nothing can be asked afterwards.
    async fn close(&self);
}
