//! Subjects: what time is spent on, and when its names arrive.

use rusqlite::{Connection as Database, params};

use super::spreading::{Budget, spread};
use crate::activities::{SUBJECT_REGISTERS, subject_registers};
use crate::failure::Result;
use integration_host_contract::Subject;
use integration_host_ledger::merge::subject::{SubjectState, merged};
use integration_host_ledger::spreading::Shared;

pub fn apply(database: &Database, connection: i64, subjects: &[Subject]) -> Result<()> {
    let mut budget = Budget::new();
    for (id, arrived) in merged(subjects) {
        let known = find(database, connection, id)?;
        let before = known.clone().unwrap_or_default();
        let after = before.clone().merge(arrived);
        if known.as_ref() == Some(&after) {
            continue;
        }
        put(database, connection, id, &after)?;
        if !before.is_shown_as(&after) {
            let shared = Shared::Subject {
                connection,
                id: id.to_owned(),
            };
            spread(database, &shared, &mut budget)?;
        }
    }
    Ok(())
}

fn find(database: &Database, connection: i64, id: &str) -> Result<Option<SubjectState>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT {SUBJECT_REGISTERS} FROM subjects WHERE connection = ?1 AND id = ?2"
    ))?;
    let mut rows = statement.query(params![connection, id])?;
    rows.next()?
        .map(|row| subject_registers(row, 0))
        .transpose()
}

pub fn put(database: &Database, connection: i64, id: &str, known: &SubjectState) -> Result<()> {
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
