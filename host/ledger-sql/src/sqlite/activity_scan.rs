//! Activities in the order of a list.
//!
//! A list is put together from a few runs of an index, one for each combination of visibility and
//! class of duration (see the schema). Within a run everything is in the order of the list, and
//! what still ran at a time is found among what began at most the class's width earlier. Pieces are read
//! a little at a time. So a page costs the same whatever the ledger holds.

use std::collections::VecDeque;

use jiff::Timestamp;
use rusqlite::{
    CachedStatement, Connection as Database, OptionalExtension as _, Row, ToSql, params,
};

use super::titles::Titles;
use super::{Result, connection_number, rows};
use integration_host_contract::id::UserId;
use integration_host_ledger::ActivityFilter;
use integration_host_ledger::unindexed_filter::{Examined, UnindexedFilter};

/// What [`examined`] reads.
pub(super) const COLUMNS: &str = "connection, remote_user, subject, tags, billable, description";

/// The widths of the classes of duration, in milliseconds, by their number in the schema. `None`: no bound.
pub(super) const SPANS: [Option<i64>; 5] = [
    Some(3_600_000),
    Some(86_400_000),
    Some(2_764_800_000),
    None,
    None,
];

/// The place of what has no content: before every start.
pub(super) const WITHOUT_CONTENT: i64 = -1_000_000_000_000_000;

/// How much of a run is read first, and at most at once; it doubles from one time to the next.
const FIRST_PIECE: usize = 16;
const LARGEST_PIECE: usize = 512;

/// Where an activity is in a list: its start, then its number.
pub(super) type Place = (i64, i64);

/// What comes next in the order of a list.
pub(super) enum Next {
    /// An activity that the list has.
    Matching(Place),
    /// One that it does not have.
    Other(Place),
    /// Nothing.
    End,
    /// Enough was looked at.
    Enough,
}

/// An index scan over the activities of a list: the runs that its filter needs.
pub(super) struct ActivityScan<'a> {
    statement: CachedStatement<'a>,
    /// The connection's or the user's number.
    owner: Option<i64>,
    /// The connection's number, where the index does not know it.
    connection: Option<i64>,
    from: Option<i64>,
    residual: Option<UnindexedFilter>,
    runs: Vec<Run>,
    /// How many activities may still be looked at.
    left: usize,
}

struct Run {
    visibility: i64,
    span: i64,
    /// What began until then is not wanted.
    after: i64,
    /// Where to read on.
    before: Place,
    piece: usize,
    /// What was read, and whether it matches.
    read: VecDeque<(Place, bool)>,
    is_at_end: bool,
}

impl<'a> ActivityScan<'a> {
    /// `None`: nothing can match.
    pub(super) fn new(
        database: &'a Database,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        most_examined: usize,
    ) -> Result<Option<Self>> {
        let connection = owner(database, filter)?;
        let residual = UnindexedFilter::of(filter);
        let (owner, connection, which) = match &filter.user {
            Some(user) => match user_number(database, user)? {
                None => return Ok(None),
                number => (
                    number,
                    connection,
                    "INDEXED BY activities_by_user WHERE user = :owner AND deleted = :visibility
                         AND (:connection IS NULL OR connection = :connection)",
                ),
            },
            None if connection.is_some() => (
                connection,
                None,
                "INDEXED BY activities_by_connection WHERE connection = :owner
                     AND visibility = :visibility AND :connection IS NULL",
            ),
            None => (
                None,
                None,
                "INDEXED BY activities_by_place WHERE :owner IS NULL
                     AND visibility = :visibility AND :connection IS NULL",
            ),
        };
        let columns = match residual {
            Some(_) => COLUMNS,
            None => "NULL",
        };
        let sql = format!(
            "SELECT place, number, {columns} FROM activities {which}
                 AND span = :span AND place > :after AND (place, number) < (:place, :number)
                 AND (:from IS NULL OR place > :from OR stop IS NULL OR stop > :from)
             ORDER BY place DESC, number DESC LIMIT :limit"
        );
        Ok(Some(Self {
            statement: database.prepare_cached(&sql)?,
            owner,
            connection,
            from: filter.from.map(Timestamp::as_millisecond),
            left: match residual {
                Some(_) => most_examined,
                // All that is read matches.
                None => usize::MAX,
            },
            residual,
            runs: runs(filter, cursor),
        }))
    }

