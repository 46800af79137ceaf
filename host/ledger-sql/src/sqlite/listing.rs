//! Reading activities: lists, ids and the change feed.

use jiff::Timestamp;
use rusqlite::{Connection as Database, Row, params};

use super::activity_scan::{ActivityScan, Next, Place};
use super::titles::Titles;
use super::{Result, connection_number, rows};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::titles::title;
use integration_host_ledger::{ActivityFilter, LedgerActivity, LedgerError, MAX_PAGE, Page};

/// One page, for which about so many activities are looked at.
pub(super) fn page(
    database: &Database,
    filter: &ActivityFilter,
    cursor: Option<&str>,
    limit: usize,
    most_examined: usize,
) -> Result<Page<LedgerActivity>> {
    let limit = limit.clamp(1, MAX_PAGE);
    let cursor = cursor.map(parse_cursor).transpose()?;
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let Some(mut runs) = ActivityScan::new(database, filter, cursor, most_examined)? else {
        return Ok(page);
    };
    let mut titles = Titles::new(database);
    let mut places: Vec<Place> = Vec::new();
    let mut passed = None;
    loop {
        match runs.next(&mut titles)? {
            Next::End => break,
            Next::Matching(place) if places.len() < limit => {
                places.push(place);
                passed = Some(place);
            }
            Next::Other(place) => passed = Some(place),
            Next::Matching(_) | Next::Enough => {
                page.next = passed.map(|(start, number)| format!("{start}.{number}"));
                break;
            }
        }
    }
    for (_, number) in places {
        page.items.extend(find(database, &mut titles, number)?);
    }
    Ok(page)
}

fn parse_cursor(cursor: &str) -> Result<Place> {
    let parse = || {
        let (start, number) = cursor.split_once('.')?;
        Some((start.parse().ok()?, number.parse().ok()?))
    };
    parse().ok_or_else(|| {
        LedgerError::Invalid(format!(
            "`{cursor}` is not a cursor of a list of activities"
        ))
        .into()
    })
}

pub(super) fn ids(
    database: &Database,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(database, id)?;
    let mut statement = database.prepare_cached(
        "WITH spans (span, width) AS (
             VALUES (0, 3600000), (1, 86400000), (2, 2764800000), (3, 1000000000000000), (4, 1000000000000000)
         )
         SELECT entry_id FROM spans CROSS JOIN activities INDEXED BY activities_by_connection
         ON connection = ?1 AND visibility IN (0, 1) AND activities.span = spans.span
             AND place >= ?2 - width AND place <= ?3
         WHERE stop >= ?2 AND start IS NOT NULL AND (?4 IS NULL OR entry_id > ?4)
         ORDER BY entry_id LIMIT ?5",
    )?;
    let limit = limit.clamp(1, MAX_PAGE) as i64;
    let ids = statement
        .query_map(
            params![
                connection,
                from.as_millisecond(),
                to.as_millisecond(),
                after,
                limit
            ],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

/// Activities of a connection by their ids, those that are there.
pub(super) fn by_id(
    database: &Database,
    id: &ConnectionId,
    entry_ids: &[String],
) -> Result<Vec<LedgerActivity>> {
    let connection = connection_number(database, id)?;
    let mut statement = database.prepare_cached(&format!(
        "{SELECT} WHERE activities.connection = ?1 AND entry_id = ?2"
    ))?;
    let mut titles = Titles::new(database);
    let mut activities = Vec::new();
    for entry_id in entry_ids {
        let mut rows = statement.query(params![connection, entry_id])?;
        if let Some(row) = rows.next()? {
            activities.push(activity(row, &mut titles)?);
        }
    }
    Ok(activities)
}

pub(super) fn changes(
    database: &Database,
    after: u64,
    limit: usize,
) -> Result<Vec<LedgerActivity>> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut statement = database.prepare_cached(&format!(
        "{SELECT} WHERE change > ?1 ORDER BY change LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![after, limit.clamp(1, MAX_PAGE) as i64])?;
    let mut titles = Titles::new(database);
    let mut activities = Vec::new();
    while let Some(row) = rows.next()? {
        activities.push(activity(row, &mut titles)?);
    }
    Ok(activities)
}

pub(super) fn last_change(database: &Database) -> Result<u64> {
    Ok(database
        .prepare_cached("SELECT last FROM ledger_changes")?
        .query_row([], |row| rows::to_u64(row, 0))?)
}

/// A cross join keeps the order of tables: statistics must not make SQLite go through everything of each connection.
const SELECT: &str = "SELECT connections.number, connections.id, entry_id, content_event, deleted_event, remote_user,
        users.id, users.name, users.email, subject, description, tags, billable, start, stop, deleted,
        content_revision, deleted_revision, change,
        (SELECT name FROM members WHERE members.connection = activities.connection
             AND members.remote_user = activities.remote_user),
        connections.completed AND connections.state <> 'active'
     FROM activities CROSS JOIN connections ON connections.number = activities.connection
     LEFT JOIN users ON users.number = activities.user";

fn find(
    database: &Database,
    titles: &mut Titles<'_>,
    number: i64,
) -> Result<Option<LedgerActivity>> {
    let mut statement =
        database.prepare_cached(&format!("{SELECT} WHERE activities.number = ?1"))?;
    let mut rows = statement.query(params![number])?;
    rows.next()?.map(|row| activity(row, titles)).transpose()
}

fn activity(row: &Row<'_>, titles: &mut Titles<'_>) -> Result<LedgerActivity> {
    let deleted: bool = row.get(15)?;
    let subjects = titles.path(row.get(0)?, rows::text(row, 9)?)?;
    let (content_revision, deleted_revision): (Option<String>, Option<String>) =
        (row.get(16)?, row.get(17)?);
    let event_id: Option<String> = row.get(if deleted { 4 } else { 3 })?;
    let stop = rows::optional_timestamp(row, 14)?;
    Ok(LedgerActivity {
        connection_id: ConnectionId::new(row.get::<_, String>(1)?),
        entry_id: row.get(2)?,
        missing: deleted && event_id.is_none(),
        event_id,
        remote_user_id: row.get::<_, Option<String>>(5)?.map(RemoteUserId::new),
        remote_user_name: row.get(19)?,
        user: rows::user(row, 6)?,
        title: title(&subjects, row.get(10)?),
        subjects,
        tags: rows::texts(row, 11)?,
        billable: row.get(12)?,
        start: rows::optional_timestamp(row, 13)?,
        frozen: !deleted && stop.is_none() && row.get(20)?,
        stop,
        deleted,
        revision: if deleted {
            deleted_revision
        } else {
            content_revision
        }
        .unwrap_or_default(),
        cursor: rows::to_u64(row, 18)?,
    })
}
