//! What is to be done when.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::id::ConnectionId;

/// The kinds of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::service) enum Work {
    /// Undo an attempt to connect that was interrupted, or complete such a disconnecting.
    Undo,
    /// Read what deliveries failed to tell.
    Gap,
    /// Fetch missing names.
    Names,
    /// Check, repair, close gaps, import the team.
    Upkeep,
    /// See whether deliveries have stopped.
    Watch,
}

impl Work {
    /// The first in order.
    const FIRST: Self = Self::Undo;

    /// What hosts that share a ledger call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Gap => "gap",
            Self::Names => "names",
            Self::Upkeep => "upkeep",
            Self::Watch => "watch",
        }
    }

    /// Whether it is done again and again, by one host for all.
    pub(super) fn is_routine(self) -> bool {
        matches!(self, Self::Upkeep | Self::Watch)
    }
}

/// Work that is due at some time. One entry per connection and kind, so it cannot grow without bound.
#[derive(Default)]
pub(in crate::service) struct Due {
    planned: Mutex<BTreeMap<(ConnectionId, Work), Planned>>,
    pub(super) changed: Notify,
}

#[derive(Clone, Copy)]
struct Planned {
    /// `None`: it is being done, or was done last time.
    at: Option<Instant>,
    /// Whether it is being done.
    under_way: bool,
    /// Whether it is to be done although another host has done it lately.
    is_urgent: bool,
    /// How often it has failed in a row.
    failures: u32,
}

impl Due {
    /// Plans work, unless another host does it before. What is planned earlier already stays.
    pub(super) fn plan(&self, connection: &ConnectionId, work: Work, at: Instant) {
        self.plan_with(connection, work, at, false);
    }

    /// Plans work that is to be done although another host has done it lately.
    pub(super) fn plan_urgent(&self, connection: &ConnectionId, work: Work, at: Instant) {
        self.plan_with(connection, work, at, true);
    }

    pub(super) fn plan_with(
        &self,
        connection: &ConnectionId,
        work: Work,
        at: Instant,
        is_urgent: bool,
    ) {
        self.planned()
            .entry((connection.clone(), work))
            .and_modify(|planned| {
                planned.at = Some(planned.at.map_or(at, |before| before.min(at)));
                planned.is_urgent |= is_urgent;
            })
            .or_insert(Planned {
                at: Some(at),
                under_way: false,
                is_urgent,
                failures: 0,
            });
        self.changed.notify_one();
    }

    /// The next work of a connection that nothing is being done for, and when it is due.
    pub(super) fn next(
        &self,
        busy: &BTreeSet<ConnectionId>,
    ) -> Option<(Instant, ConnectionId, Work)> {
        self.planned()
            .iter()
            .filter(|((connection, _), _)| !busy.contains(connection))
            .filter_map(|((connection, work), planned)| Some((planned.at?, connection, *work)))
            .min()
            .map(|(at, connection, work)| (at, connection.clone(), work))
    }

    /// Begins work: it is not planned any more. True: it is urgent.
    pub(super) fn take(&self, connection: &ConnectionId, work: Work) -> bool {
        match self.planned().get_mut(&(connection.clone(), work)) {
            Some(planned) => {
                planned.at = None;
                planned.under_way = true;
                std::mem::take(&mut planned.is_urgent)
            }
            None => false,
        }
    }

    /// Ends work. What it led to is planned already.
    pub(super) fn end(&self, connection: &ConnectionId, work: Work) {
        if let Some(planned) = self.planned().get_mut(&(connection.clone(), work)) {
            planned.under_way = false;
        }
    }

    /// Whether anything was ever planned for a connection that was not forgotten.
    pub(super) fn knows(&self, connection: &ConnectionId) -> bool {
        let planned = self.planned();
        let mut next = planned.range((connection.clone(), Work::FIRST)..);
        next.next().is_some_and(|((id, _), _)| id == connection)
    }

    /// Whether work is planned or under way.
    pub(super) fn is_due(&self, connection: &ConnectionId, work: Work) -> bool {
        self.planned()
            .get(&(connection.clone(), work))
            .is_some_and(|planned| planned.under_way || planned.at.is_some())
    }

    /// Notes whether work succeeded, and returns how often it has failed in a row.
    pub(super) fn note(&self, connection: &ConnectionId, work: Work, failed: bool) -> u32 {
        match self.planned().get_mut(&(connection.clone(), work)) {
            Some(planned) if failed => {
                planned.failures = planned.failures.saturating_add(1);
                planned.failures
            }
            Some(planned) => {
                planned.failures = 0;
                0
            }
            None => u32::from(failed),
        }
    }

    /// Forgets all work of a connection.
    pub(super) fn forget(&self, connection: &ConnectionId) {
        self.planned().retain(|(other, _), _| other != connection);
    }

    fn planned(&self) -> MutexGuard<'_, BTreeMap<(ConnectionId, Work), Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_plan_counts_and_nothing_is_done_twice_at_a_time() {
        let due = Due::default();
        let (one, other) = (ConnectionId::new("a"), ConnectionId::new("b"));
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        due.plan(&one, Work::Upkeep, now + minute);
        due.plan(&one, Work::Upkeep, now + 2 * minute);
        due.plan(&one, Work::Gap, now + 3 * minute);
        due.plan(&other, Work::Upkeep, now + 2 * minute);
        let next = |busy: &[&ConnectionId]| {
            let busy = busy.iter().map(|id| (*id).clone()).collect();
            due.next(&busy)
                .map(|(at, connection, work)| (at - now, connection, work))
        };
        assert_eq!(next(&[]), Some((minute, one.clone(), Work::Upkeep)));
        due.take(&one, Work::Upkeep);
        assert_eq!(
            next(&[&one]),
            Some((2 * minute, other.clone(), Work::Upkeep))
        );
        assert_eq!(next(&[&one, &other]), None);
        assert_eq!(due.note(&one, Work::Upkeep, true), 1);
        due.plan(&one, Work::Upkeep, now);
        assert_eq!(due.note(&one, Work::Upkeep, true), 2);
        assert_eq!(due.note(&one, Work::Upkeep, false), 0);
        due.forget(&one);
        due.forget(&other);
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn names_are_said_to_load_from_the_plan_to_the_last_fetch() {
        let due = Due::default();
        let id = ConnectionId::new("a");
        let is_due = || due.is_due(&id, Work::Names);
        assert!(!is_due());
        due.plan(&id, Work::Names, Instant::now());
        assert!(is_due());
        due.take(&id, Work::Names);
        assert!(is_due(), "they seemed complete while they were fetched");
        due.note(&id, Work::Names, false);
        due.plan(&id, Work::Names, Instant::now());
        due.end(&id, Work::Names);
        assert!(
            is_due(),
            "they seemed complete although more are to be fetched"
        );
        due.take(&id, Work::Names);
        due.note(&id, Work::Names, false);
        due.end(&id, Work::Names);
        assert!(!is_due(), "somebody waits for names for ever");
    }
}
