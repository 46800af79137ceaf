//! Pages of a list of activities, in its order.
//!
//! One statement reads all the runs that a list is put together from, each along its index.

use std::fmt::Write as _;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::Postgres;
use super::subjects;
use super::values::get;
use crate::activities::user_number;
use crate::backend::{Scanned, number_if_named};
use crate::failure::{Failure, Result};
use integration_host_database::postgres::rows;
use integration_host_ledger::ActivityFilter;
use integration_host_ledger::activity_list::{
    Place, SPANS, begins_before, ends_after, visibilities,
};
use integration_host_ledger::unindexed_filter::{Examined, UnindexedFilter};

/// What the columns of a piece are: place, number, end and user, then what [`examined`] reads, then whether it is frozen:
/// without an end, of a connection that was active once and is not now.
const COLUMNS: &str = "place, number, stop, user_number, connection, remote_user, subject, tags, billable, description,
    CASE WHEN stop IS NULL THEN (SELECT completed AND state <> 'active' FROM connections
        WHERE connections.number = activities.connection) ELSE false END";

/// Goes through a list up to a page's end, or until about so many activities were looked at.
pub(super) async fn scan(
    client: &impl GenericClient,
    filter: &ActivityFilter,
    cursor: Option<Place>,
    limit: usize,
    most_examined: usize,
) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    let mut residual = UnindexedFilter::of(filter);
    // One more than a page tells that there are more.
    let piece = match residual {
        None => limit + 1,
        Some(_) => most_examined,
    };
    let Some(mut pieces) = ActivityScan::new(client, filter, cursor, piece).await? else {
        return Ok(scanned);
    };
    let (found, is_last) = pieces.next(client).await?;
    if let Some(residual) = &residual
        && residual.needs_paths()
    {
        subjects::read(client, &mut scanned.paths, &subjects_of(&found)?).await?;
    }
    let paths = &scanned.paths;
    let mut passed: Option<Place> = None;
    let mut has_more = !is_last;
    for row in &found {
        let matches = match &mut residual {
            None => true,
            Some(residual) => residual.matches(&examined(row)?, |connection, subject| {
                Ok::<_, Failure>(paths.path(connection, Some(subject)))
            })?,
        };
        if matches && scanned.numbers.len() == limit {
            has_more = true;
            break;
        }
        let place = place(row)?;
        if matches {
            scanned.numbers.push(place.1);
        }
        passed = Some(place);
    }
    scanned.next = passed.filter(|_| has_more);
    Ok(scanned)
}

fn subjects_of(found: &[Row]) -> Result<Vec<(i64, String)>> {
    let mut subjects = Vec::new();
    for row in found {
        let activity = examined(row)?;
        let subject = activity.subject;
        subjects.extend(subject.map(|subject| (activity.connection, subject.to_owned())));
    }
    Ok(subjects)
}

/// An index scan over the activities of a list, read a piece at a time.
pub(super) struct ActivityScan {
    sql: String,
    /// What the statement is given besides the place and number to begin before.
    given: Vec<i64>,
    /// How many are read at once.
    size: usize,
    before: Place,
}

impl ActivityScan {
    /// A scan that reads at least so many at once. `None`: nothing can match.
    pub(super) async fn new(
        client: &impl GenericClient,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        size: usize,
    ) -> Result<Option<Self>> {
        filter.ensure_names_connection()?;
        let db = Postgres(client);
        let connection = number_if_named(&db, filter.connection.as_ref()).await?;
        let user = match &filter.user {
            None => None,
            Some(user) => match user_number(&db, user).await? {
                None => return Ok(None),
                number => number,
            },
        };
        // It stands in the statement, so there are few sizes.
        let size = size.next_power_of_two();
        let (sql, given) = statement(filter, connection, user, size);
        Ok(Some(Self {
            sql,
            given,
            size,
            before: begins_before(filter, cursor),
        }))
    }

    /// The next piece, newest first, and whether it is the last.
    pub(super) async fn next(&mut self, client: &impl GenericClient) -> Result<(Vec<Row>, bool)> {
        let (place, number) = self.before;
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&place, &number];
        parameters.extend(self.given.iter().map(|value| value as &(dyn ToSql + Sync)));
        let found = rows(client, &self.sql, &parameters).await?;
        if let Some(last) = found.last() {
            self.before = (get(last, 0)?, get(last, 1)?);
        }
        let is_last = found.len() < self.size;
        Ok((found, is_last))
    }
}

/// One statement for all runs, each read along its index, and what it is given besides the place and number to begin
/// before. Only what varies is a parameter: then one plan is as good as another, and Postgres makes it once.
fn statement(
    filter: &ActivityFilter,
    connection: Option<i64>,
    user: Option<i64>,
    size: usize,
) -> (String, Vec<i64>) {
    let from = filter.from.map(Timestamp::as_millisecond);
    let mut given = Vec::new();
    let mut parameter = |value: Option<i64>| {
        given.push(value?);
        Some(format!("${}::bigint", given.len() + 2))
    };
    let mut conditions = String::new();
    // Writing to a text cannot fail.
    if let Some(connection) = parameter(connection) {
        let _ = write!(conditions, "connection = {connection} AND ");
    }
    if let Some(user) = parameter(user) {
        let _ = write!(conditions, "user_number = {user} AND ");
    }
    let from = parameter(from);
    if let Some(from) = &from {
        let _ = write!(
            conditions,
            "(place > {from} OR stop IS NULL OR stop > {from}) AND "
        );
    }
    let mut runs = String::new();
    for visibility in visibilities(filter) {
        for (span, width) in SPANS.iter().enumerate() {
            if !runs.is_empty() {
                runs.push_str(" UNION ALL ");
            }
            let after = match (&from, width) {
                (Some(from), Some(width)) => format!("{from} - {width}"),
                _ => ends_after(filter).to_string(),
            };
            let _ = write!(
                runs,
                "(SELECT {COLUMNS} FROM activities
                  WHERE {conditions} visibility = {visibility} AND span = {span}
                      AND place > {after} AND (place, number) < ($1, $2)
                  ORDER BY place DESC, number DESC LIMIT {size})"
            );
        }
    }
    let sql = format!("{runs} ORDER BY place DESC, number DESC LIMIT {size}");
    (sql, given)
}

/// Where an activity is.
pub(super) fn place(row: &Row) -> Result<Place> {
    Ok((get(row, 0)?, get(row, 1)?))
}

/// When it ended; `None`: it runs, or is frozen.
pub(super) fn stop(row: &Row) -> Result<Option<i64>> {
    get(row, 2)
}

/// Whether it ran when its connection was disconnected.
pub(super) fn is_frozen(row: &Row) -> Result<bool> {
    get(row, 10)
}

/// The number of its user.
pub(super) fn user(row: &Row) -> Result<Option<i64>> {
    get(row, 3)
}

/// What a filter must know of it.
pub(super) fn examined(row: &Row) -> Result<Examined<'_>> {
    Ok(Examined {
        connection: get(row, 4)?,
        remote_user: get(row, 5)?,
        subject: get(row, 6)?,
        tags: get(row, 7)?,
        billable: get(row, 8)?,
        description: get(row, 9)?,
    })
}
