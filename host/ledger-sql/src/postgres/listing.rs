//! Reading activities: lists, ids and the change feed.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::activity_scan::{ActivityScan, Place, examined, place};
use super::subjects::Paths;
use super::values::{get, optional_timestamp, signed, texts, to_u64, user};
use super::{Result, connection_number};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_database::postgres::rows;
use integration_host_ledger::titles::title;
use integration_host_ledger::unindexed_filter::UnindexedFilter;
use integration_host_ledger::{ActivityFilter, LedgerActivity, LedgerError, MAX_PAGE, Page};

/// One page, for which about so many activities are looked at.
pub(super) async fn page(
    client: &impl GenericClient,
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
    let mut residual = UnindexedFilter::of(filter);
    // One more than a page tells that there are more.
    let piece = match residual {
        None => limit + 1,
        Some(_) => most_examined,
    };
    let Some(mut pieces) = ActivityScan::new(client, filter, cursor, piece).await? else {
        return Ok(page);
    };
    let mut paths = Paths::default();
    let (found, is_last) = pieces.next(client).await?;
    if let Some(residual) = &residual
        && residual.needs_paths()
    {
        paths.read(client, subjects_of(&found)?).await?;
    }
    let mut numbers: Vec<i64> = Vec::new();
    let mut passed: Option<Place> = None;
    let mut has_more = !is_last;
    for row in &found {
        let matches = match &mut residual {
            None => true,
            Some(residual) => residual.matches(&examined(row)?, |connection, subject| {
                paths.path(connection, Some(subject))
            })?,
        };
        if matches && numbers.len() == limit {
            has_more = true;
            break;
        }
        let place = place(row)?;
        if matches {
            numbers.push(place.1);
        }
        passed = Some(place);
    }
    page.next = passed.filter(|_| has_more).map(cursor_after);
    page.items = find(client, &numbers, &mut paths).await?;
    Ok(page)
}

fn subjects_of(found: &[Row]) -> Result<Vec<(i64, &str)>> {
    let mut subjects = Vec::new();
    for row in found {
        let activity = examined(row)?;
        subjects.extend(
            activity
                .subject
                .map(|subject| (activity.connection, subject)),
        );
    }
    Ok(subjects)
}

fn cursor_after((start, number): Place) -> String {
    format!("{start}.{number}")
}

fn parse_cursor(cursor: &str) -> Result<Place, LedgerError> {
    let parse = || {
        let (start, number) = cursor.split_once('.')?;
        Some((start.parse().ok()?, number.parse().ok()?))
    };
    parse().ok_or_else(|| {
        LedgerError::Invalid(format!(
            "`{cursor}` is not a cursor of a list of activities"
        ))
    })
}

pub(super) async fn ids(
    client: &impl GenericClient,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(client, id).await?;
    let found = rows(
        client,
        "WITH spans (span, width) AS (
             VALUES (0, 3600000), (1, 86400000), (2, 2764800000), (3, 1000000000000000), (4, 1000000000000000)
         )
         SELECT entry_id FROM spans JOIN activities
         ON connection = $1 AND visibility IN (0, 1) AND activities.span = spans.span
             AND place >= $2 - width AND place <= $3
         WHERE stop >= $2 AND start IS NOT NULL AND ($4::text IS NULL OR entry_id > $4)
         ORDER BY entry_id LIMIT $5",
        &[
            &connection,
            &from.as_millisecond(),
            &to.as_millisecond(),
            &after,
            &(limit.clamp(1, MAX_PAGE) as i64),
        ],
    )
    .await?;
    found.iter().map(|row| get(row, 0)).collect()
}

/// Activities of a connection by their ids, those that are there.
pub(super) async fn by_id(
    client: &impl GenericClient,
    id: &ConnectionId,
    entry_ids: &[String],
) -> Result<Vec<LedgerActivity>> {
    let connection = connection_number(client, id).await?;
    let sql = format!(
        "{SELECT} WHERE activities.connection = $1 AND entry_id = ANY ($2) ORDER BY entry_id"
    );
    let found = rows(client, &sql, &[&connection, &entry_ids]).await?;
    described(client, &found, &mut Paths::default()).await
}

pub(super) async fn changes(
    client: &impl GenericClient,
    after: u64,
    limit: usize,
) -> Result<Vec<LedgerActivity>> {
    let sql = format!("{SELECT} WHERE change > $1 ORDER BY change LIMIT $2");
    let limit = limit.clamp(1, MAX_PAGE) as i64;
    let found = rows(client, &sql, &[&signed(after), &limit]).await?;
    described(client, &found, &mut Paths::default()).await
}

const SELECT: &str = "SELECT activities.number, connections.number, connections.id, entry_id, content_event,
        deleted_event, activities.remote_user, users.id, users.name, users.email, subject, description, tags, billable,
        start, stop, visibility >= 2, content_revision, deleted_revision, change, members.name,
        connections.completed AND connections.state <> 'active'
     FROM activities JOIN connections ON connections.number = activities.connection
     LEFT JOIN users ON users.number = activities.user_number
     LEFT JOIN members ON members.connection = activities.connection
         AND members.remote_user = activities.remote_user";

/// Activities by their numbers, in that order.
async fn find(
    client: &impl GenericClient,
    numbers: &[i64],
    paths: &mut Paths,
) -> Result<Vec<LedgerActivity>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("{SELECT} WHERE activities.number = ANY ($1)");
    let mut found = rows(client, &sql, &[&numbers]).await?;
    let order: HashMap<i64, usize> = (numbers.iter().copied()).zip(0..).collect();
    found.sort_by_cached_key(|row| row.try_get(0).ok().and_then(|number| order.get(&number)));
    described(client, &found, paths).await
}

async fn described(
    client: &impl GenericClient,
    found: &[Row],
    paths: &mut Paths,
) -> Result<Vec<LedgerActivity>> {
    let mut subjects = Vec::new();
    for row in found {
        let subject: Option<&str> = get(row, 10)?;
        if let Some(subject) = subject {
            subjects.push((get(row, 1)?, subject));
        }
    }
    paths.read(client, subjects).await?;
    found.iter().map(|row| activity(row, paths)).collect()
}

fn activity(row: &Row, paths: &Paths) -> Result<LedgerActivity> {
    let deleted: bool = get(row, 16)?;
    let subjects = paths.path(get(row, 1)?, get(row, 10)?)?;
    let revision: Option<String> = get(row, if deleted { 18 } else { 17 })?;
    let event_id: Option<String> = get(row, if deleted { 5 } else { 4 })?;
    let stop = optional_timestamp(row, 15)?;
    Ok(LedgerActivity {
        connection_id: ConnectionId::new(get::<String>(row, 2)?),
        entry_id: get(row, 3)?,
        missing: deleted && event_id.is_none(),
        event_id,
        remote_user_id: get::<Option<String>>(row, 6)?.map(RemoteUserId::new),
        remote_user_name: get(row, 20)?,
        user: user(row, 7)?,
        title: title(&subjects, get(row, 11)?),
        subjects,
        tags: texts(row, 12)?,
        billable: get(row, 13)?,
        start: optional_timestamp(row, 14)?,
        frozen: !deleted && stop.is_none() && get(row, 21)?,
        stop,
        deleted,
        revision: revision.unwrap_or_default(),
        cursor: to_u64(row, 19)?,
    })
}
