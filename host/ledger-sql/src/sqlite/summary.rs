//! Summing up activities: one pass over those of a time.

use jiff::Timestamp;
use rusqlite::{Connection as Database, ToSql};

use super::activity_scan::{COLUMNS, Owner, examined};
use super::names::Lookup;
use super::titles::Titles;
use crate::failure::Result;
use integration_host_ledger::activity_list::{SPANS, WITHOUT_CONTENT};
use integration_host_ledger::summary_accumulator::{Passed, SummaryAccumulator};
use integration_host_ledger::totals::described;
use integration_host_ledger::{ActivityFilter, Summary};

/// Where [`COLUMNS`] begin.
const FIRST: usize = 4;

/// Whether an activity's connection was active once and is not now.
const IS_AWAY: &str = "(SELECT completed AND state <> 'active' FROM connections
         WHERE connections.number = activities.connection)";

/// A summary, for which about so many activities are looked at.
pub fn summarize(
    database: &Database,
    owner: Owner,
    filter: &ActivityFilter,
    times: &[i64],
    now: Timestamp,
    most_examined: usize,
) -> Result<Summary> {
    let (Some(&from), Some(&to)) = (times.first(), times.last()) else {
        return Ok(Summary::default());
    };
    let mut pass = SummaryAccumulator::new(filter, owner.user, now, times);
    let mut titles = Titles::new(database);
    let owner = owner.connection;
    let which = match owner {
        Some(_) => "INDEXED BY activities_by_connection WHERE connection = :owner",
        None => "INDEXED BY activities_by_place WHERE :owner IS NULL",
    };
    let mut statement = database.prepare_cached(&format!(
        "SELECT place, stop, user, stop IS NULL AND {IS_AWAY}, {COLUMNS} FROM activities {which}
             AND visibility = :visibility AND span = :span AND place > :after AND place < :to
             AND (place > :from OR stop IS NULL OR stop > :from)
         ORDER BY place DESC LIMIT :limit"
    ))?;
    let mut left = most_examined;
    let mut complete = true;
    let visibilities = match (filter.only_unmapped, filter.include_unmapped) {
        (true, _) => 1..=1,
        (false, with_unmapped) => 0..=i64::from(with_unmapped),
    };
    for visibility in visibilities {
        for (span, width) in (0_i64..).zip(SPANS) {
            let after = width.map_or(WITHOUT_CONTENT, |width| from - width);
            // One more tells that there are more.
            let limit = left as i64 + 1;
            let parameters: [(&str, &dyn ToSql); 7] = [
                (":owner", &owner),
                (":visibility", &visibility),
                (":span", &span),
                (":after", &after),
                (":from", &from),
                (":to", &to),
                (":limit", &limit),
            ];
            let mut rows = statement.query(&parameters)?;
            while let Some(row) = rows.next()? {
                if left == 0 {
                    complete = false;
                    break;
                }
                left -= 1;
                let passed = Passed {
                    start: row.get(0)?,
                    stop: row.get(1)?,
                    user: row.get(2)?,
                    is_frozen: row.get(3)?,
                };
                pass.add(&examined(row, FIRST)?, &passed, |connection, subject| {
                    Ok(titles.path(connection, Some(subject))?)
                })?;
            }
        }
    }
    let mut names = Lookup::new(database, titles);
    Ok(Summary {
        complete,
        ..described(pass.totals, &mut names)?
    })
}
