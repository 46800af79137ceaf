//! The ledger: the durable record of connections, mappings, activities and deliveries.
//!
//! [`Ledger`] is what a provider implements. Everything that is shown to people or handed to the
//! platform comes from here; what an integration keeps for itself is in `integration-host-storage`.
#![deny(missing_docs)]

mod activity;
pub mod activity_list;
mod backup;
mod connection;
mod connection_summary;
mod coverage;
pub mod delivery;
mod feed;
mod identity;
mod lease;
pub mod matching;
mod member;
pub mod merge;
mod page;
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

use async_trait::async_trait;
use auto_impl::auto_impl;
use thiserror::Error;

pub use self::activity::{
    Activities, ActivityFilter, Applied, LedgerActivity, MAX_EXAMINED, StoredActivity, SubjectName,
};
pub use self::backup::{Backup, BackupFile};
pub use self::connection::{
    Attention, Connection, ConnectionState, ConnectionUpdate, Connections, NewConnection, Removal,
    SeenQuotas,
};
pub use self::connection_summary::{ConnectionSummary, IntegrationVersion};
pub use self::coverage::{
    ConnectionEvent, Coverage, CoverageChange, CoverageLog, EventKind, Gap, MAX_EVENTS,
};
pub use self::delivery::{
    DeadLetter, Delivery, DeliveryLog, DeliveryRate, DeliveryRecord, DeliveryStatus, MAX_RATE_TIME,
};
pub use self::feed::Feed;
pub use self::identity::LedgerIdentity;
pub use self::lease::{Lease, LeaseAnswer, LeaseStore};
pub use self::member::{
    ImportLimits, Mapping, MappingChange, MappingFound, MatchedBy, Member, MemberFilter,
    MemberPage, TeamChanges,
};
pub use self::page::{MAX_PAGE, Page, in_page, number_before};
pub use self::retention::{AgeLook, PRUNED_AT_ONCE, Retention};
pub use self::session::{MAX_ENDED_SESSIONS, Sessions};
pub use self::summary::{
    Counted, Facets, Listed, MAX_INTERVALS, MAX_LISTED, MAX_SUMMARIZED, Person, PersonTime,
    SubjectPath, SubjectTime, Summary,
};
pub use self::team::Teams;
use integration_host_contract::ErrorCode;
use integration_host_contract::deadline::Unanswered;

pub use self::connection_summary::ConnectionScan;
pub use self::delivery::SUPERSEDED;
pub use self::text_query::TextQuery;
use self::transfer::Transfer;

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
/// This is the sum of its parts, each of which records one kind of thing and can be used by itself. Together they are the
/// whole contract. Nothing else is relied on, and the conformance suite
/// (`tests/conformance`) demands nothing else: it has a case for every point of the lists here and in the parts, and names the
/// point that a provider breaks. Texts are UTF-8, compared byte by byte where nothing else is said; those that people and remote
/// services wrote may hold any character but U+0000, which the host replaces. Times are kept in whole milliseconds, and what is finer may be
/// cut.
///
/// # Identity
///
/// - A ledger has an id and a life that no other ledger has, unless one was made of the other; whatever is asked, applied
///   and opened again, they stay.
/// - Beginning a life keeps the id and gives a life that there never was before, which whoever asks afterwards is told,
///   through any handle. The first life of a ledger is told as that, and no other is.
/// - Of each integration that a host says it runs the latest version is told that it said so of, ordered by id byte by
///   byte.
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
pub trait Ledger:
    Connections + Teams + Activities + Feed + DeliveryLog + CoverageLog + LeaseStore + Sessions
{
    /// Which ledger this is, and which life of its change feed. May be asked for every page of the feed. Whoever asks
    /// before reading the feed takes no place for one of an earlier life.
    async fn identity(&self) -> Result<LedgerIdentity, LedgerError>;

    /// Begins another life of the change feed, because the ledger is not what it was: a restored backup, a copy. All
    /// sessions end: whoever signed out after the moment it was brought back to would be signed in again.
    async fn begin_life(&self) -> Result<LedgerIdentity, LedgerError>;

    /// The integrations that hosts ran on this ledger, each with the version that was recorded last.
    async fn integrations(&self) -> Result<Vec<IntegrationVersion>, LedgerError>;

    /// Records which version of an integration a host runs.
    async fn record_integration(&self, running: &IntegrationVersion) -> Result<(), LedgerError>;

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
