//! Reading bodies: bounded in size and in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;

use super::error::ApiError;
use crate::limits::Limits;

/// How large a request may be and how long it may take to arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLimits {
    /// Body of an API request.
    pub(super) api_bytes: usize,
    /// Body of a delivery.
    pub(super) delivery_bytes: usize,
    /// Time for the whole body.
    pub(super) read_timeout: Duration,
}

impl From<&Limits> for RequestLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            api_bytes: limits.api_request_bytes,
            delivery_bytes: limits.delivery_bytes,
            read_timeout: limits.request_read_timeout(),
        }
    }
}

/// How much of a body that is too large is read and thrown away. Answering in the middle of it would
/// close the connection, and the sender would see that instead of the answer.
const MOST_DISCARDED: usize = 4 << 20;

/// Reads a whole body of at most `max_bytes`.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    max_bytes: usize,
    timeout: Duration,
) -> Result<Vec<u8>, ApiError> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    let most_read = max_bytes.saturating_add(MOST_DISCARDED);
    if announced.is_some_and(|length| length > most_read as u64) {
        return Err(too_large(max_bytes));
    }
    let collect = async {
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::new();
        let mut length = 0_usize;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| ApiError::malformed("the request's body was cut off"))?;
            length = length.saturating_add(chunk.len());
            if length > most_read {
                break;
            }
            if length <= max_bytes {
                bytes.extend_from_slice(&chunk);
            } else {
                bytes = Vec::new();
            }
        }
        if length > max_bytes {
            return Err(too_large(max_bytes));
        }
        Ok(bytes)
    };
    tokio::time::timeout(timeout, collect)
        .await
        .unwrap_or_else(|_| Err(ApiError::too_slow()))
}

fn too_large(max_bytes: usize) -> ApiError {
    ApiError::refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the request's body is larger than {max_bytes} bytes"),
    )
}
