//! Reading bodies: bounded in size, in time and in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::client::Source;
use super::error::ApiError;
use integration_host_contract::limits::Limits;

/// How large a request may be and how long it may take to arrive.
#[derive(Clone, Debug)]
pub(super) struct RequestLimits {
    /// Body of an API request.
    pub(super) api_bytes: usize,
    /// Body of a delivery.
    pub(super) delivery_bytes: usize,
    /// Time for the whole body.
    pub(super) read_timeout: Duration,
    /// Time for the next piece of it.
    pub(super) stall_timeout: Duration,
    /// The large bodies that may be in memory.
    pub(super) large: Arc<LargeBodies>,
}

impl From<&Limits> for RequestLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            api_bytes: limits.api_request_bytes,
            delivery_bytes: limits.delivery_bytes,
            read_timeout: limits.request_read_timeout,
            stall_timeout: limits.request_stall_timeout,
            large: Arc::new(LargeBodies::new(limits.large_requests)),
        }
    }
}

/// How much of a body that is too large is read and thrown away. Answering in the middle of it would
/// close the connection, and the sender would see that instead of the answer.
const MOST_DISCARDED: usize = 4 << 20;

/// What every connection may hold in memory. Real deliveries are far smaller, so that large bodies on
/// all connections neither exhaust the memory nor keep real deliveries out.
const SMALL: usize = 64 << 10;

/// A large body counts once for each such part of it.
const PART: usize = 1 << 20;

/// After how many seconds a large body may be sent again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// One source may have so much of what all large bodies may have.
const SHARE_OF_A_SOURCE: u32 = 8;

/// The parts of large bodies that are in memory: so many in all, and so many of one source.
#[derive(Debug)]
pub(super) struct LargeBodies {
    permits: Arc<Semaphore>,
    most_per_source: u32,
    by_source: Mutex<HashMap<Source, u32>>,
}

impl LargeBodies {
    pub(super) fn new(most: u32) -> Self {
        let permits = usize::try_from(most).unwrap_or(usize::MAX);
        Self {
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            most_per_source: most.div_ceil(SHARE_OF_A_SOURCE),
            by_source: Mutex::default(),
        }
    }

    /// How often a body of this length counts: never more often than one source has, which would keep it out for good.
    fn parts(&self, length: usize) -> usize {
        let parts = match length {
            0..=SMALL => 0,
            _ => length.div_ceil(PART),
        };
        let share = self.most_per_source.max(1);
        parts.min(share.try_into().unwrap_or(usize::MAX))
    }

    fn admit(self: &Arc<Self>, source: Source) -> Option<LargePart> {
        let mut by_source = self.lock();
        let of_source = by_source.get(&source).copied().unwrap_or_default();
        if of_source >= self.most_per_source {
            return None;
        }
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        by_source.insert(source, of_source + 1);
        Some(LargePart {
            source,
            bodies: Arc::clone(self),
            _permit: permit,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Source, u32>> {
        self.by_source.lock()
    }
}

/// A part of a large body that counts until this is dropped.
pub(super) struct LargePart {
    source: Source,
    bodies: Arc<LargeBodies>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for LargePart {
    fn drop(&mut self) {
        let mut by_source = self.bodies.lock();
        if let Some(count) = by_source.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

/// A whole body. A large one counts as such until this is dropped.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) _large: Vec<LargePart>,
}

/// What becomes of a body that arrives.
#[derive(Clone, Copy)]
enum Use {
    /// It is handed on; if it is large, it counts against this source.
    Keep(Source),
    /// It is read to its end, and nothing of it is kept.
    Discard,
}

impl RequestLimits {
    /// Reads a whole body of at most `max_bytes`, of this source.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        max_bytes: usize,
        source: Source,
    ) -> Result<Received, ApiError> {
        self.receive(headers, body, max_bytes, Use::Keep(source))
            .await
    }

    /// Reads a body like [`Self::read`] and keeps nothing of it: of what is refused whatever it is, for a sender
    /// who must not notice.
    pub(super) async fn discard(
        &self,
        headers: &HeaderMap,
        body: Body,
        max_bytes: usize,
    ) -> Result<(), ApiError> {
        self.receive(headers, body, max_bytes, Use::Discard)
            .await
            .map(|_| ())
    }

    async fn receive(
        &self,
        headers: &HeaderMap,
        body: Body,
        max_bytes: usize,
        purpose: Use,
    ) -> Result<Received, ApiError> {
        // What is compressed is larger than it looks, and nobody here has to send that.
        let is_encoded = |encoding: &axum::http::HeaderValue| encoding != "identity";
        if headers.get_all(CONTENT_ENCODING).iter().any(is_encoded) {
            return Err(ApiError::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body is compressed; send it as it is, without the header “Content-Encoding”",
            ));
        }
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > most_read(max_bytes) as u64) {
            return Err(too_large(max_bytes));
        }
        timeout(self.read_timeout, self.collect(body, max_bytes, purpose))
            .await
            .unwrap_or_else(|_| Err(ApiError::too_slow()))
    }

    async fn collect(
        &self,
        body: Body,
        max_bytes: usize,
        purpose: Use,
    ) -> Result<Received, ApiError> {
        let mut stream = body.into_data_stream();
        let (mut bytes, mut large) = (Vec::new(), Vec::new());
        let mut length = 0_usize;
        while let Some(chunk) = timeout(self.stall_timeout, stream.next())
            .await
            .map_err(|_| ApiError::too_slow())?
        {
            let chunk = chunk.map_err(|_| ApiError::malformed("the request's body was cut off"))?;
            length = length.saturating_add(chunk.len());
            if length > most_read(max_bytes) {
                break;
            }
            if length > max_bytes {
                (bytes, large) = (Vec::new(), Vec::new());
                continue;
            }
            let Use::Keep(source) = purpose else {
                continue;
            };
            while large.len() < self.large.parts(length) {
                large.push(self.large.admit(source).ok_or_else(|| {
                    ApiError::busy(
                        "too many large requests arrive at once; send it again later",
                        RETRY_AFTER_SECONDS,
                    )
                })?);
            }
            bytes.extend_from_slice(&chunk);
        }
        if length > max_bytes {
            return Err(too_large(max_bytes));
        }
        Ok(Received {
            bytes,
            _large: large,
        })
    }
}

fn most_read(max_bytes: usize) -> usize {
    max_bytes.saturating_add(MOST_DISCARDED)
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request's body is larger than {max_bytes} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn one_source_leaves_large_bodies_to_others() {
        let bodies = Arc::new(LargeBodies::new(16));
        let of_one: Vec<_> = (0..34).filter_map(|_| bodies.admit(source(1))).collect();
        assert_eq!(of_one.len(), 2);
        let others: Vec<_> = (2..34)
            .filter_map(|last| bodies.admit(source(last)))
            .collect();
        assert_eq!(others.len(), 14);
        assert!(bodies.admit(source(40)).is_none(), "memory is not bounded");
        drop((of_one, others));
        assert!(bodies.lock().is_empty());
        assert!(bodies.admit(source(1)).is_some());
    }

    #[test]
    fn a_large_body_counts_by_its_size_and_is_never_too_large_for_its_sources_share() {
        let parts = |most: u32, length| LargeBodies::new(most).parts(length);
        assert_eq!((parts(32, SMALL), parts(32, SMALL + 1)), (0, 1));
        assert_eq!((parts(32, PART + 1), parts(32, 4 * PART)), (2, 4));
        assert_eq!((parts(32, 40 * PART), parts(8, 4 * PART)), (4, 1));
        assert_eq!(parts(0, PART), 1, "none is not as many as you like");
    }
}
