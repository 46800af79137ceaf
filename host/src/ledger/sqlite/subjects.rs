//! Subjects: what time is spent on, and when its names arrive.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, move_to_end};
use crate::contract::Subject;
use crate::ledger::known::subject::{Hint, Known, MAX_DEPTH, Named};

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
        .query_row(params![connection, id], |row| known(row, 0))
        .optional()?)
}

/// What is known of a subject, from the five columns of its registers that begin at `first`.
pub(super) fn known(row: &Row<'_>, first: usize) -> rusqlite::Result<Known> {
    let named_revision: Option<String> = row.get(first)?;
    let named = named_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Named {
                revision,
                name: row.get(first + 1)?,
                parent: row.get(first + 2)?,
            })
        })
        .transpose()?;
    let hint_revision: Option<String> = row.get(first + 3)?;
    let hint = hint_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Hint {
                revision,
                parent: row.get(first + 4)?,
            })
        })
        .transpose()?;
    Ok(Known { named, hint })
}

pub(super) fn put(database: &Database, connection: i64, id: &str, known: &Known) -> Result<()> {
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
