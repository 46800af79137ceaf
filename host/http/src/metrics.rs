//! Counters of the http capability, for whoever exports them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What was sent and what became of it, since the host started.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    requests: AtomicU64,
    retries: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    paced_ms: AtomicU64,
    statuses: [AtomicU64; 5],
}

/// [`HttpMetrics`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests sent because an earlier one failed.
    pub retries: u64,
    /// Requests of an integration that were not allowed or beyond a limit, and were never sent.
    pub refused: u64,
    /// Requests sent without getting a response.
    pub failed: u64,
    /// Milliseconds that requests waited for their turn, in total.
    pub paced_ms: u64,
    /// Responses with the statuses 1xx, 2xx, 3xx, 4xx and 5xx.
    pub statuses: [u64; 5],
}

impl HttpMetrics {
    /// The counters now.
    pub fn counts(&self) -> HttpCounts {
        HttpCounts {
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            refused: self.refused.load(Relaxed),
            failed: self.failed.load(Relaxed),
            paced_ms: self.paced_ms.load(Relaxed),
            statuses: self.statuses.each_ref().map(|count| count.load(Relaxed)),
        }
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(super) fn count_paced(&self, waited: Duration) {
        self.paced_ms.fetch_add(
            u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    /// Counts one attempt; `status` is `None` where no response came.
    pub(super) fn count_attempt(&self, attempt: u32, status: Option<u16>) {
        self.requests.fetch_add(1, Relaxed);
        if attempt > 1 {
            self.retries.fetch_add(1, Relaxed);
        }
        let class = status.and_then(|status| usize::from(status / 100).checked_sub(1));
        match class.and_then(|class| self.statuses.get(class)) {
            Some(count) => count.fetch_add(1, Relaxed),
            None => self.failed.fetch_add(1, Relaxed),
        };
    }
}
