//! Pages of a list of activities, in its order.
//!
//! A list is put together from a few runs of an index, one for each combination of visibility and class
//! of duration (see the schema). Within a run everything is in the order of the list, and what still ran
//! at a time is found among what began at most the class's width earlier. So a page costs the same whatever
//! the ledger holds.

use std::fmt::Write as _;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::users::user_number;
use super::values::get;
use super::{Result, connection_number};
use integration_host_database::postgres::rows;
use integration_host_ledger::ActivityFilter;
use integration_host_ledger::unindexed_filter::Examined;

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
pub(super) type Place = (i64, i64);

/// What the columns of a piece are: place, number, end and user, then what [`examined`] reads, then whether it is frozen:
/// without an end, of a connection that was active once and is not now.
const COLUMNS: &str = "place, number, stop, user_number, connection, remote_user, subject, tags, billable, description,
    CASE WHEN stop IS NULL THEN (SELECT completed AND state <> 'active' FROM connections
        WHERE connections.number = activities.connection) ELSE false END";

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
        let connection = match &filter.connection {
            Some(id) => Some(connection_number(client, id).await?),
            None => None,
        };
        let user = match &filter.user {
            None => None,
            Some(user) => match user_number(client, user).await? {
                None => return Ok(None),
                number => number,
            },
        };
        let to = filter.to.map(|to| (to.as_millisecond(), 0));
        let before = cursor.into_iter().chain(to).min().unwrap_or((i64::MAX, 0));
        // It stands in the statement, so there are few sizes.
        let size = size.next_power_of_two();
        let (sql, given) = statement(filter, connection, user, size);
        Ok(Some(Self {
            sql,
            given,
            size,
            before,
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
    // What has no content has no time either.
    let timeless = i64::from(filter.from.is_none() && filter.to.is_none());
    let mut runs = String::new();
    for visibility in visibilities(filter) {
        for (span, width) in SPANS.iter().enumerate() {
            if !runs.is_empty() {
                runs.push_str(" UNION ALL ");
            }
            let after = match (&from, width) {
                (Some(from), Some(width)) => format!("{from} - {width}"),
                _ => (WITHOUT_CONTENT - timeless).to_string(),
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

/// The values of `visibility`.
fn visibilities(filter: &ActivityFilter) -> &'static [i16] {
    if filter.only_unmapped {
        return if filter.include_deleted {
            &[1, 3]
        } else {
            &[1]
        };
    }
    match (
        // What is of a user is mapped.
        filter.include_unmapped && filter.user.is_none(),
        filter.include_deleted,
    ) {
        (false, false) => &[0],
        (true, false) => &[0, 1],
        (false, true) => &[0, 2],
        (true, true) => &[0, 1, 2, 3],
    }
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
