//! Reading activities from the remote service, so that the ledger has what deliveries failed to tell.
//!
//! A range is read page by page ([`pages`]). What the ledger has in it and the remote service does not list is asked for
//! again, several times, before it is marked as deleted ([`missing`]). What was changed lately is read whenever it was
//! ([`changes`]), what the ledger shows otherwise is asked for by id ([`outvoted`]), and once a month everything the ledger
//! holds is read again, slowly ([`sweep`]).

mod changes;
mod missing;
mod note;
mod outvoted;
mod pages;
mod patience;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tracing::debug;

pub use self::missing::MissingActivity;
pub use self::pages::GapWait;
pub(super) use self::pages::{Kind, Progress, Reserve};
pub use self::patience::MissingState;

use super::{Host, HostError, moment};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{Selection, SoughtActivity};
use integration_host_ledger::{Applied, EventKind, LedgerActivity, MAX_PAGE};

/// The longest range one request reconciles. Reading it is paced and uses up the remote service's quota,
/// so that a slip of the pen must not begin with the year 1.
pub(super) const LONGEST_RANGE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// The most ids one call of `reconcile` takes.
const MAX_SELECTED: usize = 100;

/// What reading a range led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// What it did to activities.
    pub applied: Applied,
    /// How many activities the remote service does not list any more. They are asked for again before they are marked
    /// as deleted.
    pub missing: u64,
    /// How many activities were listed that could not be read.
    pub unread: u64,
}

