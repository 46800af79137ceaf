//! The jobs of all connections, in the order of the times at which they are due.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use integration_host_contract::id::ConnectionId;

/// A kind of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// Undo an attempt to connect that was interrupted, or complete such a disconnecting.
    Undo,
    /// After a start, see that what is stored opens, and go on with what a stop interrupted.
    Resume,
    /// Read what deliveries failed to tell.
    Gap,
    /// Fetch missing names.
    Names,
    /// Check, repair, close gaps, import the team.
    Upkeep,
    /// See whether deliveries have stopped.
    Watch,
}

impl Job {
    /// The first in order.
    const FIRST: Self = Self::Undo;

    /// What hosts that share a ledger call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Undo => "undo",
            Self::Resume => "look",
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

/// Jobs that are due at some time.
#[derive(Default)]
pub(crate) struct JobQueue {
    plans: Mutex<Plans>,
    pub(super) changed: Notify,
}

/// There may be a hundred thousand connections, so nothing here looks at all plans.
#[derive(Default)]
struct Plans {
    /// One entry per connection and kind, so it cannot grow without bound.
    planned: BTreeMap<(ConnectionId, Job), Planned>,
    /// What of it is to be done at a time, in the order of these times.
    by_time: BTreeSet<(Instant, ConnectionId, Job)>,
}

#[derive(Clone, Copy, Default)]
struct Planned {
    /// `None`: it is being done.
    at: Option<Instant>,
    /// Whether it is being done.
    under_way: bool,
    /// Whether it is to be done although another host has done it lately.
    is_urgent: bool,
    /// How often it has failed in a row.
    failures: u32,
}

impl JobQueue {
    /// Plans work, unless another host does it before. What is planned earlier already stays.
    pub(super) fn plan(&self, connection: &ConnectionId, work: Job, at: Instant) {
        self.plan_with(connection, work, at, false);
    }

    /// Plans work that is to be done although another host has done it lately.
    pub(super) fn plan_urgent(&self, connection: &ConnectionId, work: Job, at: Instant) {
        self.plan_with(connection, work, at, true);
    }

    /// Plans to look after a connection at once.
    pub(crate) fn maintain_now(&self, connection: &ConnectionId) {
        self.plan_urgent(connection, Job::Upkeep, Instant::now());
    }

    pub(super) fn plan_with(
        &self,
        connection: &ConnectionId,
        work: Job,
        at: Instant,
        is_urgent: bool,
    ) {
        self.plans().plan(connection, work, at, is_urgent);
        self.changed.notify_one();
    }

    /// The next work of a connection that nothing is being done for, and when it is due.
    pub(super) fn next(
        &self,
        busy: &BTreeSet<ConnectionId>,
    ) -> Option<(Instant, ConnectionId, Job)> {
        let plans = self.plans();
        let mut in_order = plans.by_time.iter();
        in_order
            .find(|(_, connection, _)| !busy.contains(connection))
            .cloned()
    }

    /// For how long the work waits that has been due the longest and could be done.
    pub(crate) fn late(&self, now: Instant) -> Duration {
        let plans = self.plans();
        let mut in_order = plans.by_time.iter().take_while(|(at, ..)| *at <= now);
        in_order
            .find(|(_, connection, _)| !plans.is_busy(connection))
            .map_or(Duration::ZERO, |(at, ..)| now - *at)
    }

    /// Begins work: it is not planned any more. True: it is urgent.
    pub(super) fn take(&self, connection: &ConnectionId, work: Job) -> bool {
        self.plans().take(connection, work)
    }

    /// Ends work. What it led to is planned already.
    pub(super) fn end(&self, connection: &ConnectionId, work: Job) {
        let mut plans = self.plans();
        let Some(planned) = plans.get(connection, work) else {
            return;
        };
        planned.under_way = false;
        if planned.at.is_none() {
            plans.planned.remove(&(connection.clone(), work));
        }
    }

    /// Whether a connection is looked after: it is from when it was taken up until it is forgotten.
    pub(super) fn maintains(&self, connection: &ConnectionId) -> bool {
        // Other work may be planned by whoever meets a connection that was never taken up.
        self.plans().get(connection, Job::Watch).is_some()
    }

    /// Whether work is planned or under way.
    pub(super) fn is_due(&self, connection: &ConnectionId, work: Job) -> bool {
        self.plans()
            .get(connection, work)
            .is_some_and(|planned| planned.under_way || planned.at.is_some())
    }

    /// Notes whether work succeeded, and returns how often it has failed in a row.
    pub(super) fn note(&self, connection: &ConnectionId, work: Job, failed: bool) -> u32 {
        match self.plans().get(connection, work) {
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
        self.plans().forget(connection);
    }

    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock()
    }
}

impl Plans {
    fn get(&mut self, connection: &ConnectionId, work: Job) -> Option<&mut Planned> {
        self.planned.get_mut(&(connection.clone(), work))
    }

    fn plan(&mut self, connection: &ConnectionId, work: Job, at: Instant, is_urgent: bool) {
        let planned = self.planned.entry((connection.clone(), work)).or_default();
        planned.is_urgent |= is_urgent;
        if planned.at.is_some_and(|before| before <= at) {
            return;
        }
        if let Some(before) = planned.at.replace(at) {
            self.by_time.remove(&(before, connection.clone(), work));
        }
        self.by_time.insert((at, connection.clone(), work));
    }

