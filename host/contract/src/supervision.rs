//! What everything else depends on, such as the thread that changes the database or the loop of background work: a
//! panic does not end it unseen. It is begun again, after a moment that grows, and a host in which that does not help
//! says so at `/healthz`, so that whoever runs it starts it anew.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use parking_lot::Mutex;

use crate::backoff::Backoff;

/// How long to wait after a panic.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const WAIT: Backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);

/// What has worked for so long since its last panic is well again.
const CALM: Duration = Duration::from_secs(60);

/// So many panics without such a time between them do not end by themselves.
const TOO_MANY: u32 = 5;

/// What is supervised in this process, for as long as it works.
static WATCHED: Mutex<Vec<Weak<Watched>>> = Mutex::new(Vec::new());

static PANICS: AtomicU64 = AtomicU64::new(0);

struct Watched {
    name: &'static str,
    panics: Mutex<Panics>,
}

/// Panics that followed one another.
#[derive(Clone, Copy, Default)]
struct Panics {
    in_a_row: u32,
    last: Option<Instant>,
}

impl Panics {
    /// Counts one more, and says how long to wait.
    fn add(&mut self, now: Instant) -> Duration {
        self.in_a_row = if self.are_recent(now) {
            self.in_a_row.saturating_add(1)
        } else {
            1
        };
        self.last = Some(now);
        WAIT.delay(self.in_a_row)
    }

    /// Whether beginning again does not help.
    fn do_not_end(self, now: Instant) -> bool {
        self.in_a_row >= TOO_MANY && self.are_recent(now)
    }

    fn are_recent(self, now: Instant) -> bool {
        self.last
            .is_some_and(|last| now.saturating_duration_since(last) < CALM)
    }
}

impl Watched {
    fn new(name: &'static str) -> Arc<Self> {
        let watched = Arc::new(Self {
            name,
            panics: Mutex::default(),
        });
        let mut all = WATCHED.lock();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&watched));
        watched
    }

    /// Notes a panic, whose own message the panic hook has told, and says how long to wait.
    fn note_panic(&self) -> Duration {
        PANICS.fetch_add(1, Ordering::Relaxed);
        // Telling may be what panics.
        let part = self.name;
        let _ = catch_unwind(|| {
            tracing::error!(
                part,
                "a part of the host ended with a panic and is begun again"
            );
        });
        self.panics.lock().add(Instant::now())
    }
}

/// Does something that ends by itself only when it is to end, and again whenever it panics.
pub async fn task<F: Future<Output = ()>>(name: &'static str, mut begin: impl FnMut() -> F) {
    let watched = Watched::new(name);
    loop {
        // What panics before its first rest is caught as well.
        let work = async { begin().await };
        if AssertUnwindSafe(work).catch_unwind().await.is_ok() {
            return;
        }
        tokio::time::sleep(watched.note_panic()).await;
    }
}

/// [`task`] on a thread of its own. `begin` is told whether it panicked before.
pub fn thread(name: &'static str, mut begin: impl FnMut(bool)) {
    let watched = Watched::new(name);
    let mut again = false;
    while catch_unwind(AssertUnwindSafe(|| begin(again))).is_err() {
        again = true;
        thread::sleep(watched.note_panic());
    }
}

/// Parts of this process that panic again and again: it does not get well by itself.
pub fn hopeless() -> Vec<&'static str> {
    let now = Instant::now();
    let all = WATCHED.lock();
    let all = all.iter().filter_map(Weak::upgrade);
    all.filter(|watched| watched.panics.lock().do_not_end(now))
        .map(|watched| watched.name)
        .collect()
}

/// How often something that is supervised has panicked in this process.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_begun_again_until_it_ends_by_itself() {
        let begun = AtomicU32::new(0);
        task("test-task", || async {
            if begun.fetch_add(1, Ordering::Relaxed) < 3 {
                panic!("for the third time at most");
            }
        })
        .await;
        assert_eq!(begun.load(Ordering::Relaxed), 4);

        let mut told = Vec::new();
        thread("test-thread", |again| {
            told.push(again);
            assert!(told.len() >= 3, "twice");
        });
        assert_eq!(told, [false, true, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_panics_again_and_again_is_hopeless_until_it_has_ended() {
        let stuck = tokio::spawn(task("test-hopeless", || async { panic!("always") }));
        while !hopeless().contains(&"test-hopeless") {
            tokio::time::sleep(FIRST_WAIT).await;
        }
        stuck.abort();
        let _ = stuck.await;
        assert!(!hopeless().contains(&"test-hopeless"));
    }

    #[test]
    fn rare_panics_are_forgiven() {
        let mut panics = Panics::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            assert_eq!(panics.add(now), FIRST_WAIT);
            assert!(!panics.do_not_end(now));
            now += CALM;
        }
        for _ in 0..TOO_MANY {
            panics.add(now);
        }
        assert!(panics.do_not_end(now));
        assert!(!panics.do_not_end(now + CALM));
        assert!((0..100).all(|_| panics.add(now) <= LONGEST_WAIT));
    }
}
