//! Pacing: requests with one secret are sent no faster than the manifest asks.
//!
//! Each secret has a bucket of `burst` requests that refills evenly. Who finds it empty waits in
//! line, and whoever could not be served before its deadline is told so at once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use thiserror::Error;
use tokio::time::Instant;

use integration_host_contract::Pacing;
use integration_host_contract::id::random_bytes;
use integration_host_contract::sentence::duration_in_words;

/// How many requests with one secret may wait at a time.
const MAX_WAITING: u32 = 256;

/// How many buckets are kept; those that are full again are dropped first.
const MAX_BUCKETS: usize = 10_000;

/// The longest time for which a remote service can hold a bucket back.
const MAX_HOLD: Duration = Duration::from_secs(15 * 60);

/// Buckets by secret.
pub struct Pacer {
    interval: Duration,
    /// How far ahead of an even rate a burst may run.
    tolerance: Duration,
    hash_key: [u8; 32],
    buckets: Mutex<HashMap<PacingKey, Arc<Bucket>>>,
}

/// Stands for a secret without containing it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacingKey([u8; 32]);

/// Why a request did not get its turn.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacingError {
    /// The turn would come after the deadline.
    #[error("too many requests are waiting for their turn: the next one would be sent in {}, after the call's time is up", duration_in_words(*.wait))]
    TooLate {
        /// How long it would have taken.
        wait: Duration,
    },
    /// Too many requests with this secret are waiting already.
    #[error("too many requests are waiting for their turn; try again in a few seconds")]
    LineFull,
    /// Too many secrets are in use at once.
    #[error("too many connections are sending requests at once; try again in a few seconds")]
    TooManyBuckets,
}

/// A bucket, kept as the time at which it will be full again (the generic cell rate algorithm).
struct Bucket {
    full_at: Mutex<Instant>,
    /// Until when the remote service has asked for silence; then the bucket is empty.
    held_until: Mutex<Option<Instant>>,
    /// How many requests in a row the remote service refused because they came too fast.
    refusals: AtomicU32,
    /// Held by the request whose turn is next; the lock hands it on in order of arrival.
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
}

impl Pacer {
    /// Buckets of this size and rate. A burst or rate of 0 would block for ever and counts as 1.
    pub fn new(pacing: Pacing) -> Self {
        let interval = Duration::from_secs(60) / pacing.requests_per_minute.max(1);
        Self {
            interval,
            tolerance: interval.saturating_mul(pacing.burst.max(1) - 1),
            hash_key: random_bytes(),
            buckets: Mutex::default(),
        }
    }

