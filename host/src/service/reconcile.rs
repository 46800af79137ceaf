//! Reading activities from the remote service, so that the ledger has what deliveries failed to tell.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{Service, ServiceError, moment};
use crate::contract::{Changes, ErrorCode, Selection};
use crate::id::ConnectionId;
use crate::ledger::{Applied, EventKind};

/// The longest range one request reconciles. Reading it is paced and uses up the remote service's quota,
/// so that a slip of the pen must not begin with the year 1.
pub(super) const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The most ids one call of `reconcile` takes.
const MAX_SELECTED: usize = 100;

/// The most pages one reconciliation reads: a bound on what a defective integration can cost.
const MAX_PAGES: usize = 10_000;

impl Service {
    /// Reads a range of activities from the remote service, so that the ledger has what deliveries
    /// failed to tell, deletions included.
    pub async fn reconcile(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Applied, ServiceError> {
        if from >= to {
            return Err(ServiceError::invalid(
                "the range is empty: `from` must be before `to`",
            ));
        }
        if to.duration_since(from) > LONGEST_RANGE {
            return Err(ServiceError::invalid(format!(
                "the range is longer than {} days; reconcile one part after the other",
                LONGEST_RANGE.as_hours() / 24
            )));
        }
        self.connection(id).await?;
        let applied = self.read_range(id, from, to).await?;
        self.record(
            id,
            EventKind::Reconciled,
            format!(
                "From {} to {} was read on request: {}.",
                moment(from),
                moment(to),
                count(applied.changed)
            ),
        )
        .await;
        Ok(applied)
    }

    /// Reads a range, and looks up what the ledger has in it and the answer has not.
    pub(super) async fn read_range(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Applied, ServiceError> {
        let mut total = Applied::default();
        let mut seen = HashSet::new();
        let range = Selection::Range(from, to);
        self.read_selection(id, &range, Absent::Deleted, &mut total, Some(&mut seen))
            .await?;

        let mut after: Option<String> = None;
        loop {
            let ids = self
                .ledger
                .activity_ids(id, from, to, after.as_deref(), MAX_SELECTED)
                .await?;
            let Some(last) = ids.last().cloned() else {
                break;
            };
            let missing: Vec<_> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
            if !missing.is_empty() {
                let selection = Selection::Activities(missing);
                self.read_selection(id, &selection, Absent::Deleted, &mut total, None)
                    .await?;
            }
            after = Some(last);
        }
        Ok(total)
    }

    /// Looks up activities that began before a time and run as far as the ledger knows: they may have
    /// been stopped since.
    pub(super) async fn read_running(
        &self,
        id: &ConnectionId,
        before: Timestamp,
    ) -> Result<Applied, ServiceError> {
        let mut total = Applied::default();
        let ledger = &self.ledger;
        let ids = ledger.running_ids(id, before, MAX_SELECTED).await?;
        if !ids.is_empty() {
            let selection = Selection::Activities(ids);
            self.read_selection(id, &selection, Absent::Unknown, &mut total, None)
                .await?;
        }
        Ok(total)
    }

    async fn read_selection(
        &self,
        id: &ConnectionId,
        selection: &Selection,
        absent: Absent,
        total: &mut Applied,
        mut seen: Option<&mut HashSet<String>>,
    ) -> Result<(), ServiceError> {
        let context = self.context(id);
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let mut page = self
                .inner
                .parts
                .integration
                .reconcile(&context, selection, cursor.as_deref())
                .await?;
            absent.filter(&mut page.changes);
            let applied = self.apply(id, &page.changes, None).await?;
            total.applied += applied.applied;
            total.changed += applied.changed;
            total.unchanged += applied.unchanged;
            if let Some(seen) = seen.as_deref_mut() {
                seen.extend(
                    page.changes
                        .activities
                        .into_iter()
                        .map(|activity| activity.id),
                );
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
        Err(ServiceError::new(
            ErrorCode::Internal,
            format!("the integration did not finish reconciling within {MAX_PAGES} pages"),
        ))
    }
}

/// What it means that an activity looked up by its id is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    /// It was deleted.
    Deleted,
    /// It may still run, and the remote service need not report what runs.
    Unknown,
}

impl Absent {
    fn filter(self, changes: &mut Changes) {
        if self == Self::Unknown {
            changes
                .activities
                .retain(|activity| !activity.deleted || activity.content.is_some());
        }
    }
}

/// How many activities a reading changed, in words.
pub(super) fn count(changed: u64) -> String {
    match changed {
        0 => "no activity was missing".to_owned(),
        1 => "one activity was new or different".to_owned(),
        more => format!("{more} activities were new or different"),
    }
}
