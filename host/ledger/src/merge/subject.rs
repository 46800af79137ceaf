//! Subjects: what they are called and what they are below.

use std::collections::BTreeMap;
use std::mem;

use integration_host_contract::Subject;

/// How many subjects deep a title goes.
pub const MAX_DEPTH: usize = 8;

/// A state that has a name. Ordered by age; the rest makes the order total, so that of two states
/// with one revision the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its revision.
    pub revision: String,
    /// The name.
    pub name: String,
    /// The subject it is below.
    pub parent: Option<String>,
}

/// A parent that a state without a name told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// Its revision.
    pub revision: String,
    /// The subject it is below.
    pub parent: String,
}

/// What arrived of each subject, in whatever order and however often.
pub fn merged<'a>(
    arrived: impl IntoIterator<Item = &'a Subject>,
) -> BTreeMap<&'a str, SubjectState> {
    let mut merged: BTreeMap<&str, SubjectState> = BTreeMap::new();
    for subject in arrived {
        let state = merged.entry(&subject.id).or_default();
        *state = mem::take(state).merge(SubjectState::of(subject));
    }
    merged
}

/// The merged state of a subject: the greatest of all states that arrived, in whatever order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectState {
    /// The newest state with a name.
    pub named: Option<Named>,
    /// The newest parent told without a name.
    pub hint: Option<Hint>,
}

impl SubjectState {
    /// What one state of a subject tells.
    pub fn of(subject: &Subject) -> Self {
        let Subject {
            revision,
            name,
            parent,
            ..
        } = subject;
        match (name, parent) {
            (Some(name), _) => {
                let named = Named {
                    revision: revision.clone(),
                    name: name.clone(),
                    parent: parent.clone(),
                };
                Self {
                    named: Some(named),
                    hint: None,
                }
            }
            (None, Some(parent)) => {
                let hint = Hint {
                    revision: revision.clone(),
                    parent: parent.clone(),
                };
                Self {
                    named: None,
                    hint: Some(hint),
                }
            }
            (None, None) => Self::default(),
        }
    }

    /// What is known after both.
    pub fn merge(self, other: Self) -> Self {
        Self {
            named: self.named.max(other.named),
            hint: self.hint.max(other.hint),
        }
    }

    /// Whether titles below it show another state of it differently.
    pub fn is_shown_as(&self, other: &Self) -> bool {
        (self.name(), self.parent()) == (other.name(), other.parent())
    }

    /// Its name, which may be blank.
    pub fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|named| named.name.as_str())
    }

    /// What it is below. The newer state decides. A hint without a revision only fills what is missing.
    pub fn parent(&self) -> Option<&str> {
        let hint = self.hint.as_ref();
        match &self.named {
            None => hint.map(|hint| hint.parent.as_str()),
            Some(named) => match hint {
                Some(hint) if hint.revision > named.revision => Some(&hint.parent),
                Some(hint) if hint.revision.is_empty() => {
                    named.parent.as_deref().or(Some(&hint.parent))
                }
                _ => named.parent.as_deref(),
            },
        }
    }
}