    fn take(&mut self, connection: &ConnectionId, work: Job) -> bool {
        let Some(planned) = self.get(connection, work) else {
            return false;
        };
        planned.under_way = true;
        let is_urgent = std::mem::take(&mut planned.is_urgent);
        if let Some(at) = planned.at.take() {
            self.by_time.remove(&(at, connection.clone(), work));
        }
        is_urgent
    }

    fn is_busy(&self, connection: &ConnectionId) -> bool {
        let mut works = self.of(connection);
        works.any(|(_, planned)| planned.under_way)
    }

    fn forget(&mut self, connection: &ConnectionId) {
        let works: Vec<_> = self.of(connection).collect();
        for (work, planned) in works {
            if let Some(at) = planned.at {
                self.by_time.remove(&(at, connection.clone(), work));
            }
            self.planned.remove(&(connection.clone(), work));
        }
    }

    /// All work of a connection.
    fn of(&self, connection: &ConnectionId) -> impl Iterator<Item = (Job, Planned)> {
        self.planned
            .range((connection.clone(), Job::FIRST)..)
            .take_while(move |((id, _), _)| id == connection)
            .map(|((_, work), planned)| (*work, *planned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_plan_counts_and_nothing_is_done_twice_at_a_time() {
        let queue = JobQueue::default();
        let (one, other) = (ConnectionId::new("a"), ConnectionId::new("b"));
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        queue.plan(&one, Job::Upkeep, now + minute);
        queue.plan(&one, Job::Upkeep, now + 2 * minute);
        queue.plan(&one, Job::Gap, now + 3 * minute);
        queue.plan(&other, Job::Upkeep, now + 2 * minute);
        let next = |busy: &[&ConnectionId]| {
            let busy = busy.iter().map(|id| (*id).clone()).collect();
            queue
                .next(&busy)
                .map(|(at, connection, work)| (at - now, connection, work))
        };
        assert_eq!(next(&[]), Some((minute, one.clone(), Job::Upkeep)));
        queue.take(&one, Job::Upkeep);
        assert_eq!(
            next(&[&one]),
            Some((2 * minute, other.clone(), Job::Upkeep))
        );
        assert_eq!(next(&[&one, &other]), None);
        assert_eq!(queue.note(&one, Job::Upkeep, true), 1);
        queue.plan(&one, Job::Upkeep, now);
        assert_eq!(queue.note(&one, Job::Upkeep, true), 2);
        assert_eq!(queue.note(&one, Job::Upkeep, false), 0);
        queue.forget(&one);
        queue.forget(&other);
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn what_is_planned_again_or_forgotten_leaves_nothing_behind() {
        let queue = JobQueue::default();
        let (one, other) = (ConnectionId::new("a"), ConnectionId::new("ab"));
        let now = Instant::now();
        let in_minutes = |minutes: u64| now + Duration::from_secs(60 * minutes);
        queue.plan(&one, Job::Upkeep, in_minutes(3));
        queue.plan(&one, Job::Upkeep, in_minutes(1));
        queue.plan(&other, Job::Watch, in_minutes(2));
        assert!(queue.maintains(&other) && !queue.maintains(&one));
        queue.take(&one, Job::Upkeep);
        let left = queue.next(&BTreeSet::new());
        assert_eq!(left, Some((in_minutes(2), other.clone(), Job::Watch)));
        queue.forget(&one);
        assert!(queue.maintains(&other), "another connection was forgotten");
        queue.forget(&other);
        assert_eq!(queue.next(&BTreeSet::new()), None);
        assert!(queue.plans().planned.is_empty());
    }

    #[test]
    fn late_is_what_could_be_done_and_is_not() {
        let queue = JobQueue::default();
        let (one, other) = (ConnectionId::new("a"), ConnectionId::new("b"));
        let now = Instant::now();
        let minute = Duration::from_secs(60);
        assert_eq!(queue.late(now), Duration::ZERO);
        queue.plan(&one, Job::Gap, now);
        queue.plan(&one, Job::Upkeep, now);
        queue.plan(&other, Job::Upkeep, now + 2 * minute);
        assert_eq!(queue.late(now + minute), minute);
        queue.take(&one, Job::Gap);
        assert_eq!(
            queue.late(now + minute),
            Duration::ZERO,
            "what waits for other work of its connection would look like too little power"
        );
        assert_eq!(queue.late(now + 3 * minute), minute);
    }

    #[test]
    fn names_are_said_to_load_from_the_plan_to_the_last_fetch() {
        let queue = JobQueue::default();
        let id = ConnectionId::new("a");
        let is_due = || queue.is_due(&id, Job::Names);
        assert!(!is_due());
        queue.plan(&id, Job::Names, Instant::now());
        assert!(is_due());
        queue.take(&id, Job::Names);
        assert!(is_due(), "they seemed complete while they were fetched");
        queue.note(&id, Job::Names, false);
        queue.plan(&id, Job::Names, Instant::now());
        queue.end(&id, Job::Names);
        assert!(
            is_due(),
            "they seemed complete although more are to be fetched"
        );
        queue.take(&id, Job::Names);
        queue.note(&id, Job::Names, false);
        queue.end(&id, Job::Names);
        assert!(!is_due(), "somebody waits for names for ever");
    }
}
