//! Until when a host may act under a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::sleep;

use integration_host_contract::clock::since_boot;

/// How often to look at the clock, whose sleep no timer counts.
const LOOK: Duration = Duration::from_millis(500);

/// Asks whoever grants leases whether one is still held.
#[async_trait]
pub trait LeaseCheck: Send + Sync + 'static {
    /// For how long from now it is held; `None`: it is not, or nobody can tell.
    async fn confirm(&self) -> Option<Duration>;
}

/// Until when a host may send requests for a connection. A host that was paused for long may have lost that
/// to another one without noticing; whatever it was about to send, it must not.
///
/// Time is the machine's since it was started, which goes on while that sleeps. Where even this stood still, as for a
/// virtual machine that is continued from a snapshot, only [`LeaseDeadline::confirm`] tells.
#[derive(Clone)]
pub struct LeaseDeadline(Arc<Shared>);

struct Shared {
    /// Since the machine was started.
    end: Mutex<Duration>,
    source: Arc<dyn LeaseCheck>,
    is_overtaken: AtomicBool,
}

impl LeaseDeadline {
    /// A lease that is held for `time` since `began`, a time since the machine was started.
    pub fn new(began: Duration, time: Duration, source: Arc<dyn LeaseCheck>) -> Self {
        Self(Arc::new(Shared {
            end: Mutex::new(began.saturating_add(time)),
            source,
            is_overtaken: AtomicBool::new(false),
        }))
    }

    /// Makes it last for `time` since `began`, be that later or earlier than it was.
    pub fn last(&self, began: Duration, time: Duration) {
        *self.end() = began.saturating_add(time);
    }

    /// Whether it has come to an end.
    pub fn has_ended(&self) -> bool {
        self.left().is_zero()
    }

    /// Waits until it has come to an end.
    pub async fn ended(&self) {
        // It may be made to last longer meanwhile.
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// Whether it is still held, as whoever grants it says now. If not, it has ended.
    pub async fn confirm(&self) -> bool {
        if self.has_ended() {
            return false;
        }
        let asked = since_boot();
        let time = self.0.source.confirm().await;
        self.last(asked, time.unwrap_or_default());
        time.is_some()
    }

    /// Asks again after something was sent that changes something: when the lease was lost in between, whoever has
    /// it now may have been disturbed.
    pub async fn confirm_sent(&self) {
        if !self.confirm().await {
            self.0.is_overtaken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether something was sent while it may have been somebody else's.
    pub fn is_overtaken(&self) -> bool {
        self.0.is_overtaken.load(Ordering::Relaxed)
    }

    fn left(&self) -> Duration {
        self.end().saturating_sub(since_boot())
    }

    fn end(&self) -> MutexGuard<'_, Duration> {
        self.0.end.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Granted(AtomicBool);

    #[async_trait]
    impl LeaseCheck for Granted {
        async fn confirm(&self) -> Option<Duration> {
            let stands = self.0.load(Ordering::Relaxed);
            stands.then_some(Duration::from_secs(60))
        }
    }

    #[tokio::test]
    async fn a_right_ends_when_it_is_over_or_somebody_elses() {
        let source = Arc::new(Granted(AtomicBool::new(true)));
        let minute = Duration::from_secs(60);
        let right = LeaseDeadline::new(since_boot(), minute, Arc::clone(&source) as _);
        assert!(right.confirm().await && !right.has_ended());
        right.confirm_sent().await;
        assert!(!right.is_overtaken());

        // By no clock has it ended, but it was granted to somebody else.
        source.0.store(false, Ordering::Relaxed);
        right.confirm_sent().await;
        assert!(right.is_overtaken() && right.has_ended());
        right.ended().await;

        let long_ago = since_boot().saturating_sub(2 * minute);
        source.0.store(true, Ordering::Relaxed);
        let slept = LeaseDeadline::new(long_ago, minute, source);
        assert!(slept.has_ended() && !slept.confirm().await);
    }
}
