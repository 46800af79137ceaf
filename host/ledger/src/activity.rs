//! Activities as the ledger shows them, and which of them a list has.

use std::time::Duration;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::Timestamp;

use super::text_query::TextQuery;
use super::titles::{Paths, title};
use super::{DeliveryRecord, LedgerError, Page, Summary};
use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};
use integration_host_contract::{Changes, User};

/// How many activities are looked at for one page; what does not match is left out of these. So many take some
/// milliseconds.
pub const MAX_EXAMINED: usize = 256;

/// What time is spent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectName {
    /// Its id.
    pub id: SubjectId,
    /// Its name; `None`: not known, or blank.
    pub name: Option<String>,
}

/// An activity as the ledger shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerActivity {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// The remote service's id of the entry.
    pub entry_id: String,
    /// The event that last changed it.
    pub event_id: Option<String>,
    /// Whose time it is; `None` for a deletion that came without content.
    pub remote_user_id: Option<RemoteUserId>,
    /// That member's name; `None`: no import has listed the member.
    pub remote_user_name: Option<String>,
    /// The user it is mapped to.
    pub user: Option<User>,
    /// What the time was spent on and what is above that, outermost first.
    pub subjects: Vec<SubjectName>,
    /// Names of its subjects, outermost first, then its description. Unknown and empty ones are left out.
    pub title: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is billable.
    pub billable: bool,
    /// When it began; `None` for a deletion that came without content.
    pub start: Option<Timestamp>,
    /// When it ended; `None` while it runs or is frozen.
    pub stop: Option<Timestamp>,
    /// Whether it ran when its connection was disconnected: what became of it is not known before that is active again,
    /// so it counts for nothing until then.
    pub frozen: bool,
    /// Whether it was deleted at the remote service.
    pub deleted: bool,
    /// Whether nobody told of that deletion: it was concluded from the remote service's lists, which it is missing in.
    /// Whatever shows it again takes the deletion back.
    pub missing: bool,
    /// The greatest revision applied.
    pub revision: String,
    /// Its place in the change feed.
    pub cursor: u64,
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

/// Which activities to list. They are ordered by start, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Of this connection only.
    pub connection: Option<ConnectionId>,
    /// Of this user only.
    pub user: Option<UserId>,
    /// Of this member only. It needs a connection.
    pub remote_user: Option<RemoteUserId>,
    /// That ended, or still run, after this time.
    pub from: Option<Timestamp>,
    /// That began before this time.
    pub to: Option<Timestamp>,
    /// Spent on this subject or on one below it. It needs a connection.
    pub subject: Option<SubjectId>,
    /// With this tag.
    pub tag: Option<String>,
    /// Billable, or not billable.
    pub billable: Option<bool>,
    /// With this in the description or in the name of a subject. Case does not matter.
    pub text: Option<String>,
    /// Also those of members without a user.
    pub include_unmapped: bool,
    /// Only those of members without a user.
    pub only_unmapped: bool,
    /// Also deleted ones.
    pub include_deleted: bool,
}