    pub(super) fn next(&mut self, titles: &mut Titles<'_>) -> Result<Next> {
        let Self {
            statement,
            owner,
            connection,
            from,
            residual,
            runs,
            left,
        } = self;
        for run in runs.iter_mut() {
            if !run.read.is_empty() || run.is_at_end {
                continue;
            }
            // The beginning of every run is read in any case: otherwise a page might not get on.
            if *left == 0 && run.piece > FIRST_PIECE {
                return Ok(Next::Enough);
            }
            let parameters: [(&str, &dyn ToSql); 9] = [
                (":owner", owner),
                (":visibility", &run.visibility),
                (":span", &run.span),
                (":after", &run.after),
                (":place", &run.before.0),
                (":number", &run.before.1),
                (":from", from),
                (":connection", connection),
                (":limit", &(run.piece as i64)),
            ];
            let mut rows = statement.query(&parameters)?;
            while let Some(row) = rows.next()? {
                let matches = match residual {
                    Some(residual) => residual
                        .matches(&examined(row, 2)?, |connection, subject| {
                            titles.path(connection, Some(subject))
                        })?,
                    None => true,
                };
                run.before = (row.get(0)?, row.get(1)?);
                run.read.push_back((run.before, matches));
            }
            *left = left.saturating_sub(run.read.len());
            run.is_at_end = run.read.len() < run.piece;
            run.piece = (run.piece * 2).min(LARGEST_PIECE);
        }
        let newest = runs
            .iter_mut()
            .max_by_key(|run| run.read.front().map(|(place, _)| *place));
        Ok(match newest.and_then(|run| run.read.pop_front()) {
            None => Next::End,
            Some((place, true)) => Next::Matching(place),
            Some((place, false)) => Next::Other(place),
        })
    }
}

fn runs(filter: &ActivityFilter, cursor: Option<Place>) -> Vec<Run> {
    let from = filter.from.map(Timestamp::as_millisecond);
    let to = filter.to.map(|to| (to.as_millisecond(), 0));
    let before = cursor.into_iter().chain(to).min().unwrap_or((i64::MAX, 0));
    // What has no content has no time either.
    let timeless = i64::from(filter.from.is_none() && filter.to.is_none());
    let mut runs = Vec::new();
    for visibility in visibilities(filter) {
        for (span, width) in (0..).zip(SPANS) {
            runs.push(Run {
                visibility,
                span,
                after: match (from, width) {
                    (Some(from), Some(width)) => from - width,
                    _ => WITHOUT_CONTENT - timeless,
                },
                before,
                piece: FIRST_PIECE,
                read: VecDeque::new(),
                is_at_end: false,
            });
        }
    }
    runs
}

/// The values of `visibility`, or of `deleted` where the index is that of a user, who is mapped.
fn visibilities(filter: &ActivityFilter) -> Vec<i64> {
    if filter.only_unmapped {
        return match (filter.user.is_some(), filter.include_deleted) {
            (true, _) => vec![],
            (false, false) => vec![1],
            (false, true) => vec![1, 3],
        };
    }
    match (
        filter.user.is_some(),
        filter.include_unmapped,
        filter.include_deleted,
    ) {
        (_, false, false) | (true, true, false) => vec![0],
        (true, _, true) => vec![0, 1],
        (false, true, false) => vec![0, 1],
        (false, false, true) => vec![0, 2],
        (false, true, true) => vec![0, 1, 2, 3],
    }
}

/// The number of a filter's connection.
pub(super) fn owner(database: &Database, filter: &ActivityFilter) -> Result<Option<i64>> {
    filter.ensure_names_connection()?;
    let connection = filter.connection.as_ref();
    connection
        .map(|id| connection_number(database, id))
        .transpose()
}

/// The number of a user that somebody was mapped to.
pub(super) fn user_number(database: &Database, user: &UserId) -> Result<Option<i64>> {
    Ok(database
        .prepare_cached("SELECT number FROM users WHERE id = ?1")?
        .query_row(params![user.as_str()], |row| row.get(0))
        .optional()?)
}

/// What a filter must know of an activity, from [`COLUMNS`] that begin at `first`.
pub(super) fn examined<'a>(row: &'a Row<'_>, first: usize) -> rusqlite::Result<Examined<'a>> {
    Ok(Examined {
        connection: row.get(first)?,
        remote_user: rows::text(row, first + 1)?,
        subject: rows::text(row, first + 2)?,
        tags: rows::text(row, first + 3)?,
        billable: row.get(first + 4)?,
        description: rows::text(row, first + 5)?,
    })
}
