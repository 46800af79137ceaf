//! Activities as the ledger shows them, and which of them a list has.

use std::time::Duration;

use jiff::Timestamp;

use super::LedgerError;
use super::text_query::TextQuery;
use integration_host_contract::User;
use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};

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
