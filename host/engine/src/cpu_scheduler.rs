//! Where calls run: almost all where they are made, and those that compute for long on background threads.
//! The operating system shares the processors among threads fairly, so a
//! component that loops slows down nothing but others of its kind.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::resume_unwind;
use std::task::Poll;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber as _;

use super::cpu::CpuClock;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::recent::Recent;

/// A call that has computed for longer than this goes on in the background. Almost every call of an
/// ordinary integration has ended by then.
const SLICE: Duration = Duration::from_millis(10);

/// A connection whose calls have computed for so long lately starts in the background: many short calls
/// are no better than a long one.
const HIGH_DEBT: Duration = Duration::from_millis(30);

/// How much of that is forgiven in a second.
const FORGIVEN_PER_SECOND: f64 = 0.2;

/// No connection is remembered as worse than this, so that it is forgiven within some seconds.
const MOST_DEBT: Duration = Duration::from_secs(2);

/// Connections remembered at the same time.
const MAX_REMEMBERED: usize = 10_000;

/// The background threads: one fewer than there are processors.
pub(super) struct CpuScheduler {
    background: Option<Runtime>,
    debts: Recent<ConnectionId, CpuDebt>,
}

/// CPU time that a connection has used and that is not forgiven yet.
#[derive(Clone, Copy)]
struct CpuDebt {
    at: Instant,
    spent: Duration,
}

impl CpuDebt {
    fn now(self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at);
        self.spent
            .saturating_sub(passed.mul_f64(FORGIVEN_PER_SECOND))
    }
}

impl CpuScheduler {
    pub(super) fn new() -> io::Result<Self> {
        let processors = available_parallelism().map_or(1, usize::from);
        let background = Builder::new_multi_thread()
            .worker_threads(processors.saturating_sub(1).max(1))
            .thread_name("background-call")
            .enable_all()
            .build()?;
        Ok(Self {
            background: Some(background),
            debts: Recent::new(MAX_REMEMBERED),
        })
    }

    /// Runs a call on its clock; `None`: the engine is being dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        connection: &ConnectionId,
        clock: &CpuClock,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let _account = Account {
            scheduler: self,
            connection,
            clock,
        };
        let mut call = Box::pin(clock.measure(call));
        if !self.is_in_debt(connection) {
            let early = poll_fn(|context| {
                if clock.ended_polls() > SLICE {
                    return Poll::Ready(None);
                }
                call.as_mut().poll(context).map(Some)
            });
            if let Some(result) = early.await {
                return Some(result);
            }
        }
        let background = self.background.as_ref()?;
        let mut task = AbortOnDrop(background.spawn(call.with_current_subscriber()));
        match (&mut task.0).await {
            Ok(result) => Some(result),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    fn is_in_debt(&self, connection: &ConnectionId) -> bool {
        let now = Instant::now();
        (self.debts)
            .peek(connection, |debt| debt.now(now) > HIGH_DEBT)
            .unwrap_or(false)
    }

    fn add_debt(&self, connection: &ConnectionId, spent: Duration) {
        let now = Instant::now();
        let first = || CpuDebt {
            at: now,
            spent: Duration::ZERO,
        };
        (self.debts).change_or_insert(connection.clone(), first, |debt| {
            let spent = (debt.now(now) + spent).min(MOST_DEBT);
            *debt = CpuDebt { at: now, spent };
        });
    }
}

impl Drop for CpuScheduler {
    fn drop(&mut self) {
        // Waiting for threads is not allowed where the last handle may be dropped.
        if let Some(background) = self.background.take() {
            background.shutdown_background();
        }
    }
}

/// Books what a call has computed, however it ends.
struct Account<'a> {
    scheduler: &'a CpuScheduler,
    connection: &'a ConnectionId,
    clock: &'a CpuClock,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.scheduler
            .add_debt(self.connection, self.clock.ended_polls());
    }
}

/// A call that nobody waits for any more must not go on.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_connection_that_computes_all_the_time_is_moved_aside() {
        let scheduler = CpuScheduler::new().unwrap();
        let (busy, healthy) = (ConnectionId::new("busy"), ConnectionId::new("healthy"));
        scheduler.add_debt(&busy, MOST_DEBT);
        let run = |connection| {
            let scheduler = &scheduler;
            async move {
                scheduler
                    .run(connection, &CpuClock::new(), thread_name())
                    .await
                    .unwrap()
            }
        };
        assert_eq!(run(&busy).await, "background-call");
        assert_ne!(
            run(&healthy).await,
            "background-call",
            "others are slowed down as well"
        );
    }

    #[tokio::test]
    async fn a_call_that_computes_for_long_goes_on_elsewhere() {
        let scheduler = CpuScheduler::new().unwrap();
        let clock = CpuClock::new();
        let watch = clock.clone();
        let call = async move {
            let began = thread_name().await;
            while watch.spent() <= SLICE {}
            tokio::task::yield_now().await;
            (began, thread_name().await)
        };
        let (began, ended) = scheduler
            .run(&ConnectionId::new("c"), &clock, call)
            .await
            .unwrap();
        assert_ne!(began, "background-call");
        assert_eq!(
            ended, "background-call",
            "a loop would keep a thread of the host busy"
        );
    }

    #[test]
    fn what_was_used_is_forgiven_with_time() {
        let at = Instant::now();
        let debts = CpuDebt {
            at,
            spent: MOST_DEBT,
        };
        assert_eq!(debts.now(at), MOST_DEBT);
        assert!(debts.now(at + Duration::from_secs(20)).is_zero());
    }
}
