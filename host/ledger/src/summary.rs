//! How much time was spent, by whom and on what.

use std::time::Duration;

use jiff::Timestamp;

use super::{LedgerError, SubjectName};
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, RemoteUserId};

/// The most intervals a summary has: the days of a month.
pub const MAX_INTERVALS: usize = 32;

/// How many activities are looked at for one summary, the newest first.
pub const MAX_SUMMARIZED: usize = 200_000;

/// The most items a list in a summary has.
pub const MAX_LISTED: usize = 500;

/// How much time the activities of a filter took in some intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// All time in each interval.
    pub time: Vec<Duration>,
    /// How many activities ran in the intervals.
    pub entries: u64,
    /// How many of these still run.
    pub running: u64,
    /// Whose time it was, the most first.
    pub people: Listed<PersonTime>,
    /// What it was spent on, the most first, with everything that is above it.
    pub subjects: Listed<SubjectTime>,
    /// Time spent on nothing that is named.
    pub without_subject: Duration,
    /// What could be filtered by.
    pub facets: Facets,
    /// Whether all activities were looked at. If not, the older ones are missing from everything here.
    pub complete: bool,
}

/// The first items of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// At most [`MAX_LISTED`] items.
    pub items: Vec<T>,
    /// Whether there are more.
    pub more: bool,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            more: false,
        }
    }
}

/// Somebody in a remote team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The member.
    pub remote_user_id: RemoteUserId,
    /// The member's name; `None`: no import has listed the member.
    pub name: Option<String>,
    /// The user whose the newest of the member's activities is, of those that were looked at.
    pub user: Option<User>,
}

/// The time of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonTime {
    /// Whose time it is.
    pub person: Person,
    /// Time in each interval.
    pub time: Vec<Duration>,
    /// How many activities.
    pub entries: u64,
}

/// Something time is spent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPath {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The subject, after what is above it, outermost first. Never empty.
    pub path: Vec<SubjectName>,
}

impl SubjectPath {
    /// The subject itself.
    pub fn subject(&self) -> Option<&SubjectName> {
        self.path.last()
    }
}

/// The time spent on one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTime {
    /// On what.
    pub subject: SubjectPath,
    /// On it and everything below it.
    pub time: Duration,
    /// On it alone.
    pub own_time: Duration,
    /// How many activities, on it and everything below it.
    pub entries: u64,
}

/// What activities in the same intervals could be filtered by: of the same connection and visibility, without
/// regard to user, remote user, subject, tag, billable and text. The most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// Whose they are.
    pub people: Listed<Counted<Person>>,
    /// What they are spent on, and what is above that.
    pub subjects: Listed<Counted<SubjectPath>>,
    /// Their tags.
    pub tags: Listed<Counted<String>>,
}

/// Something with the number of activities that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted<T> {
    /// What they have.
    pub value: T,
    /// How many activities.
    pub entries: u64,
}

/// The boundaries of a summary, if they can be used.
pub fn milliseconds(boundaries: &[Timestamp]) -> Result<Vec<i64>, LedgerError> {
    let times: Vec<i64> = boundaries.iter().map(|at| at.as_millisecond()).collect();
    if (2..=MAX_INTERVALS + 1).contains(&times.len()) && times.is_sorted_by(|a, b| a < b) {
        return Ok(times);
    }
    Err(LedgerError::Invalid(format!(
        "the boundaries of a summary must be from 2 to {} times, each after the one before",
        MAX_INTERVALS + 1
    )))
}