impl ActivityFilter {
    /// Refuses a subject or a remote user without a connection.
    pub fn ensure_names_connection(&self) -> Result<(), LedgerError> {
        if self.connection.is_none() && (self.subject.is_some() || self.remote_user.is_some()) {
            return Err(LedgerError::Invalid(
                "a subject or a remote user is one of a connection: name the connection too"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// An activity as it is stored, with the names that go with it.
pub struct StoredActivity {
    /// The number of its connection.
    pub connection: i64,
    /// Its connection.
    pub connection_id: ConnectionId,
    /// The remote service's id of the entry.
    pub entry_id: String,
    /// The event that told of its content.
    pub content_event: Option<String>,
    /// The event that told of its deletion.
    pub deleted_event: Option<String>,
    /// Whose time it is.
    pub remote_user: Option<RemoteUserId>,
    /// That member's name.
    pub remote_user_name: Option<String>,
    /// The user it is mapped to.
    pub user: Option<User>,
    /// What the time is spent on.
    pub subject: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is billable.
    pub billable: bool,
    /// When it began.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub stop: Option<Timestamp>,
    /// Whether its deletion counts.
    pub deleted: bool,
    /// The revision of its content.
    pub content_revision: Option<String>,
    /// The revision of its deletion.
    pub deleted_revision: Option<String>,
    /// Its place in the change feed.
    pub change: u64,
    /// Whether its connection was active once and is not now.
    pub is_away: bool,
}

impl StoredActivity {
    /// As it is shown: of content and deletion, what counts.
    pub fn shown(self, paths: &Paths) -> LedgerActivity {
        let subjects = paths.path(self.connection, self.subject.as_deref());
        let (event_id, revision) = if self.deleted {
            (self.deleted_event, self.deleted_revision)
        } else {
            (self.content_event, self.content_revision)
        };
        LedgerActivity {
            connection_id: self.connection_id,
            entry_id: self.entry_id,
            missing: self.deleted && event_id.is_none(),
            event_id,
            remote_user_id: self.remote_user,
            remote_user_name: self.remote_user_name,
            user: self.user,
            title: title(&subjects, self.description),
            subjects,
            tags: self.tags,
            billable: self.billable,
            start: self.start,
            frozen: !self.deleted && self.stop.is_none() && self.is_away,
            stop: self.stop,
            deleted: self.deleted,
            revision: revision.unwrap_or_default(),
            cursor: self.change,
        }
    }
}

impl LedgerActivity {
    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        !self.deleted && !self.frozen && self.start.is_some() && self.stop.is_none()
    }

    /// How long it lasted, or has lasted by now while it runs; `None` where that is not known. Never negative: what ended
    /// before it began, by clocks that differ, lasted no time.
    pub fn length(&self, now: Timestamp) -> Option<Duration> {
        let stop = self.stop.or(self.runs().then_some(now))?;
        let length = stop.duration_since(self.start?);
        Some(Duration::try_from(length).unwrap_or_default())
    }

    /// Its description, unless that is blank.
    pub fn description(&self) -> Option<&str> {
        let names = self.subjects.iter().filter(|part| part.name.is_some());
        self.title.get(names.count()).map(String::as_str)
    }

    /// Whether a list with this filter has it. So whoever shows a list can tell of a changed activity
    /// from the feed whether it now belongs there.
    pub fn matches(&self, filter: &ActivityFilter) -> bool {
        let user = self.user.as_ref().map(|user| &user.id);
        let text = filter.text.as_deref().and_then(TextQuery::new);
        is_wanted(&filter.connection, Some(&self.connection_id))
            && is_wanted(&filter.user, user)
            && is_wanted(&filter.remote_user, self.remote_user_id.as_ref())
            && (filter.include_unmapped || filter.only_unmapped || user.is_some())
            && (!filter.only_unmapped || user.is_none())
            && (filter.include_deleted || !self.deleted)
            && self.runs_within(filter.from, filter.to)
            && (filter.subject.as_ref())
                .is_none_or(|wanted| self.subjects.iter().any(|part| part.id == *wanted))
            && (filter.tag.as_ref()).is_none_or(|wanted| self.tags.contains(wanted))
            && is_wanted(&filter.billable, Some(&self.billable))
            && text.is_none_or(|wanted| self.title.iter().any(|part| wanted.is_in(part)))
    }

    /// Whether it ran at some time after `from` and before `to`, to the millisecond.
    fn runs_within(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> bool {
        let Some(start) = self.start.map(Timestamp::as_millisecond) else {
            // What has no content has no time either.
            return from.is_none() && to.is_none();
        };
        let stop = self.stop.map_or(i64::MAX, Timestamp::as_millisecond);
        from.is_none_or(|from| start.max(stop) > from.as_millisecond())
            && to.is_none_or(|to| start < to.as_millisecond())
    }
}

fn is_wanted<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
    wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
}

/// The part of a [ledger](super::Ledger) that merges activities and the subjects that time is spent on, and lists and sums them up. What is said there of calls, errors and pages
/// goes for these too.
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
/// - A limit of 0 counts as 1, and one beyond [`MAX_PAGE`](super::MAX_PAGE) as that.
/// - Running are the activities that began before the time, have no end and are not deleted, newest first.
#[async_trait]
#[auto_impl(Arc)]
pub trait Activities: Send + Sync + 'static {
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

    /// The activities of a connection with these ids, at most [`MAX_PAGE`](super::MAX_PAGE) of them, in any order. Those that are not
    /// there are left out.
    async fn activities_by_id(
        &self,
        id: &ConnectionId,
        entry_ids: &[String],
    ) -> Result<Vec<LedgerActivity>, LedgerError>;

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

    /// Ids of activities that began before a time and still run as far as the ledger knows, newest first.
    async fn running_ids(
        &self,
        id: &ConnectionId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError>;

    /// How much time the activities of a filter took in each of the intervals between boundaries, whose it
    /// was and what it was spent on. The boundaries are from 2 to [`MAX_INTERVALS`](super::MAX_INTERVALS) + 1 times in order,
    /// `Invalid` otherwise; they take the place of the filter's `from` and `to`. What still runs is
    /// counted until `now`, what is deleted is not. At most about [`MAX_SUMMARIZED`](super::MAX_SUMMARIZED) activities are looked at.
    async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
        now: Timestamp,
    ) -> Result<Summary, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_told_apart_from_the_names_of_subjects() {
        let activity = |subjects: &[Option<&str>], title: &[&str]| LedgerActivity {
            connection_id: ConnectionId::new("c"),
            entry_id: "1".to_owned(),
            event_id: None,
            remote_user_id: None,
            remote_user_name: None,
            user: None,
            subjects: subjects
                .iter()
                .map(|name| SubjectName {
                    id: SubjectId::new("project/1"),
                    name: name.map(str::to_owned),
                })
                .collect(),
            title: title.iter().map(|part| (*part).to_owned()).collect(),
            tags: Vec::new(),
            billable: false,
            start: None,
            stop: None,
            deleted: false,
            frozen: false,
            missing: false,
            revision: "1".to_owned(),
            cursor: 1,
        };
        let nameless = activity(&[Some("Internal"), None], &["Internal", "Sketches"]);
        assert_eq!(nameless.description(), Some("Sketches"));
        assert_eq!(
            activity(&[Some("Web shop")], &["Web shop"]).description(),
            None
        );
        assert_eq!(activity(&[], &["Sketches"]).description(), Some("Sketches"));
    }
}
