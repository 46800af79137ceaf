//! The right to act for a connection, which may come to an end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Instant, sleep_until};

/// Until when a host may send requests for a connection. A host that was paused for long may have lost that
/// to another one without noticing; whatever it was about to send, it must not.
#[derive(Clone, Debug)]
pub struct Right(Arc<Mutex<Instant>>);

impl Right {
    /// A right until some time.
    pub fn until(end: Instant) -> Self {
        Self(Arc::new(Mutex::new(end)))
    }

    /// Makes it last until some time, be that later or earlier than it was.
    pub fn last_until(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// Whether it has come to an end.
    pub fn has_ended(&self) -> bool {
        self.end() <= Instant::now()
    }

    /// Waits until it has come to an end.
    pub async fn ended(&self) {
        while !self.has_ended() {
            // It may be made to last longer meanwhile.
            sleep_until(self.end()).await;
        }
    }

    fn end(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
