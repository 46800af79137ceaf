//! Subjects: what time is spent on, and when its names arrive.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::Result;
use super::spreading::{Budget, spread};
use integration_host_contract::Subject;
use integration_host_ledger::merge::subject::{Hint, Named, SubjectState};
use integration_host_ledger::spreading::Shared;

pub(super) fn apply(database: &Database, connection: i64, subjects: &[Subject]) -> Result<()> {
    let mut budget = Budget::new();
    for subject in subjects {
        let known = find(database, connection, &subject.id)?;
        let before = known.clone().unwrap_or_default();
        let after = before.clone().merge(SubjectState::of(subject));
        if known.as_ref() == Some(&after) {
            continue;
        }
        put(database, connection, &subject.id, &after)?;
        if (before.name(), before.parent()) != (after.name(), after.parent()) {
            let shared = Shared::Subject {
                connection,
                id: subject.id.clone(),
            };
            spread(database, &shared, &mut budget)?;
        }
    }
    Ok(())
}

fn find(database: &Database, connection: i64, id: &str) -> Result<Option<SubjectState>> {
    Ok(database
        .prepare_cached(
            "SELECT named_revision, name, named_parent, hint_revision, hint_parent
             FROM subjects WHERE connection = ?1 AND id = ?2",
        )?
        .query_row(params![connection, id], |row| known(row, 0))
        .optional()?)
}

/// What is known of a subject, from the five columns of its registers that begin at `first`.
pub(super) fn known(row: &Row<'_>, first: usize) -> rusqlite::Result<SubjectState> {
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
    Ok(SubjectState { named, hint })
}

pub(super) fn put(
    database: &Database,
    connection: i64,
    id: &str,
    known: &SubjectState,
) -> Result<()> {
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
