//! Reading bodies: bounded in size, in time and in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::ApiError;
use crate::limits::Limits;

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
    /// One permit for each large body that may be in memory.
    pub(super) large: Arc<Semaphore>,
}

impl From<&Limits> for RequestLimits {
    fn from(limits: &Limits) -> Self {
        let large = usize::try_from(limits.large_requests).unwrap_or(usize::MAX);
        Self {
            api_bytes: limits.api_request_bytes,
            delivery_bytes: limits.delivery_bytes,
            read_timeout: limits.request_read_timeout(),
            stall_timeout: limits.request_stall_timeout(),
            large: Arc::new(Semaphore::new(large.min(Semaphore::MAX_PERMITS))),
        }
    }
}

/// How much of a body that is too large is read and thrown away. Answering in the middle of it would
/// close the connection, and the sender would see that instead of the answer.
const MOST_DISCARDED: usize = 4 << 20;

/// What every connection may hold in memory. Real deliveries are far smaller, so that large bodies on
/// all connections neither exhaust the memory nor keep real deliveries out.
const SMALL: usize = 64 << 10;

/// After how many seconds a large body may be sent again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A whole body. A large one counts as such until this is dropped.
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) _large: Option<OwnedSemaphorePermit>,
}

impl RequestLimits {
    /// Reads a whole body of at most `max_bytes`.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        max_bytes: usize,
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
        timeout(self.read_timeout, self.collect(body, max_bytes))
            .await
            .unwrap_or_else(|_| Err(ApiError::too_slow()))
    }

    async fn collect(&self, body: Body, max_bytes: usize) -> Result<Received, ApiError> {
        let mut stream = body.into_data_stream();
        let (mut bytes, mut large) = (Vec::new(), None);
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
                (bytes, large) = (Vec::new(), None);
                continue;
            }
            if length > SMALL && large.is_none() {
                let permit = Arc::clone(&self.large).try_acquire_owned();
                large = Some(permit.map_err(|_| {
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
