//! Turns: how many calls run at the same time, and that no connection takes them all.
//!
//! Each connection has its own line, one for deliveries and one for everything else: a call that
//! talks to the remote service for a minute must not keep deliveries waiting. Lines are short; who
//! finds one full is told so at once, so nothing piles up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    /// A delivery.
    Deliveries,
    /// Anything else.
    Others,
}

/// The turns of an engine.
pub(super) struct Slots {
    /// One for each instance the pool holds.
    all: Arc<Semaphore>,
    /// Those that calls other than deliveries can have.
    others: Arc<Semaphore>,
    lines: Mutex<HashMap<(ConnectionId, Line), Queue>>,
    running: usize,
    waiting: usize,
}

/// The calls of one line, running and waiting.
struct Queue {
    turns: Arc<Semaphore>,
    present: usize,
}

/// The line is full.
#[derive(Debug)]
pub(super) struct Full;

/// A turn; dropping it gives it back.
pub(super) struct Slot {
    _permits: (
        OwnedSemaphorePermit,
        Option<OwnedSemaphorePermit>,
        OwnedSemaphorePermit,
    ),
    _place: Place,
}

/// A place in a line.
struct Place {
    slots: Arc<Slots>,
    key: (ConnectionId, Line),
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Self {
        let all = permits(limits.concurrent_calls);
        Self {
            all: Arc::new(Semaphore::new(all)),
            others: Arc::new(Semaphore::new(all - all / 4)),
            lines: Mutex::default(),
            running: permits(limits.calls_per_connection),
            waiting: permits(limits.waiting_calls_per_connection),
        }
    }

    /// Whether a call would be told that the line is full.
    pub(super) fn is_full(&self, connection: &ConnectionId, line: Line) -> bool {
        let key = (connection.clone(), line);
        self.lines()
            .get(&key)
            .is_some_and(|queue| queue.present >= self.running + self.waiting)
    }

    /// Waits for a turn.
    pub(super) async fn enter(
        self: &Arc<Self>,
        connection: &ConnectionId,
        line: Line,
    ) -> Result<Slot, Full> {
        let (place, turns) = self.stand_in(connection, line)?;
        let own = acquire(turns).await?;
        let other = match line {
            Line::Deliveries => None,
            Line::Others => Some(acquire(Arc::clone(&self.others)).await?),
        };
        let all = acquire(Arc::clone(&self.all)).await?;
        Ok(Slot {
            _permits: (all, other, own),
            _place: place,
        })
    }

    fn stand_in(
        self: &Arc<Self>,
        connection: &ConnectionId,
        line: Line,
    ) -> Result<(Place, Arc<Semaphore>), Full> {
        let key = (connection.clone(), line);
        let mut lines = self.lines();
        let queue = lines.entry(key.clone()).or_insert_with(|| Queue {
            turns: Arc::new(Semaphore::new(self.running)),
            present: 0,
        });
        if queue.present >= self.running + self.waiting {
            return Err(Full);
        }
        queue.present += 1;
        let turns = Arc::clone(&queue.turns);
        drop(lines);
        let slots = Arc::clone(self);
        Ok((Place { slots, key }, turns))
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<(ConnectionId, Line), Queue>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.slots.lines();
        if let Some(queue) = lines.get_mut(&self.key) {
            queue.present -= 1;
            if queue.present == 0 {
                lines.remove(&self.key);
            }
        }
    }
}

/// The semaphores are never closed.
async fn acquire(turns: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Full> {
    turns.acquire_owned().await.map_err(|_| Full)
}

fn permits(number: u32) -> usize {
    usize::try_from(number)
        .unwrap_or(usize::MAX)
        .min(Semaphore::MAX_PERMITS / 2)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn slots(concurrent_calls: u32) -> Arc<Slots> {
        Arc::new(Slots::new(&Limits {
            concurrent_calls,
            calls_per_connection: 2,
            waiting_calls_per_connection: 1,
            ..Limits::default()
        }))
    }

    #[test]
    fn one_connection_leaves_turns_to_the_others() {
        let slots = slots(8);
        let (greedy, healthy) = (ConnectionId::new("greedy"), ConnectionId::new("healthy"));
        let enter = |connection| slots.enter(connection, Line::Deliveries);
        let first = enter(&greedy).now_or_never().unwrap().unwrap();
        let _second = enter(&greedy).now_or_never().unwrap().unwrap();
        let mut third = Box::pin(enter(&greedy));
        assert!(
            third.as_mut().now_or_never().is_none(),
            "a connection took more turns than it may"
        );
        assert!(
            enter(&greedy).now_or_never().unwrap().is_err(),
            "calls would pile up without bound"
        );
        assert!(slots.is_full(&greedy, Line::Deliveries));
        assert!(
            enter(&healthy).now_or_never().unwrap().is_ok(),
            "another connection had to wait"
        );
        let other = slots.enter(&greedy, Line::Others).now_or_never();
        assert!(
            other.unwrap().is_ok(),
            "a connection's other calls waited for its deliveries"
        );
        drop(first);
        assert!(third.now_or_never().unwrap().is_ok(), "a turn was lost");
    }

    #[test]
    fn a_quarter_of_all_turns_is_for_deliveries() {
        let slots = slots(4);
        let names = ["a", "b", "c", "d"].map(ConnectionId::new);
        let others: Vec<_> = names
            .iter()
            .map(|name| slots.enter(name, Line::Others).now_or_never())
            .collect();
        assert_eq!(others.iter().flatten().count(), 3);
        let delivery = slots.enter(&names[3], Line::Deliveries).now_or_never();
        assert!(
            delivery.is_some(),
            "long calls kept a delivery from being taken"
        );
    }

    #[test]
    fn who_gives_up_waiting_leaves_no_trace() {
        let slots = slots(1);
        let name = ConnectionId::new("a");
        let running = slots.enter(&name, Line::Deliveries).now_or_never();
        let waiting = slots.enter(&name, Line::Deliveries).now_or_never();
        assert!(running.is_some() && waiting.is_none());
        drop(running);
        assert!(slots.lines().is_empty(), "memory of past calls is kept");
    }
}
