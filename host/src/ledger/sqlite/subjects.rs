//! Subjects: what time is spent on, and when its names arrive.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, move_to_end};
use crate::contract::Subject;

/// How many subjects deep a title goes.
pub(super) const MAX_DEPTH: usize = 8;

/// A state that has a name. Ordered by age; the rest makes the order total, so that of two states
/// with one revision the same one wins everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    revision: String,
    name: String,
    parent: Option<String>,
}

/// A parent that a state without a name told of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hint {
    revision: String,
    parent: String,
}

/// What is known of a subject: the greatest of all states that arrived, in whatever order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    named: Option<Named>,
    hint: Option<Hint>,
}

impl Known {
    fn of(subject: &Subject) -> Self {
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

    fn merge(self, other: Self) -> Self {
        Self {
            named: self.named.max(other.named),
            hint: self.hint.max(other.hint),
        }
    }

    fn name(&self) -> Option<&str> {
        self.named.as_ref().map(|named| named.name.as_str())
    }

    /// The newer state decides. A hint without a revision only fills what is missing.
    fn parent(&self) -> Option<&str> {
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

pub(super) fn apply(database: &Database, connection: i64, subjects: &[Subject]) -> Result<()> {
    for subject in subjects {
        let known = find(database, connection, &subject.id)?;
        let before = known.clone().unwrap_or_default();
        let after = before.clone().merge(Known::of(subject));
        if known.as_ref() == Some(&after) {
            continue;
        }
        put(database, connection, &subject.id, &after)?;
        if (before.name(), before.parent()) != (after.name(), after.parent()) {
            retitle(database, connection, &subject.id)?;
        }
    }
    Ok(())
}

/// Moves the activities of a subject and of everything below it to the end of the change feed.
fn retitle(database: &Database, connection: i64, subject: &str) -> Result<()> {
    // In a cycle the depth ends the descent.
    move_to_end(
        database,
        "WITH RECURSIVE below (id, depth) AS (
             VALUES (?2, 1)
             UNION
             SELECT subjects.id, depth + 1 FROM below JOIN subjects
             ON subjects.connection = ?1 AND subjects.parent = below.id
             WHERE depth < ?3
         )
         SELECT activities.number FROM below JOIN activities
         ON activities.connection = ?1 AND activities.subject = below.id",
        params![connection, subject, MAX_DEPTH as i64],
    )
}

fn find(database: &Database, connection: i64, id: &str) -> Result<Option<Known>> {
    Ok(database
        .prepare_cached(
            "SELECT named_revision, name, named_parent, hint_revision, hint_parent
             FROM subjects WHERE connection = ?1 AND id = ?2",
        )?
        .query_row(params![connection, id], known)
        .optional()?)
}

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    let named_revision: Option<String> = row.get(0)?;
    let named = named_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Named {
                revision,
                name: row.get(1)?,
                parent: row.get(2)?,
            })
        })
        .transpose()?;
    let hint_revision: Option<String> = row.get(3)?;
    let hint = hint_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Hint {
                revision,
                parent: row.get(4)?,
            })
        })
        .transpose()?;
    Ok(Known { named, hint })
}

fn put(database: &Database, connection: i64, id: &str, known: &Known) -> Result<()> {
    let (named, hint) = (known.named.as_ref(), known.hint.as_ref());
    database
        .prepare_cached(
            "INSERT INTO subjects (connection, id, named_revision, name, named_parent, hint_revision, hint_parent, parent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (connection, id) DO UPDATE SET named_revision = excluded.named_revision, name = excluded.name,
                 named_parent = excluded.named_parent, hint_revision = excluded.hint_revision,
                 hint_parent = excluded.hint_parent, parent = excluded.parent",
        )?
        .execute(params![
            connection,
            id,
            named.map(|named| &named.revision),
            named.map(|named| &named.name),
            named.and_then(|named| named.parent.as_ref()),
            hint.map(|hint| &hint.revision),
            hint.map(|hint| &hint.parent),
            known.parent(),
        ])?;
    Ok(())
}
