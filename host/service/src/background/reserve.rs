//! What is left of a quota is for people, but not for ever: a service that always claims to have nearly nothing left would keep
//! background work from ever being done.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use integration_host_contract::id::ConnectionId;

/// How many connections are remembered. One that finds no room waits without an end to it.
const MAX_REMEMBERED: usize = 100_000;

/// Which connections' background work is kept back, and of which a person asks for it all the same.
#[derive(Debug, Default)]
pub(crate) struct KeptBack {
    known: Mutex<Requested>,
}

#[derive(Debug, Default)]
struct Requested {
    /// Since when each connection's work has been kept back without a single request.
    since: HashMap<ConnectionId, Instant>,
    /// Connections whose gaps a person wants to be read now, whatever is left.
    asked_for: HashSet<ConnectionId>,
}

impl KeptBack {
    fn known(&self) -> MutexGuard<'_, Requested> {
        self.known.lock()
    }

    /// Whether a request is to be sent all the same, because the work has waited for a whole period of the quota. Each period
    /// has one such request.
    pub(crate) fn may_try(&self, connection: &ConnectionId, period: Duration) -> bool {
        let since = &mut self.known().since;
        let now = Instant::now();
        if since.len() >= MAX_REMEMBERED && !since.contains_key(connection) {
            return false;
        }
        let since = since.entry(connection.clone()).or_insert(now);
        let may_try = now.duration_since(*since) >= period;
        if may_try {
            *since = now;
        }
        may_try
    }

    /// Keeps nothing back of a connection, because a person asks for the work, until it [has ended](Self::has_ended).
    pub(crate) fn ask_for(&self, connection: &ConnectionId) {
        let asked_for = &mut self.known().asked_for;
        if asked_for.len() < MAX_REMEMBERED {
            asked_for.insert(connection.clone());
        }
    }

    /// Whether a person asks for the work of a connection.
    pub(crate) fn is_asked_for(&self, connection: &ConnectionId) -> bool {
        self.known().asked_for.contains(connection)
    }

    /// Notes that the work that a person asked for has ended.
    pub(crate) fn has_ended(&self, connection: &ConnectionId) {
        self.known().asked_for.remove(connection);
    }

    /// Notes that nothing is kept back.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.known().since.remove(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_asks_for_is_not_kept_back_until_it_was_done() {
        let (kept_back, id) = (KeptBack::default(), ConnectionId::new("c"));
        assert!(!kept_back.is_asked_for(&id));
        kept_back.ask_for(&id);
        assert!(kept_back.is_asked_for(&id) && !kept_back.is_asked_for(&ConnectionId::new("d")));
        kept_back.has_ended(&id);
        assert!(!kept_back.is_asked_for(&id));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_always_kept_back_gets_one_request_in_each_period() {
        const PERIOD: Duration = Duration::from_secs(3600);
        let (kept_back, id) = (KeptBack::default(), ConnectionId::new("c"));
        let mut tries = 0;
        for _ in 0..=240 {
            tries += u32::from(kept_back.may_try(&id, PERIOD));
            tokio::time::sleep(PERIOD / 24).await;
        }
        assert_eq!(tries, 10, "in ten periods");
        kept_back.forget(&id);
        assert!(
            !kept_back.may_try(&id, PERIOD),
            "it has only just begun to wait"
        );
    }
}
