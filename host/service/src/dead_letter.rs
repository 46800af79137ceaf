//! Dead letters: the requests of failed deliveries, kept for replay and sealed, because they hold what people work on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tracing::error;

use super::HostError;
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_contract::{ErrorCode, Header, WebhookRequest};
use integration_host_seal::HeldKeys;

/// What a sealed delivery is bound to, beside its connection and id.
const SEAL_PURPOSE: &str = "delivery";

/// What a kept delivery is bound to.
pub fn seal_context<'a>(connection: &'a ConnectionId, id: &'a DeliveryId) -> [&'a str; 3] {
    [SEAL_PURPOSE, connection.as_str(), id.as_str()]
}

#[derive(Serialize, Deserialize)]
struct RequestBody {
    headers: Vec<(String, String)>,
    body_base64: String,
}

/// Seals a request.
pub(super) fn seal(
    keys: &HeldKeys<'_>,
    connection: &ConnectionId,
    id: &DeliveryId,
    request: &WebhookRequest,
) -> Result<Vec<u8>, HostError> {
    let kept = RequestBody {
        headers: request
            .headers
            .iter()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect(),
        body_base64: BASE64.encode(&request.body),
    };
    let plain = serde_json::to_vec(&kept)
        .map_err(|error| HostError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(keys.seal(&seal_context(connection, id), &plain))
}

/// The request that was sealed, as if it arrived at this callback URL.
pub(super) fn open(
    keys: &HeldKeys<'_>,
    connection: &ConnectionId,
    id: &DeliveryId,
    sealed: &[u8],
    callback_url: String,
) -> Result<WebhookRequest, HostError> {
    let unreadable = || {
        HostError::new(
            ErrorCode::Internal,
            "the kept delivery cannot be read: it was changed, or its sealing key is gone",
        )
    };
    let plain = keys
        .open(&seal_context(connection, id), sealed)
        .map_err(|error| {
            error!(%connection, delivery = %id, %error, "a kept delivery cannot be read");
            unreadable()
        })?;
    let kept: RequestBody = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
    Ok(WebhookRequest {
        callback_url,
        headers: kept
            .headers
            .into_iter()
            .map(|(name, value)| Header { name, value })
            .collect(),
        body: BASE64.decode(kept.body_base64).map_err(|_| unreadable())?,
    })
}
