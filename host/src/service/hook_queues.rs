//! Whose turn it is when many deliveries arrive for one connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::id::ConnectionId;
use crate::limits::Limits;

/// A queue for each connection, so that a flood at one hook leaves the engine to the others.
pub(super) struct HookQueues {
    at_once: usize,
    most_present: usize,
    patience: Duration,
    queues: Mutex<HashMap<ConnectionId, Arc<Queue>>>,
}

struct Queue {
    permits: Arc<Semaphore>,
    /// Deliveries that wait or are handled.
    present: AtomicUsize,
}

/// The turn of a delivery, until this is dropped.
pub(super) struct Turn {
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

/// A place in a queue, until this is dropped.
struct Place(Arc<Queue>);

impl HookQueues {
    pub(super) fn new(limits: &Limits) -> Self {
        let number = |limit: u32| {
            usize::try_from(limit).map_or(Semaphore::MAX_PERMITS, |limit| {
                limit.min(Semaphore::MAX_PERMITS)
            })
        };
        let at_once = number(limits.deliveries_per_hook);
        Self {
            at_once,
            most_present: at_once.saturating_add(number(limits.waiting_deliveries_per_hook)),
            patience: limits.delivery_timeout(),
            queues: Mutex::default(),
        }
    }

    /// Waits for a delivery's turn, in the order of arrival. `None`: too many wait already, or it took
    /// too long.
    pub(super) async fn turn(&self, connection: &ConnectionId) -> Option<Turn> {
        let place = self.place(connection)?;
        let permit = Arc::clone(&place.0.permits).acquire_owned();
        let permit = timeout(self.patience, permit).await.ok()?.ok()?;
        Some(Turn {
            _place: place,
            _permit: permit,
        })
    }

    fn place(&self, connection: &ConnectionId) -> Option<Place> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Connections are few; those that are gone leave their queue behind until many have.
        if queues.len() > 1000 {
            queues.retain(|_, queue| queue.present.load(Ordering::Acquire) > 0);
        }
        let queue = queues.entry(connection.clone()).or_insert_with(|| {
            Arc::new(Queue {
                permits: Arc::new(Semaphore::new(self.at_once)),
                present: AtomicUsize::new(0),
            })
        });
        if queue.present.load(Ordering::Acquire) >= self.most_present {
            return None;
        }
        // Places are given out under the lock, so the number cannot pass the limit.
        queue.present.fetch_add(1, Ordering::AcqRel);
        Some(Place(Arc::clone(queue)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> Arc<HookQueues> {
        Arc::new(HookQueues::new(&Limits {
            deliveries_per_hook: 2,
            waiting_deliveries_per_hook: 1,
            ..Limits::default()
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_keeps_nobody_else_waiting() {
        let queues = queues();
        let flooded = ConnectionId::new("flooded");
        let first = queues.turn(&flooded).await.unwrap();
        let _second = queues.turn(&flooded).await.unwrap();
        let waiting = {
            let (queues, flooded) = (Arc::clone(&queues), flooded.clone());
            tokio::spawn(async move { queues.turn(&flooded).await.is_some() })
        };
        tokio::task::yield_now().await;
        assert!(queues.turn(&flooded).await.is_none(), "the queue is full");
        assert!(queues.turn(&ConnectionId::new("other")).await.is_some());
        drop(first);
        assert!(waiting.await.unwrap(), "who waited has its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_and_who_gives_up_leaves_its_place() {
        let queues = queues();
        let connection = ConnectionId::new("slow");
        let turns = [
            queues.turn(&connection).await,
            queues.turn(&connection).await,
        ];
        for _ in 0..10 {
            assert!(queues.turn(&connection).await.is_none());
        }
        drop(turns);
        assert!(queues.turn(&connection).await.is_some());
    }
}
