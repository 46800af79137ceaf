//! Activities: which of the states that arrived counts.

use crate::contract::Activity;
use crate::ledger::Applied;
use crate::ledger::stored::to_json;

/// A state with content. Ordered by revision; the rest makes the order total, so that of two states
/// with one revision the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Content {
    pub(in crate::ledger) revision: String,
    pub(in crate::ledger) remote_user: String,
    pub(in crate::ledger) subject: Option<String>,
    pub(in crate::ledger) description: String,
    pub(in crate::ledger) start: i64,
    pub(in crate::ledger) stop: Option<i64>,
    pub(in crate::ledger) billable: bool,
    /// A JSON array.
    pub(in crate::ledger) tags: String,
    pub(in crate::ledger) event: Option<String>,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Deletion {
    pub(in crate::ledger) revision: String,
    pub(in crate::ledger) event: Option<String>,
}

/// What is known of an activity: the greatest of everything that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Known {
    pub(in crate::ledger) content: Option<Content>,
    pub(in crate::ledger) deletion: Option<Deletion>,
}

impl Known {
    pub(in crate::ledger) fn of(activity: &Activity) -> Self {
        let event = activity.event_id.clone();
        let content = activity.content.as_ref().map(|log| Content {
            revision: activity.revision.clone(),
            remote_user: log.remote_user_id.to_string(),
            subject: log.subject.clone(),
            description: log.description.clone(),
            start: log.start.as_millisecond(),
            stop: log.stop.map(|stop| stop.as_millisecond()),
            billable: log.billable,
            tags: to_json(&log.tags),
            event: event.clone(),
        });
        let deletion = activity.deleted.then(|| Deletion {
            revision: activity.revision.clone(),
            event,
        });
        Self { content, deletion }
    }

    pub(in crate::ledger) fn merge(self, other: Self) -> Self {
        Self {
            content: self.content.max(other.content),
            deletion: self.deletion.max(other.deletion),
        }
    }

    /// The deletion, if it is what counts.
    pub(in crate::ledger) fn effective_deletion(&self) -> Option<&Deletion> {
        let content = self.content.as_ref().map(|content| &content.revision);
        self.deletion
            .as_ref()
            .filter(|deletion| Some(&deletion.revision) >= content)
    }

    /// Whether both differ in nothing but where they come from.
    pub(in crate::ledger) fn looks_like(&self, other: &Self) -> bool {
        let look = |known: &Self| {
            let content = known.content.clone().map(|content| Content {
                revision: String::new(),
                event: None,
                ..content
            });
            (content, known.effective_deletion().is_some())
        };
        look(self) == look(other)
    }

    pub(in crate::ledger) fn is_nothing(&self) -> bool {
        self.content.is_none() && self.deletion.is_none()
    }
}

/// What applying an activity did to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) enum Effect {
    /// Nothing that shows.
    None,
    /// It is newer.
    Newer,
    /// It is new, or newer and different.
    Changed,
}

impl Effect {
    /// The effect of becoming `after`.
    pub(in crate::ledger) fn between(before: &Known, after: &Known) -> Self {
        let is_seen = after.content != before.content
            || after.effective_deletion() != before.effective_deletion();
        match is_seen {
            false => Self::None,
            true if after.looks_like(before) => Self::Newer,
            true => Self::Changed,
        }
    }

    /// Counts it.
    pub(in crate::ledger) fn count(self, applied: &mut Applied) {
        applied.applied += u64::from(self != Self::None);
        applied.changed += u64::from(self == Self::Changed);
        applied.unchanged += u64::from(self == Self::None);
    }
}
