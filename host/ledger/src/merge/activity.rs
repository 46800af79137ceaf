//! Activities: which of the states that arrived counts.

use crate::Applied;
use crate::stored::to_json;
use integration_host_contract::Activity;

/// A state with content. Ordered by revision; the rest makes the order total, so that of two states
/// with one revision the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Content {
    /// Its revision.
    pub revision: String,
    /// Whose time it is, at the remote service.
    pub remote_user: String,
    /// What the time is spent on.
    pub subject: Option<String>,
    /// Free text.
    pub description: String,
    /// When it began, in milliseconds since 1970.
    pub start: i64,
    /// When it ended; `None`: it runs.
    pub stop: Option<i64>,
    /// Whether it is billable.
    pub billable: bool,
    /// A JSON array.
    pub tags: String,
    /// The event that told of it.
    pub event: Option<String>,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deletion {
    /// Its revision.
    pub revision: String,
    /// `None`: nobody told of it, so it is weak.
    pub event: Option<String>,
}

impl Deletion {
    /// Whether anything that shows the activity takes it back.
    pub(crate) fn is_weak(&self) -> bool {
        self.event.is_none()
    }
}

/// The merged state of an activity: the greatest of everything that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityState {
    /// The newest state with content.
    pub content: Option<Content>,
    /// The newest deletion that counts.
    pub deletion: Option<Deletion>,
}

impl ActivityState {
    /// What is known after an activity has arrived.
    pub fn after(self, activity: &Activity) -> Self {
        let arrived = Self::of(activity);
        let content = self.content.max(arrived.content);
        let deletion = if activity.deleted {
            prevailing(
                self.deletion,
                arrived.deletion,
                content.as_ref().map(|content| content.revision.as_str()),
            )
        } else {
            // Of something without content nothing else is known that could be shown instead.
            (self.deletion).filter(|deletion| !deletion.is_weak() || content.is_none())
        };
        Self { content, deletion }
    }

    /// What one state of an activity tells.
    pub fn of(activity: &Activity) -> Self {
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

    /// The deletion, if it is what counts.
    pub(crate) fn effective_deletion(&self) -> Option<&Deletion> {
        let content = self.content.as_ref().map(|content| &content.revision);
        self.deletion
            .as_ref()
            .filter(|deletion| Some(&deletion.revision) >= content)
    }

    /// Whether both differ in nothing but where they come from.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
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

    /// Whether there is nothing to record: neither content nor a deletion that was told of.
    pub fn is_nothing(&self) -> bool {
        let weak = |deletion: &Deletion| deletion.is_weak();
        self.content.is_none() && self.deletion.as_ref().is_none_or(weak)
    }
}

/// Of two deletions the one to keep: one that was told and counts, whatever was found missing since; otherwise the
/// greater.
fn prevailing(
    one: Option<Deletion>,
    other: Option<Deletion>,
    content_revision: Option<&str>,
) -> Option<Deletion> {
    let counts = |deletion: &&Deletion| {
        !deletion.is_weak() && Some(deletion.revision.as_str()) >= content_revision
    };
    let told = one.iter().chain(&other).filter(counts).max().cloned();
    told.or_else(|| one.max(other))
}

/// An activity after another state of it has arrived, and what that did to it. `None`: it stays as it was.
pub fn apply(
    before: Option<&ActivityState>,
    arrived: &Activity,
) -> Option<(ActivityState, Effect)> {
    let Some(before) = before else {
        let state = ActivityState::of(arrived);
        return (!state.is_nothing()).then_some((state, Effect::Changed));
    };
    let after = before.clone().after(arrived);
    if after == *before {
        return None;
    }
    let effect = Effect::between(before, &after);
    Some((after, effect))
}

/// What applying an activity did to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that shows.
    None,
    /// It is newer.
    Newer,
    /// It is new, or newer and different.
    Changed,
}

impl Effect {
    /// The effect of becoming `after`.
    pub fn between(before: &ActivityState, after: &ActivityState) -> Self {
        let is_seen = after.content != before.content
            || after.effective_deletion() != before.effective_deletion();
        match is_seen {
            false => Self::None,
            true if after.looks_like(before) => Self::Newer,
            true => Self::Changed,
        }
    }

    /// Counts it.
    pub fn count(self, applied: &mut Applied) {
        applied.applied += u64::from(self != Self::None);
        applied.changed += u64::from(self == Self::Changed);
        applied.unchanged += u64::from(self == Self::None);
    }
}
