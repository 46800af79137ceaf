//! Activities: applying what arrives, in whatever order and however often.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, members, next_change};
use integration_host_contract::Activity;
use integration_host_ledger::Applied;
use integration_host_ledger::merge::activity::{ActivityState, Content, Deletion, Effect};

pub(super) fn apply(
    database: &Database,
    connection: i64,
    activities: &[Activity],
) -> Result<Applied> {
    let mut applied = Applied::default();
    for activity in activities {
        apply_one(database, connection, activity)?.count(&mut applied);
    }
    Ok(applied)
}

fn apply_one(database: &Database, connection: i64, activity: &Activity) -> Result<Effect> {
    let found = find(database, connection, &activity.id)?;
    let Some((number, before)) = found else {
        let arrived = ActivityState::of(activity);
        if arrived.is_nothing() {
            return Ok(Effect::None);
        }
        let change = next_change(database)?;
        insert(database, connection, &activity.id, &arrived, change)?;
        return Ok(Effect::Changed);
    };
    let after = before.clone().after(activity);
    if after == before {
        return Ok(Effect::None);
    }
    let effect = Effect::between(&before, &after);
    update(database, connection, number, &after, effect != Effect::None)?;
    Ok(effect)
}

fn find(
    database: &Database,
    connection: i64,
    entry_id: &str,
) -> Result<Option<(i64, ActivityState)>> {
    Ok(database
        .prepare_cached(
            "SELECT number, content_revision, remote_user, subject, description, start, stop, billable, tags,
                 content_event, deleted_revision, deleted_event
             FROM activities WHERE connection = ?1 AND entry_id = ?2",
        )?
        .query_row(params![connection, entry_id], |row| Ok((row.get(0)?, known(row)?)))
        .optional()?)
}

/// What is known of an activity, from the columns of its registers that begin at the second.
pub(super) fn known(row: &Row<'_>) -> rusqlite::Result<ActivityState> {
    let content_revision: Option<String> = row.get(1)?;
    let content = content_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Content {
                revision,
                remote_user: row.get(2)?,
                subject: row.get(3)?,
                description: row.get(4)?,
                start: row.get(5)?,
                stop: row.get(6)?,
                billable: row.get(7)?,
                tags: row.get(8)?,
                event: row.get(9)?,
            })
        })
        .transpose()?;
    let deleted_revision: Option<String> = row.get(10)?;
    let deletion = deleted_revision
        .map(|revision| {
            Ok::<_, rusqlite::Error>(Deletion {
                revision,
                event: row.get(11)?,
            })
        })
        .transpose()?;
    Ok(ActivityState { content, deletion })
}

/// Adds an activity at a place in the change feed.
pub(super) fn insert(
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
