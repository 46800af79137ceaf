//! Reading activities: lists, ids and the change feed.
//!
//! A list is put together from a few runs of an index, one for each combination of visibility and
//! class of duration (see the schema). Within a run everything is in the order of the list, and
//! what still ran at a time is found among what began at most the class's width earlier. So a page
//! costs the same whatever the ledger holds.

use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, Row, ToSql, params};

use super::titles::Titles;
use super::{Result, connection_number, rows};
use crate::id::{ConnectionId, RemoteUserId};
use crate::ledger::{ActivityFilter, LedgerActivity, LedgerError, MAX_PAGE, Page};

/// The widths of the classes of duration, in milliseconds, by their number in the schema. `None`: no bound.
const SPANS: [Option<i64>; 5] = [
    Some(3_600_000),
    Some(86_400_000),
    Some(2_764_800_000),
    None,
    None,
];

/// The place of what has no content: before every start.
const WITHOUT_CONTENT: i64 = -1_000_000_000_000_000;

/// Where an activity is in a list: its start, then its number.
type Place = (i64, i64);

pub(super) fn page(
    database: &Database,
    filter: &ActivityFilter,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<LedgerActivity>> {
    let limit = limit.clamp(1, MAX_PAGE);
    let cursor = cursor.map(parse_cursor).transpose()?;
    let to = filter.to.map(|to| (to.as_millisecond(), 0));
    let before = cursor.into_iter().chain(to).min().unwrap_or((i64::MAX, 0));
    let mut places = match Runs::new(database, filter)? {
        Some(runs) => runs.places(database, filter, before, limit + 1)?,
        None => Vec::new(),
    };
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places
        .last()
        .filter(|_| more)
        .map(|(start, number)| format!("{start}.{number}"));
    let mut titles = Titles::new(database);
    let mut items = Vec::with_capacity(places.len());
    for (_, number) in places {
        items.extend(find(database, &mut titles, number)?);
    }
    Ok(Page { items, next })
}

/// Which runs of which index a filter needs.
struct Runs {
    sql: &'static str,
    /// The connection's or the user's number.
    owner: Option<i64>,
    /// The connection's number, where the index does not know it.
    connection: Option<i64>,
    visibilities: Vec<i64>,
}

impl Runs {
    /// `None`: nothing can match.
    fn new(database: &Database, filter: &ActivityFilter) -> Result<Option<Self>> {
        let connection = filter
            .connection
            .as_ref()
            .map(|id| connection_number(database, id))
            .transpose()?;
        if let Some(user) = &filter.user {
            let number: Option<i64> = database
                .prepare_cached("SELECT number FROM users WHERE id = ?1")?
                .query_row(params![user.as_str()], |row| row.get(0))
                .optional()?;
            return Ok(number.map(|number| Self {
                sql: "SELECT place, number FROM activities INDEXED BY activities_by_user
                      WHERE user = :owner AND deleted = :visibility AND span = :span AND place > :after
                          AND (place, number) < (:place, :number)
                          AND (:from IS NULL OR place > :from OR stop IS NULL OR stop > :from)
                          AND (:connection IS NULL OR connection = :connection)
                      ORDER BY place DESC, number DESC LIMIT :limit",
                owner: Some(number),
                connection,
                visibilities: if filter.include_deleted { vec![0, 1] } else { vec![0] },
            }));
        }
        let mut visibilities = vec![0];
        if filter.include_unmapped {
            visibilities.push(1);
        }
        if filter.include_deleted {
            visibilities.push(2);
        }
        if filter.include_unmapped && filter.include_deleted {
            visibilities.push(3);
        }
        let sql = match connection {
            Some(_) => {
                "SELECT place, number FROM activities INDEXED BY activities_by_connection
                 WHERE connection = :owner AND visibility = :visibility AND span = :span AND place > :after
                     AND (place, number) < (:place, :number)
                     AND (:from IS NULL OR place > :from OR stop IS NULL OR stop > :from)
                     AND :connection IS NULL
                 ORDER BY place DESC, number DESC LIMIT :limit"
            }
            None => {
                "SELECT place, number FROM activities INDEXED BY activities_by_place
                 WHERE :owner IS NULL AND visibility = :visibility AND span = :span AND place > :after
                     AND (place, number) < (:place, :number)
                     AND (:from IS NULL OR place > :from OR stop IS NULL OR stop > :from)
                     AND :connection IS NULL
                 ORDER BY place DESC, number DESC LIMIT :limit"
            }
        };
        Ok(Some(Self {
            sql,
            owner: connection,
            connection: None,
            visibilities,
        }))
    }

    /// The first places before `before`, from all runs.
    fn places(
        &self,
        database: &Database,
        filter: &ActivityFilter,
        before: Place,
        limit: usize,
    ) -> Result<Vec<Place>> {
        let from = filter.from.map(Timestamp::as_millisecond);
        // What has no content has no time either.
        let timeless = if filter.from.is_some() || filter.to.is_some() {
            0
        } else {
            1
        };
        let mut statement = database.prepare_cached(self.sql)?;
        let mut places: Vec<Place> = Vec::new();
        // A full page found so far spares the later runs what would be behind it.
        let mut page_end = i64::MIN;
        for visibility in &self.visibilities {
            for (span, width) in SPANS.iter().enumerate() {
                let after = match (from, width) {
                    (Some(from), Some(width)) => from - width,
                    _ => WITHOUT_CONTENT - timeless,
                };
                let parameters: [(&str, &dyn ToSql); 9] = [
                    (":owner", &self.owner),
                    (":visibility", visibility),
                    (":span", &(span as i64)),
                    (":after", &after.max(page_end)),
                    (":place", &before.0),
                    (":number", &before.1),
                    (":from", &from),
                    (":connection", &self.connection),
                    (":limit", &(limit as i64)),
                ];
                let mut run = statement.query(&parameters)?;
                while let Some(row) = run.next()? {
                    places.push((row.get(0)?, row.get(1)?));
                }
                places.sort_unstable_by(|one, other| other.cmp(one));
                places.truncate(limit);
                if let Some((start, _)) = places.last().filter(|_| places.len() == limit) {
                    page_end = start - 1;
                }
            }
        }
        Ok(places)
    }
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
        .query_row([], |row| rows::unsigned(row, 0))?)
}

const SELECT: &str = "SELECT connections.number, connections.id, entry_id, content_event, deleted_event, remote_user,
        users.id, users.name, users.email, subject, description, tags, billable, start, stop, deleted,
        content_revision, deleted_revision, change
     FROM activities JOIN connections ON connections.number = activities.connection
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
    let (content_revision, deleted_revision): (Option<String>, Option<String>) =
        (row.get(16)?, row.get(17)?);
    Ok(LedgerActivity {
        connection_id: ConnectionId::new(row.get::<_, String>(1)?),
        entry_id: row.get(2)?,
        event_id: row.get(if deleted { 4 } else { 3 })?,
        remote_user_id: row.get::<_, Option<String>>(5)?.map(RemoteUserId::new),
        user: rows::user(row, 6)?,
        title: titles.compose(row.get(0)?, row.get(9)?, row.get(10)?)?,
        tags: rows::texts(row, 11)?,
        billable: row.get(12)?,
        start: rows::optional_timestamp(row, 13)?,
        stop: rows::optional_timestamp(row, 14)?,
        deleted,
        revision: if deleted {
            deleted_revision
        } else {
            content_revision
        }
        .unwrap_or_default(),
        cursor: rows::unsigned(row, 18)?,
    })
}
