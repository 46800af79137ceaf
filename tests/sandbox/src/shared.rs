//! What every request, worker and control call shares: the world behind its lock, and the bells that announce changes.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore, watch};

use crate::{control::MAX_ACTIVITIES, world::World};

pub(crate) struct Shared {
    world: Mutex<World>,
    /// Rung after every change, for the delivery worker.
    pub wake: Notify,
    /// Counts changes, for those who wait for a state.
    changes: watch::Sender<u64>,
    /// Sends pings and deliveries.
    pub callbacks: reqwest::Client,
    /// Bounds the traffic generators.
    pub activities: Semaphore,
    /// Ends them.
    pub stop_activities: Notify,
    /// Where the sandbox is reached, without a trailing slash.
    pub base_url: String,
}

impl Shared {
    pub fn new(world: World, callbacks: reqwest::Client, base_url: String) -> Self {
        Self {
            world: Mutex::new(world),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
            callbacks,
            activities: Semaphore::new(MAX_ACTIVITIES),
            stop_activities: Notify::new(),
            base_url,
        }
    }

    /// Looks at the world.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        // A panic elsewhere leaves records that are still records: go on with them.
        look(&self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the world and tells whoever waits.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let answer = change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        self.wake.notify_one();
        answer
    }

    /// Changes what nobody waits for: the worker taking what is due.
    pub fn change_quietly<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the world is as wanted; looks again after every change.
    pub async fn until<T>(&self, mut wanted: impl FnMut(&mut World) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let found = wanted(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(found) = found {
                return found;
            }
            // The sender lives as long as `self`, so this cannot fail.
            let _ = changes.changed().await;
        }
    }
}