    /// The key for requests that carry these secrets, or for a host where they carry none.
    ///
    /// Keyed with random bytes of this process, it reveals nothing to who sees it.
    pub fn key<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> PacingKey {
        // HMAC takes a key of any length, so there is no error to expect; an unkeyed pacer would
        // still pace correctly.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.hash_key) else {
            return PacingKey([0; 32]);
        };
        for part in parts {
            mac.update(&part.len().to_le_bytes());
            mac.update(part.as_bytes());
        }
        PacingKey(mac.finalize().into_bytes().into())
    }

    /// Waits for a request's turn and takes it, in order of arrival. Returns how long that took.
    /// Whoever stops waiting leaves the line without using up a turn.
    ///
    /// # Errors
    /// At once, if the turn would come after `deadline` or there is no room to wait.
    pub async fn acquire(
        &self,
        key: PacingKey,
        deadline: Instant,
    ) -> Result<Duration, PacingError> {
        self.acquire_for(key, deadline, false).await
    }

    /// [`Self::acquire`], except that what a person asked for keeps to the pace and does not wait out the time for which
    /// the remote service wants to be left alone.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub(super) async fn acquire_for(
        &self,
        key: PacingKey,
        deadline: Instant,
        asked_by_person: bool,
    ) -> Result<Duration, PacingError> {
        let arrived = Instant::now();
        let bucket = self.bucket(key)?;
        let place = Place::take(&bucket)?;
        let wait = bucket.wait(
            arrived,
            self.tolerance,
            self.interval.saturating_mul(place.ahead),
            asked_by_person,
        );
        if arrived + wait > deadline {
            return Err(PacingError::TooLate { wait });
        }
        let too_late = |_| PacingError::TooLate {
            wait: deadline.saturating_duration_since(arrived),
        };
        // Whose turn is next may wait out a silence.
        let _turn = match asked_by_person {
            true => None,
            false => Some(
                tokio::time::timeout_at(deadline, bucket.turn.lock())
                    .await
                    .map_err(too_late)?,
            ),
        };
        loop {
            let now = Instant::now();
            // Asked again after each sleep: the bucket may have been held back meanwhile.
            let wait = bucket.wait(now, self.tolerance, Duration::ZERO, asked_by_person);
            if wait.is_zero() {
                let emptied = bucket.emptied_until(self.tolerance, asked_by_person);
                let mut full_at = bucket.full_at.lock();
                *full_at = emptied
                    .map_or(*full_at, |emptied| emptied.max(*full_at))
                    .max(now)
                    + self.interval;
                return Ok(now.saturating_duration_since(arrived));
            }
            if now + wait > deadline {
                return Err(PacingError::TooLate { wait });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Empties a bucket for some time, at most 15 minutes: the remote service asked for it.
    pub fn hold_back(&self, key: PacingKey, delay: Duration) {
        if let Ok(bucket) = self.bucket(key) {
            let mut held_until = bucket.held_until.lock();
            *held_until = (*held_until).max(Some(Instant::now() + delay.min(MAX_HOLD)));
        }
    }

    /// Counts a request that the remote service refused as too fast, and returns how many it were
    /// in a row.
    pub fn count_refusal(&self, key: PacingKey) -> u32 {
        self.bucket(key).map_or(1, |bucket| {
            let before = bucket.refusals.fetch_add(1, Ordering::Relaxed);
            before.saturating_add(1)
        })
    }

    /// Ends a row of refusals: a request was admitted.
    pub fn count_admission(&self, key: PacingKey) {
        if let Ok(bucket) = self.bucket(key) {
            bucket.refusals.store(0, Ordering::Relaxed);
        }
    }

    fn bucket(&self, key: PacingKey) -> Result<Arc<Bucket>, PacingError> {
        let mut buckets = self.buckets.lock();
        if let Some(bucket) = buckets.get(&key) {
            return Ok(Arc::clone(bucket));
        }
        let now = Instant::now();
        if buckets.len() >= MAX_BUCKETS {
            buckets.retain(|_, bucket| Arc::strong_count(bucket) > 1 || bucket.is_in_use(now));
            if buckets.len() >= MAX_BUCKETS {
                return Err(PacingError::TooManyBuckets);
            }
        }
        let bucket = Arc::new(Bucket {
            full_at: Mutex::new(now),
            held_until: Mutex::default(),
            refusals: AtomicU32::new(0),
            turn: tokio::sync::Mutex::default(),
            waiting: AtomicU32::new(0),
        });
        buckets.insert(key, Arc::clone(&bucket));
        Ok(bucket)
    }
}

impl Bucket {
    /// How long until a request may be sent, if those ahead of it add `ahead` to the bucket.
    fn wait(
        &self,
        now: Instant,
        tolerance: Duration,
        ahead: Duration,
        asked_by_person: bool,
    ) -> Duration {
        let emptied = self.emptied_until(tolerance, asked_by_person);
        let full_at = *self.full_at.lock();
        let full_at = emptied.map_or(full_at, |emptied| emptied.max(full_at));
        let behind = full_at.saturating_duration_since(now);
        behind.saturating_add(ahead).saturating_sub(tolerance)
    }

    /// When a bucket is full that is empty at the end of the silence, which a person's request does not keep.
    fn emptied_until(&self, tolerance: Duration, asked_by_person: bool) -> Option<Instant> {
        let held_until = (*self.held_until.lock()).filter(|_| !asked_by_person);
        held_until.map(|held_until| held_until + tolerance)
    }

    fn is_in_use(&self, now: Instant) -> bool {
        *self.full_at.lock() > now || self.held_until.lock().is_some_and(|until| until > now)
    }
}

/// A place in a bucket's line, given up when dropped.
struct Place<'a> {
    bucket: &'a Bucket,
    ahead: u32,
}

impl<'a> Place<'a> {
    fn take(bucket: &'a Bucket) -> Result<Self, PacingError> {
        let ahead = bucket.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self { bucket, ahead };
        if ahead < MAX_WAITING {
            Ok(place)
        } else {
            Err(PacingError::LineFull)
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.bucket.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Pacer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pacer")
            .field("interval", &self.interval)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PacingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PacingKey")
    }
}

#[cfg(test)]
mod tests;
