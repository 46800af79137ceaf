//! Summing up activities: one pass over those of a time.

use jiff::Timestamp;
use rusqlite::{Connection as Database, Row, ToSql};

use super::Result;
use super::names::Lookup;
use super::runs::{COLUMNS, SPANS, WITHOUT_CONTENT, examined, owner, user_number};
use super::titles::Titles;
use crate::ledger::residual::Residual;
use crate::ledger::summary::milliseconds;
use crate::ledger::totals::{Totals, described};
use crate::ledger::{ActivityFilter, Summary};

/// Where [`COLUMNS`] begin.
const FIRST: usize = 3;

/// A summary, for which about so many activities are looked at.
pub(super) fn summarize(
    database: &Database,
    filter: &ActivityFilter,
    boundaries: &[Timestamp],
    now: Timestamp,
    most_examined: usize,
) -> Result<Summary> {
    let times = milliseconds(boundaries)?;
    let (Some(&from), Some(&to)) = (times.first(), times.last()) else {
        return Ok(Summary::default());
    };
    let mut pass = Pass {
        titles: Titles::new(database),
        residual: Residual::of(filter),
        user: match &filter.user {
            Some(user) => Some(user_number(database, user)?),
            None => None,
        },
        now: now.as_millisecond(),
        totals: Totals::new(&times),
    };
    let owner = owner(database, filter)?;
    let which = match owner {
        Some(_) => "INDEXED BY activities_by_connection WHERE connection = :owner",
        None => "INDEXED BY activities_by_place WHERE :owner IS NULL",
    };
    let mut statement = database.prepare_cached(&format!(
        "SELECT place, stop, user, {COLUMNS} FROM activities {which}
             AND visibility = :visibility AND span = :span AND place > :after AND place < :to
             AND (place > :from OR stop IS NULL OR stop > :from)
         ORDER BY place DESC LIMIT :limit"
    ))?;
    let mut left = most_examined;
    let mut complete = true;
    for visibility in 0..=i64::from(filter.include_unmapped) {
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
                pass.add(row)?;
            }
        }
    }
    let mut names = Lookup::new(database, pass.titles);
    Ok(Summary {
        complete,
        ..described(pass.totals, &mut names)?
    })
}

struct Pass<'a> {
    titles: Titles<'a>,
    residual: Option<Residual>,
    /// The filter's user; within that, nobody was ever mapped to it.
    user: Option<Option<i64>>,
    now: i64,
    totals: Totals,
}

impl Pass<'_> {
    fn add(&mut self, row: &Row<'_>) -> Result<()> {
        let user: Option<i64> = row.get(2)?;
        let activity = examined(row, FIRST)?;
        let Some(remote_user) = activity.remote_user else {
            return Ok(());
        };
        let totals = &mut self.totals;
        let person = totals.person(activity.connection, remote_user, user);
        let subject =
            (activity.subject).map(|subject| totals.subject(activity.connection, subject));
        totals.count_tags(activity.tags)?;
        let is_of_user = self
            .user
            .is_none_or(|wanted| wanted.is_some() && wanted == user);
        let matches = is_of_user
            && match &mut self.residual {
                Some(residual) => residual.matches(&activity, |connection, subject| {
                    self.titles.path(connection, Some(subject))
                })?,
                None => true,
            };
        if matches {
            let stop: Option<i64> = row.get(1)?;
            let (start, end) = (row.get(0)?, stop.unwrap_or(self.now));
            self.totals.add(person, subject, start, end, stop.is_none());
        }
        Ok(())
    }
}
