//! The CPU time of a call.
//!
//! It is what the call's thread has computed while the call's future was being polled: what the
//! component computes and what the host computes for it, such as unsealing a value. Neither waiting
//! for an answer nor other work of a busy machine counts. The engine's epoch makes the component
//! look at this clock at every tick.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cpu_time::ThreadTime;

/// Measures the CPU time of one call.
#[derive(Clone, Default)]
pub(super) struct CpuClock(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Nanoseconds in polls that have ended.
    spent: AtomicU64,
    /// The CPU time of the polling thread when the current poll began, in nanoseconds.
    poll_began: AtomicU64,
}

impl CpuClock {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Runs a call on this clock.
    pub(super) fn measure<T>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let clock = self.clone();
        let mut call = Box::pin(call);
        poll_fn(move |context| {
            let began = thread_nanos();
            clock.0.poll_began.store(began, Ordering::Relaxed);
            let poll = call.as_mut().poll(context);
            let spent = thread_nanos().saturating_sub(began);
            clock.0.spent.fetch_add(spent, Ordering::Relaxed);
            poll
        })
    }

    /// CPU time so far. Called from within the call.
    pub(super) fn spent(&self) -> Duration {
        let began = self.0.poll_began.load(Ordering::Relaxed);
        let current = Duration::from_nanos(thread_nanos().saturating_sub(began));
        self.ended_polls() + current
    }

    /// CPU time until the call last waited or gave way. Called from anywhere.
    pub(super) fn ended_polls(&self) -> Duration {
        Duration::from_nanos(self.0.spent.load(Ordering::Relaxed))
    }
}

/// What the current thread has computed since it was started, in nanoseconds.
fn thread_nanos() -> u64 {
    u64::try_from(ThreadTime::now().as_duration().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const COMPUTING: Duration = Duration::from_millis(2);

    fn compute() {
        let began = ThreadTime::now();
        while began.elapsed() < COMPUTING {}
    }

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let clock = CpuClock::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let inside = clock.clone();
        let call = async move {
            compute();
            let computed = inside.spent();
            receiver.await.map(|()| computed)
        };
        let meanwhile = async {
            let before = clock.ended_polls();
            compute();
            let after = clock.ended_polls();
            sender.send(()).map(|()| (before, after))
        };
        let (computed, meanwhile) = tokio::join!(clock.measure(call), meanwhile);
        assert!(
            computed.unwrap() >= COMPUTING,
            "a loop would never be ended"
        );
        let (before, after) = meanwhile.unwrap();
        assert!(before >= COMPUTING);
        assert_eq!(
            before, after,
            "a call that waits for an answer would be ended as if it looped"
        );
    }
}
