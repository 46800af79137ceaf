//! For how long nothing was acknowledged.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Times between acknowledgements, whoever got them.
pub(super) struct Silence(Mutex<Times>);

struct Times {
    since: Instant,
    longest: Duration,
}

impl Silence {
    pub(super) fn begin() -> Self {
        Self(Mutex::new(Times {
            since: Instant::now(),
            longest: Duration::ZERO,
        }))
    }

    /// Something was acknowledged.
    pub(super) fn end(&self) {
        let mut times = self.times();
        times.longest = times.longest.max(times.since.elapsed());
        times.since = Instant::now();
    }

    /// The longest of those that have ended.
    pub(super) fn longest(&self) -> Duration {
        self.times().longest
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
