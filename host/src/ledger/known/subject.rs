//! Subjects: what they are called and what they are below.

use crate::contract::Subject;

/// How many subjects deep a title goes.
pub(in crate::ledger) const MAX_DEPTH: usize = 8;

/// A state that has a name. Ordered by age; the rest makes the order total, so that of two states
/// with one revision the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Named {
    pub(in crate::ledger) revision: String,
    pub(in crate::ledger) name: String,
    pub(in crate::ledger) parent: Option<String>,
}

/// A parent that a state without a name told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) struct Hint {
    pub(in crate::ledger) revision: String,
    pub(in crate::ledger) parent: String,
}

/// What is known of a subject: the greatest of all states that arrived, in whatever order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Known {
    pub(in crate::ledger) named: Option<Named>,
    pub(in crate::ledger) hint: Option<Hint>,
}

impl Known {
    pub(in crate::ledger) fn of(subject: &Subject) -> Self {
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

    pub(in crate::ledger) fn merge(self, other: Self) -> Self {
        Self {
            named: self.named.max(other.named),
            hint: self.hint.max(other.hint),
        }
    }

    /// Its name, which may be blank.
    pub(in crate::ledger) fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|named| named.name.as_str())
    }

    /// What it is below. The newer state decides. A hint without a revision only fills what is missing.
    pub(in crate::ledger) fn parent(&self) -> Option<&str> {
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
