//! The CPU time of a call, and how long calls share the processors with everything else.
//!
//! CPU time is the time in which the call's future is being polled: what the component computes and
//! what the host computes for it, such as unsealing a value. Waiting for an answer is not polled and
//! does not count. The engine's epoch makes the component look at this clock at every tick.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A call that has computed for longer than this goes on in the slow lane. Almost every call of an
/// ordinary integration has ended by then.
const SLICE: Duration = Duration::from_millis(10);

/// Where calls run that compute for long. It has one place fewer than there are processors: however many
/// calls loop, one processor stays free for deliveries, requests and everything else.
#[derive(Clone)]
pub(super) struct SlowLane(Arc<Semaphore>);

impl SlowLane {
    pub(super) fn new() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(
            processors.saturating_sub(1).max(1),
        )))
    }
}

/// Measures the CPU time of one call.
#[derive(Clone)]
pub(super) struct CpuClock(Arc<Inner>);

struct Inner {
    created: Instant,
    /// Nanoseconds in polls that have ended.
    spent: AtomicU64,
    /// When the current poll began, in nanoseconds since `created`.
    poll_began: AtomicU64,
    lane: SlowLane,
    /// The place in the slow lane, given back whenever the call yields or waits.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl CpuClock {
    pub(super) fn new(lane: SlowLane) -> Self {
        Self(Arc::new(Inner {
            created: Instant::now(),
            spent: AtomicU64::new(0),
            poll_began: AtomicU64::new(0),
            lane,
            place: Mutex::new(None),
        }))
    }

    /// Runs a call on this clock.
    pub(super) async fn measure<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|context| {
            let began = self.now();
            self.0.poll_began.store(began, Ordering::Relaxed);
            let poll = call.as_mut().poll(context);
            let spent = self.now().saturating_sub(began);
            self.0.spent.fetch_add(spent, Ordering::Relaxed);
            self.keep_place(None);
            poll
        })
        .await
    }

    /// CPU time so far. Called from within the call.
    pub(super) fn spent(&self) -> Duration {
        let began = self.0.poll_began.load(Ordering::Relaxed);
        let current = self.now().saturating_sub(began);
        Duration::from_nanos(self.0.spent.load(Ordering::Relaxed).saturating_add(current))
    }

    /// What a call waits for at a tick before it goes on: that others had their turn.
    pub(super) fn turn(&self) -> impl Future<Output = ()> + Send + 'static {
        let clock = self.clone();
        let is_slow = self.spent() > SLICE;
        async move {
            tokio::task::yield_now().await;
            if is_slow {
                let place = Arc::clone(&clock.0.lane.0).acquire_owned().await;
                clock.keep_place(place.ok());
            }
        }
    }

    fn keep_place(&self, place: Option<OwnedSemaphorePermit>) {
        *self.0.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.created.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn computing_counts_and_waiting_does_not() {
        let clock = CpuClock::new(SlowLane::new());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let call = async {
            compute();
            let computed = clock.spent();
            receiver.await.map(|()| computed)
        };
        let meanwhile = async {
            let before = clock.0.spent.load(Ordering::Relaxed);
            compute();
            let after = clock.0.spent.load(Ordering::Relaxed);
            sender.send(()).map(|()| (before, after))
        };
        let (computed, meanwhile) = tokio::join!(clock.measure(call), meanwhile);
        assert!(
            computed.unwrap() >= COMPUTING,
            "a loop would never be ended"
        );
        let (before, after) = meanwhile.unwrap();
        assert!(u128::from(before) >= COMPUTING.as_nanos());
        assert_eq!(
            before, after,
            "a call that waits for an answer would be ended as if it looped"
        );
    }

    const COMPUTING: Duration = Duration::from_millis(2);

    fn compute() {
        let began = Instant::now();
        while began.elapsed() < COMPUTING {}
    }
}
