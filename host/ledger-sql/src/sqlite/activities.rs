//! Activities: applying what arrives, in whatever order and however often.

use rusqlite::{Connection as Database, params};

use super::members;
use crate::activities::{REGISTERS, registers};
use crate::failure::Result;
use integration_host_contract::Activity;
use integration_host_ledger::Applied;
use integration_host_ledger::merge;
use integration_host_ledger::merge::activity::{ActivityState, Effect};

pub fn apply(database: &Database, connection: i64, activities: &[Activity]) -> Result<Applied> {
    let mut applied = Applied::default();
    for activity in activities {
        apply_one(database, connection, activity)?.count(&mut applied);
    }
    Ok(applied)
}

fn apply_one(database: &Database, connection: i64, activity: &Activity) -> Result<Effect> {
    let found = find(database, connection, &activity.id)?;
    let before = found.as_ref().map(|(_, before)| before);
    let Some((after, effect)) = merge::activity::apply(before, activity) else {
        return Ok(Effect::None);
    };
    match found {
        None => {
            let change = next_change(database)?;
            insert(database, connection, &activity.id, &after, change)?;
        }
        Some((number, _)) => {
            update(database, connection, number, &after, effect != Effect::None)?;
        }
    }
    Ok(effect)
}

/// The next place in the change feed.
fn next_change(database: &Database) -> Result<i64> {
    Ok(database
        .prepare_cached("UPDATE ledger_changes SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))?)
}

fn find(
    database: &Database,
    connection: i64,
    entry_id: &str,
) -> Result<Option<(i64, ActivityState)>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT number, {REGISTERS} FROM activities WHERE connection = ?1 AND entry_id = ?2"
    ))?;
    let mut rows = statement.query(params![connection, entry_id])?;
    let found = rows.next()?;
    found
        .map(|row| Ok((row.get(0)?, registers(row, 1)?)))
        .transpose()
}

/// Adds an activity at a place in the change feed.
pub fn insert(
    database: &Database,
    connection: i64,
    entry_id: &str,
    known: &ActivityState,
    change: i64,
) -> Result<()> {
    let user = mapped_user(database, connection, known)?;
    let (content, deletion) = (known.content.as_ref(), known.deletion.as_ref());
    database
        .prepare_cached(
            "INSERT INTO activities (connection, entry_id, content_revision, remote_user, subject, description, start,
                 stop, billable, tags, content_event, deleted_revision, deleted_event, user, change)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            connection,
            entry_id,
            content.map(|content| &content.revision),
            content.map(|content| &content.remote_user),
            content.and_then(|content| content.subject.as_ref()),
            content.map(|content| &content.description),
            content.map(|content| content.start),
            content.and_then(|content| content.stop),
            content.is_some_and(|content| content.billable),
            content.map(|content| &content.tags),
            content.and_then(|content| content.event.as_ref()),
            deletion.map(|deletion| &deletion.revision),
            deletion.and_then(|deletion| deletion.event.as_ref()),
            user,
            change,
        ])?;
    Ok(())
}

fn update(
    database: &Database,
    connection: i64,
    number: i64,
    known: &ActivityState,
    is_seen: bool,
) -> Result<()> {
    let change = if is_seen {
        Some(next_change(database)?)
    } else {
        None
    };
    // Whose it is stays as long as the member does: a mapping may have left it with an earlier user.
    let user = mapped_user(database, connection, known)?;
    let (content, deletion) = (known.content.as_ref(), known.deletion.as_ref());
    database
        .prepare_cached(
            "UPDATE activities SET content_revision = ?2, remote_user = ?3, subject = ?4, description = ?5, start = ?6,
                 stop = ?7, billable = ?8, tags = ?9, content_event = ?10, deleted_revision = ?11, deleted_event = ?12,
                 user = CASE WHEN remote_user IS ?3 THEN user ELSE ?13 END, change = ifnull(?14, change)
             WHERE number = ?1",
        )?
        .execute(params![
            number,
            content.map(|content| &content.revision),
            content.map(|content| &content.remote_user),
            content.and_then(|content| content.subject.as_ref()),
            content.map(|content| &content.description),
            content.map(|content| content.start),
            content.and_then(|content| content.stop),
            content.is_some_and(|content| content.billable),
            content.map(|content| &content.tags),
            content.and_then(|content| content.event.as_ref()),
            deletion.map(|deletion| &deletion.revision),
            deletion.and_then(|deletion| deletion.event.as_ref()),
            user,
            change,
        ])?;
    Ok(())
}

fn mapped_user(database: &Database, connection: i64, known: &ActivityState) -> Result<Option<i64>> {
    match &known.content {
        Some(content) => members::mapped_user(database, connection, &content.remote_user),
        None => Ok(None),
    }
}
