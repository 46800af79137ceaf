//! Activities in the order of a list.
//!
//! The runs that a list is put together from are read a little at a time, each along its index.

use std::collections::VecDeque;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection as Database, Row, ToSql};

use super::titles::Titles;
use crate::activities::user_number;
use crate::backend::{Backend, Scanned, number_if_named};
use crate::failure::Result;
use crate::values::Columns as _;
use integration_host_ledger::ActivityFilter;
use integration_host_ledger::activity_list::{
    Place, SPANS, began_after, begins_before, visibilities,
};
use integration_host_ledger::unindexed_filter::{Examined, UnindexedFilter};

/// What [`examined`] reads.
pub const COLUMNS: &str = "connection, remote_user, subject, tags, billable, description";

/// How much of a run is read first, and at most at once; it doubles from one time to the next.
const FIRST_PIECE: usize = 16;
const LARGEST_PIECE: usize = 512;

/// What comes next in the order of a list.
enum Next {
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
struct ActivityScan<'a> {
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
    fn new(
        database: &'a Database,
        owner: Owner,
        filter: &ActivityFilter,
        cursor: Option<Place>,
        most_examined: usize,
    ) -> Result<Option<Self>> {
        let connection = owner.connection;
        let residual = UnindexedFilter::of(filter);
        let (owner, connection, which) = match owner.user {
            Some(user) => match user {
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

    fn next(&mut self, titles: &mut Titles<'_>) -> Result<Next> {
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
    let before = begins_before(filter, cursor);
    let mut runs = Vec::new();
    for visibility in visibilities(filter) {
        let visibility = match &filter.user {
            None => *visibility,
            // The index of a user knows `deleted` instead. What is of a user is mapped.
            Some(_) if visibility % 2 == 0 => visibility / 2,
            Some(_) => continue,
        };
        for (span, width) in (0..).zip(SPANS) {
            runs.push(Run {
                visibility,
                span,
                after: began_after(filter, width),
                before,
                piece: FIRST_PIECE,
                read: VecDeque::new(),
                is_at_end: false,
            });
        }
    }
    runs
}

/// The numbers of those whose activities a filter wants.
#[derive(Clone, Copy)]
pub struct Owner {
    pub connection: Option<i64>,
    /// `Some(None)`: a user that nobody was mapped to.
    pub user: Option<Option<i64>>,
}

/// Whose activities a filter wants.
pub async fn owner(db: &dyn Backend, filter: &ActivityFilter) -> Result<Owner> {
    filter.ensure_names_connection()?;
    Ok(Owner {
        connection: number_if_named(db, filter.connection.as_ref()).await?,
        user: match &filter.user {
            Some(user) => Some(user_number(db, user).await?),
            None => None,
        },
    })
}

/// Goes through a list up to a page's end, or until about so many activities were looked at.
pub fn scan(
    database: &Database,
    owner: Owner,
    filter: &ActivityFilter,
    cursor: Option<Place>,
    limit: usize,
    most_examined: usize,
) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    let Some(mut runs) = ActivityScan::new(database, owner, filter, cursor, most_examined)? else {
        return Ok(scanned);
    };
    let mut titles = Titles::new(database);
    let mut passed = None;
    loop {
        match runs.next(&mut titles)? {
            Next::End => break,
            Next::Matching(place) if scanned.numbers.len() < limit => {
                scanned.numbers.push(place.1);
                passed = Some(place);
            }
            Next::Other(place) => passed = Some(place),
            Next::Matching(_) | Next::Enough => {
                scanned.next = passed;
                break;
            }
        }
    }
    scanned.paths = titles.paths;
    Ok(scanned)
}

/// What a filter must know of an activity, from [`COLUMNS`] that begin at `first`.
pub fn examined<'a>(row: &'a Row<'_>, first: usize) -> Result<Examined<'a>> {
    Ok(Examined {
        connection: row.get(first)?,
        remote_user: row.text(first + 1)?,
        subject: row.text(first + 2)?,
        tags: row.text(first + 3)?,
        billable: row.get(first + 4)?,
        description: row.text(first + 5)?,
    })
}