impl Host {
    /// Reads a range of activities from the remote service, so that the ledger has what deliveries failed to tell. One that
    /// was interrupted, as by a quota, goes on where it stopped when the same range is asked for again.
    pub async fn reconcile(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Reconciled, HostError> {
        if from >= to {
            return Err(HostError::invalid(
                "the range is empty: `from` must be before `to`",
            ));
        }
        if from > self.now() {
            return Err(HostError::invalid(
                "the range is in the future, where there is nothing to read yet: let it begin today or earlier",
            ));
        }
        if to.duration_since(from) > LONGEST_RANGE {
            return Err(HostError::invalid(format!(
                "the range is longer than {} days; reconcile one part after the other",
                LONGEST_RANGE.as_hours() / 24
            )));
        }
        let connection = self.connection(id).await?;
        let read = self
            .read_range(&connection, Kind::Request, from, to, Reserve::ForThis)
            .await?;
        // Nothing is kept back for people where a person asks.
        let Progress::Done(read) = read else {
            return Ok(Reconciled::default());
        };
        self.note_range_read(id, from, to).await?;
        self.record(
            id,
            EventKind::Reconciled,
            format!(
                "From {} to {} was read on request: {}.",
                moment(from),
                moment(to),
                outcome(read.applied.changed, read.missing, read.unread)
            ),
        )
        .await;
        if let Err(error) = self.ask_for_missing(id, Reserve::ForThis).await {
            // The range was read all the same, and background work asks later.
            debug!(connection = %id, %error, "what is missing could not be asked for");
        }
        Ok(Reconciled {
            applied: read.applied,
            missing: read.missing,
            unread: read.unread,
        })
    }

    /// Looks up activities that began before a time and run as far as the ledger knows: they may have
    /// been stopped since. Those that are not listed may still run, and the remote service need not report what runs.
    pub(super) async fn read_running(
        &self,
        id: &ConnectionId,
        before: Timestamp,
    ) -> Result<Applied, HostError> {
        let ids = self.ledger.running_ids(id, before, MAX_PAGE).await?;
        let mut applied = Applied::default();
        for ids in ids.chunks(MAX_SELECTED) {
            let running = self.ledger.activities_by_id(id, ids).await?;
            let sought = running.iter().map(note::sought).collect();
            add(&mut applied, self.look_up(id, sought).await?.applied);
        }
        Ok(applied)
    }

    /// Looks up activities that run as far as the ledger knows although their person runs a later one since: they have
    /// ended. One that is not listed then was deleted, perhaps while it ran, and no delivery said so.
    pub(super) async fn look_up_superseded(&self, id: &ConnectionId) -> Result<(), HostError> {
        let ids = self
            .ledger
            .running_ids(id, Timestamp::MAX, MAX_PAGE)
            .await?;
        if ids.len() < 2 {
            return Ok(());
        }
        let running = self.ledger.activities_by_id(id, &ids).await?;
        let mut superseded = superseded(running);
        let known = self.known_missing(id).await?;
        superseded.retain(|activity| {
            let known = known.get(&activity.entry_id);
            !known.is_some_and(|known| known.is_settled_for(&activity.revision))
        });
        superseded.truncate(MAX_SELECTED);
        if superseded.is_empty() || self.kept_back(id).await?.is_some() {
            return Ok(());
        }
        let sought = superseded.iter().map(note::sought).collect();
        let lookup = self.look_up(id, sought).await?;
        superseded.retain(|activity| lookup.missing.contains(&activity.entry_id));
        self.note_missing(id, &superseded, &BTreeSet::new()).await
    }

    /// Asks for activities by their ids, at most [`MAX_SELECTED`], and applies what is told of them.
    async fn look_up(
        &self,
        id: &ConnectionId,
        sought: Vec<SoughtActivity>,
    ) -> Result<Lookup, HostError> {
        let selection = Selection::Activities(sought);
        let mut lookup = Lookup::default();
        let mut cursor = None;
        loop {
            let page = self.read_page(id, &selection, cursor.as_deref()).await?;
            add(&mut lookup.applied, page.applied);
            lookup.missing.extend(page.missing);
            let Some(next) = page.next else {
                return Ok(lookup);
            };
            // It has no more than one page for each id.
            lookup.pages += 1;
            if lookup.pages > MAX_SELECTED {
                return Err(pages::endless());
            }
            cursor = Some(next);
        }
    }
}

/// What became of activities that were asked for by their ids.
#[derive(Debug, Default)]
struct Lookup {
    applied: Applied,
    /// Those that were not told of.
    missing: Vec<String>,
    pages: usize,
}

/// Those of activities that run which are not the last ones of their people: nobody runs two at a time.
fn superseded(mut running: Vec<LedgerActivity>) -> Vec<LedgerActivity> {
    let mut latest: BTreeMap<RemoteUserId, Timestamp> = BTreeMap::new();
    for activity in &running {
        if let (Some(person), Some(start)) = (&activity.remote_user_id, activity.start) {
            let last = latest.entry(person.clone()).or_insert(start);
            *last = start.max(*last);
        }
    }
    running.retain(|activity| {
        let last = activity
            .remote_user_id
            .as_ref()
            .and_then(|person| latest.get(person));
        activity
            .start
            .zip(last)
            .is_some_and(|(start, last)| start < *last)
    });
    running
}

fn add(total: &mut Applied, applied: Applied) {
    total.applied += applied.applied;
    total.changed += applied.changed;
    total.unchanged += applied.unchanged;
}

/// What a reading that came to its end found, in words.
pub(super) fn outcome(changed: u64, missing: u64, unread: u64) -> String {
    let changed = match changed {
        0 => None,
        1 => Some("one activity was new or different".to_owned()),
        more => Some(format!("{more} activities were new or different")),
    };
    let missing = match missing {
        0 => None,
        1 => Some("one activity is not listed any more and will be asked for again".to_owned()),
        more => Some(format!(
            "{more} activities are not listed any more and will be asked for again"
        )),
    };
    let unread = match unread {
        0 => None,
        1 => Some("one that was listed could not be read".to_owned()),
        more => Some(format!("{more} that were listed could not be read")),
    };
    let parts: Vec<String> = [changed, missing, unread].into_iter().flatten().collect();
    match parts.as_slice() {
        [] => "no activity was missing".to_owned(),
        parts => parts.join(", and "),
    }
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn what_is_not_listed_any_more_is_said() {
        assert_eq!(outcome(0, 0, 0), "no activity was missing");
        assert_eq!(outcome(2, 0, 0), "2 activities were new or different");
        assert_eq!(
            outcome(1, 3, 0),
            "one activity was new or different, and 3 activities are not listed any more and will be asked for again"
        );
        assert_eq!(
            outcome(0, 1, 0),
            "one activity is not listed any more and will be asked for again"
        );
        assert_eq!(outcome(0, 0, 2), "2 that were listed could not be read");
    }
}
