//! How many calls run at the same time, and that no connection takes all permits.
//!
//! Each connection has its own queues, one for deliveries and one for everything else: a call that
//! talks to the remote service for a minute must not keep deliveries waiting. Queues are short; who
//! finds one full is told so at once, so nothing piles up.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CallClass {
    /// A delivery.
    Deliveries,
    /// Anything else.
    Others,
}

/// The permits of an engine.
pub(super) struct ConcurrencyLimiter {
    /// One for each instance the pool holds.
    all: Arc<Semaphore>,
    /// Those that calls other than deliveries can have.
    others: Arc<Semaphore>,
    queues: Mutex<HashMap<(ConnectionId, CallClass), Queue>>,
    running: usize,
    waiting: usize,
}

/// The calls of one queue, running and waiting.
struct Queue {
    permits: Arc<Semaphore>,
    present: usize,
}

/// The queue is full.
#[derive(Debug)]
pub(super) struct Full;

/// Permission to run; dropping it gives it back.
pub(super) struct Permit {
    _permits: (
        OwnedSemaphorePermit,
        Option<OwnedSemaphorePermit>,
        OwnedSemaphorePermit,
    ),
    _entry: QueueEntry,
}

/// A call in a queue, waiting or running.
struct QueueEntry {
    limiter: Arc<ConcurrencyLimiter>,
    key: (ConnectionId, CallClass),
}

impl ConcurrencyLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        let all = permits(limits.concurrent_calls);
        Self {
            all: Arc::new(Semaphore::new(all)),
            others: Arc::new(Semaphore::new(all - all / 4)),
            queues: Mutex::default(),
            running: permits(limits.calls_per_connection),
            waiting: permits(limits.waiting_calls_per_connection),
        }
    }

    /// Whether a call would be told that the queue is full.
    pub(super) fn is_full(&self, connection: &ConnectionId, class: CallClass) -> bool {
        let key = (connection.clone(), class);
        self.queues()
            .get(&key)
            .is_some_and(|queue| queue.present >= self.running + self.waiting)
    }

    /// Waits for a permit.
    pub(super) async fn enter(
        self: &Arc<Self>,
        connection: &ConnectionId,
        class: CallClass,
    ) -> Result<Permit, Full> {
        let (entry, permits) = self.join_queue(connection, class)?;
        let own = acquire(permits).await?;
        let other = match class {
            CallClass::Deliveries => None,
            CallClass::Others => Some(acquire(Arc::clone(&self.others)).await?),
        };
        let all = acquire(Arc::clone(&self.all)).await?;
        Ok(Permit {
            _permits: (all, other, own),
            _entry: entry,
        })
    }

    fn join_queue(
        self: &Arc<Self>,
        connection: &ConnectionId,
        class: CallClass,
    ) -> Result<(QueueEntry, Arc<Semaphore>), Full> {
        let key = (connection.clone(), class);
        let mut queues = self.queues();
        let queue = queues.entry(key.clone()).or_insert_with(|| Queue {
            permits: Arc::new(Semaphore::new(self.running)),
            present: 0,
        });
        if queue.present >= self.running + self.waiting {
            return Err(Full);
        }
        queue.present += 1;
        let permits = Arc::clone(&queue.permits);
        drop(queues);
        let limiter = Arc::clone(self);
        Ok((QueueEntry { limiter, key }, permits))
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<(ConnectionId, CallClass), Queue>> {
        self.queues.lock()
    }
}

impl Drop for QueueEntry {
    fn drop(&mut self) {
        let mut queues = self.limiter.queues();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.present -= 1;
            if queue.present == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

/// The semaphores are never closed.
async fn acquire(permits: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Full> {
    permits.acquire_owned().await.map_err(|_| Full)
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

    fn limiter(concurrent_calls: u32) -> Arc<ConcurrencyLimiter> {
        Arc::new(ConcurrencyLimiter::new(&Limits {
            concurrent_calls,
            calls_per_connection: 2,
            waiting_calls_per_connection: 1,
            ..Limits::default()
        }))
    }

    #[test]
    fn one_connection_leaves_turns_to_the_others() {
        let limiter = limiter(8);
        let (greedy, healthy) = (ConnectionId::new("greedy"), ConnectionId::new("healthy"));
        let enter = |connection| limiter.enter(connection, CallClass::Deliveries);
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
        assert!(limiter.is_full(&greedy, CallClass::Deliveries));
        assert!(
            enter(&healthy).now_or_never().unwrap().is_ok(),
            "another connection had to wait"
        );
        let other = limiter.enter(&greedy, CallClass::Others).now_or_never();
        assert!(
            other.unwrap().is_ok(),
            "a connection's other calls waited for its deliveries"
        );
        drop(first);
        assert!(third.now_or_never().unwrap().is_ok(), "a turn was lost");
    }

    #[test]
    fn a_quarter_of_all_turns_is_for_deliveries() {
        let limiter = limiter(4);
        let names = ["a", "b", "c", "d"].map(ConnectionId::new);
        let others: Vec<_> = names
            .iter()
            .map(|name| limiter.enter(name, CallClass::Others).now_or_never())
            .collect();
        assert_eq!(others.iter().flatten().count(), 3);
        let delivery = limiter
            .enter(&names[3], CallClass::Deliveries)
            .now_or_never();
        assert!(
            delivery.is_some(),
            "long calls kept a delivery from being taken"
        );
    }

    #[test]
    fn who_gives_up_waiting_leaves_no_trace() {
        let limiter = limiter(1);
        let name = ConnectionId::new("a");
        let running = limiter.enter(&name, CallClass::Deliveries).now_or_never();
        let waiting = limiter.enter(&name, CallClass::Deliveries).now_or_never();
        assert!(running.is_some() && waiting.is_none());
        drop(running);
        assert!(limiter.queues().is_empty(), "memory of past calls is kept");
    }
}
