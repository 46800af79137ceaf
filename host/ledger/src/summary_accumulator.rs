//! One pass over the activities of a time, which sums them up.

use jiff::Timestamp;

use super::totals::Totals;
use super::unindexed_filter::{Examined, UnindexedFilter};
use super::{ActivityFilter, LedgerError, SubjectName};

/// The sums so far.
pub struct SummaryAccumulator {
    residual: Option<UnindexedFilter>,
    /// The number of the filter's user; within that, nobody was ever mapped to it.
    user: Option<Option<i64>>,
    now: i64,
    /// What was added up so far.
    pub totals: Totals,
}

/// What a summary must know of an activity beside what a filter must.
pub struct Passed {
    /// When it began, in milliseconds since 1970.
    pub start: i64,
    /// `None`: it runs, or is frozen.
    pub stop: Option<i64>,
    /// Whether it ran when its connection was disconnected: then it counts for no time.
    pub is_frozen: bool,
    /// The number of its user.
    pub user: Option<i64>,
}

impl SummaryAccumulator {
    /// A pass between boundaries, in milliseconds.
    pub fn new(
        filter: &ActivityFilter,
        user: Option<Option<i64>>,
        now: Timestamp,
        boundaries: &[i64],
    ) -> Self {
        Self {
            residual: UnindexedFilter::of(filter),
            user,
            now: now.as_millisecond(),
            totals: Totals::new(boundaries),
        }
    }

    /// Passes an activity. `path` looks up a connection's subject after what is above it.
    pub fn add(
        &mut self,
        activity: &Examined<'_>,
        passed: &Passed,
        path: impl FnOnce(i64, &str) -> Result<Vec<SubjectName>, LedgerError>,
    ) -> Result<(), LedgerError> {
        let Some(remote_user) = activity.remote_user else {
            return Ok(());
        };
        let Passed {
            start,
            stop,
            is_frozen,
            user,
        } = *passed;
        let totals = &mut self.totals;
        let person = totals.person(activity.connection, remote_user, start, user);
        let subject =
            (activity.subject).map(|subject| totals.subject(activity.connection, subject));
        totals.count_tags(activity.tags)?;
        let is_of_user = self
            .user
            .is_none_or(|wanted| wanted.is_some() && wanted == user);
        let matches = is_of_user
            && match &mut self.residual {
                Some(residual) => residual.matches(activity, path)?,
                None => true,
            };
        if matches {
            let runs = stop.is_none() && !is_frozen;
            let end = stop.unwrap_or(if runs { self.now } else { start });
            totals.add(person, subject, start, end, runs);
        }
        Ok(())
    }
}
