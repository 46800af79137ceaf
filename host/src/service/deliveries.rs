//! Deliveries: from the remote service's POST to the ledger, and again when that failed.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tracing::{debug, error, warn};

use super::{Service, ServiceError};
use crate::contract::{
    DeliveryOutcome, DeliveryResult, ErrorCode, Header, WebhookRequest, WebhookResponse,
};
use crate::id::{ConnectionId, DeliveryId, HookId};
use crate::ledger::{Connection, Delivery, DeliveryRecord, DeliveryStatus};

/// What a sealed delivery is bound to, beside its connection and id.
const SEAL_PURPOSE: &str = "delivery";

/// What a kept delivery is bound to.
pub(super) fn seal_context<'a>(connection: &'a ConnectionId, id: &'a DeliveryId) -> [&'a str; 3] {
    [SEAL_PURPOSE, connection.as_str(), id.as_str()]
}

/// After how many seconds the remote service should deliver again when the host could not take it.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The status for a delivery whose signature is missing or wrong.
const REFUSED: u16 = 401;

/// A delivery as it is kept for replay.
#[derive(Serialize, Deserialize)]
struct KeptRequest {
    headers: Vec<(String, String)>,
    body_base64: String,
}

/// What the host answers to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// The response.
    pub response: WebhookResponse,
    /// For the `Retry-After` header.
    pub retry_after_seconds: Option<u32>,
    /// Whether it was no genuine delivery of the connection's, as far as can be seen.
    pub was_refused: bool,
}

impl HookAnswer {
    /// The same whether there is no such hook, no signature or a wrong one.
    fn refusal() -> Self {
        Self {
            was_refused: true,
            ..Self::new(REFUSED, None)
        }
    }

    fn new(status: u16, retry_after_seconds: Option<u32>) -> Self {
        let response = WebhookResponse {
            status,
            content_type: None,
            body: Vec::new(),
        };
        Self {
            response,
            retry_after_seconds,
            was_refused: false,
        }
    }
}

impl Service {
    /// Whether a delivery can be genuine, as far as can be seen without its body: the hook looks like one,
    /// and there is one signature. With two, it would depend on who looks which of them counts.
    pub fn could_be_genuine(&self, hook: &HookId, headers: &[Header]) -> bool {
        let signature_header = &self.manifest().signature_header;
        let signatures = headers
            .iter()
            .filter(|header| header.name == *signature_header);
        hook.is_well_formed() && signatures.count() == 1
    }

    /// Takes one delivery and says what to answer. 2xx leaves only when the ledger has it durably.
    /// What could not be handled is kept for replay and answered with 503, so that the remote service
    /// delivers it again. An unknown hook is answered like a missing signature.
    pub async fn handle_delivery(
        &self,
        hook: &HookId,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> HookAnswer {
        let started = Instant::now();
        let metrics = &self.inner.metrics;
        if !self.could_be_genuine(hook, &headers) {
            metrics.refused.add(1);
            return HookAnswer::refusal();
        }
        let connection = match self.inner.parts.ledger.connection_by_hook(hook).await {
            Ok(Some(connection)) => connection,
            Ok(None) => {
                metrics.refused.add(1);
                return HookAnswer::refusal();
            }
            Err(error) => {
                warn!(%error, "a delivery could not be taken");
                metrics.failed.add(1);
                return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
            }
        };
        if self.inner.parts.integration.is_busy(&connection.id) {
            // Not kept: nobody knows yet whether it is genuine, and a genuine one is delivered again.
            metrics.failed.add(1);
            return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
        }
        let id = DeliveryId::generate();
        let request = WebhookRequest {
            callback_url: self.callback_url(hook),
            headers,
            body,
        };
        // Kept only if handling fails, but the call consumes the request.
        let kept = request.clone();
        let answer = match self.process(&connection, id.clone(), request).await {
            Ok(result)
                if result.outcome == DeliveryOutcome::Refused
                    && result.response.status == REFUSED =>
            {
                HookAnswer::refusal()
            }
            Ok(result) => HookAnswer {
                response: result.response,
                retry_after_seconds: None,
                was_refused: result.outcome == DeliveryOutcome::Refused,
            },
            Err(error) => {
                warn!(connection = %connection.id, delivery = %id, %error, "a delivery failed");
                metrics.failed.add(1);
                self.keep(&connection, id, &kept, &error).await;
                HookAnswer::new(503, Some(RETRY_AFTER_SECONDS))
            }
        };
        metrics.delivery_micros.add_micros(started.elapsed());
        answer
    }

    /// Has the integration handle a delivery and commits the outcome.
    async fn process(
        &self,
        connection: &Connection,
        id: DeliveryId,
        request: WebhookRequest,
    ) -> Result<DeliveryResult, ServiceError> {
        let metrics = &self.inner.metrics;
        let size_bytes = request.body.len() as u64;
        let context = self.context(&connection.id);
        let result = self
            .inner
            .parts
            .integration
            .handle_webhook(&context, request)
            .await?;
        let (status, counter) = match result.outcome {
            DeliveryOutcome::Accepted => (DeliveryStatus::Accepted, &metrics.accepted),
            DeliveryOutcome::Ping => (DeliveryStatus::Ping, &metrics.pings),
            DeliveryOutcome::Ignored => (DeliveryStatus::Ignored, &metrics.ignored),
            DeliveryOutcome::Refused => {
                debug!(connection = %connection.id, detail = result.detail, "a delivery was refused");
                metrics.refused.add(1);
                return Ok(result);
            }
        };
        let record = DeliveryRecord {
            id,
            received_at: self.inner.parts.clock.now(),
            event_id: result.event_id.clone(),
            status,
            detail: result.detail.clone(),
            size_bytes,
            sealed_request: None,
        };
        self.apply(&connection.id, &result.changes, Some(record))
            .await?;
        counter.add(1);
        if result.names_missing {
            self.inner.background.refresh_names_now(&connection.id);
        }
        Ok(result)
    }

    /// Keeps a delivery that could not be handled. If that fails too, the remote service still has it.
    async fn keep(
        &self,
        connection: &Connection,
        id: DeliveryId,
        request: &WebhookRequest,
        error: &ServiceError,
    ) {
        let kept = KeptRequest {
            headers: request
                .headers
                .iter()
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
            body_base64: BASE64.encode(&request.body),
        };
        let Ok(plain) = serde_json::to_vec(&kept) else {
            return;
        };
        // Held until the ledger has it.
        let keys = self.inner.parts.keys.hold();
        let record = DeliveryRecord {
            sealed_request: Some(keys.seal(&seal_context(&connection.id, &id), &plain)),
            received_at: self.inner.parts.clock.now(),
            event_id: None,
            status: DeliveryStatus::Failed,
            detail: error.message.clone(),
            size_bytes: request.body.len() as u64,
            id,
        };
        if let Err(error) = self
            .apply(&connection.id, &Default::default(), Some(record))
            .await
        {
            warn!(connection = %connection.id, %error, "a failed delivery could not be kept");
        }
    }

    /// Handles a failed delivery again.
    pub async fn replay(&self, id: &DeliveryId) -> Result<Delivery, ServiceError> {
        let ledger = &self.inner.parts.ledger;
        let keys = self.inner.parts.keys.hold();
        let no_delivery = || ServiceError::not_found(format!("there is no delivery {id}"));
        let delivery = ledger.delivery(id).await?.ok_or_else(no_delivery)?;
        let Some(sealed) = &delivery.record.sealed_request else {
            let why = match delivery.record.status {
                DeliveryStatus::Failed => {
                    "this delivery is no longer kept, because many failed after it; reconciling its connection brings what it was about"
                }
                _ => "this delivery was handled; only failed ones are kept for replay",
            };
            return Err(ServiceError::new(ErrorCode::Conflict, why));
        };
        let connection = self.connection(&delivery.connection_id).await?;
        let unreadable = || {
            ServiceError::new(
                ErrorCode::Internal,
                "the kept delivery cannot be read: it was changed, or its sealing key is gone",
            )
        };
        let plain = keys
            .open(&seal_context(&connection.id, id), sealed)
            .map_err(|error| {
                error!(connection = %connection.id, delivery = %id, %error, "a kept delivery cannot be read");
                unreadable()
            })?;
        // Handling it again takes a while, and a rotation need not wait for that.
        drop(keys);
        let kept: KeptRequest = serde_json::from_slice(&plain).map_err(|_| unreadable())?;
        let request = WebhookRequest {
            callback_url: self.callback_url(&connection.hook),
            headers: kept
                .headers
                .into_iter()
                .map(|(name, value)| Header { name, value })
                .collect(),
            body: BASE64.decode(kept.body_base64).map_err(|_| unreadable())?,
        };
        let retained = request.clone();
        match self.process(&connection, id.clone(), request).await {
            Ok(result) if result.outcome == DeliveryOutcome::Refused => {
                Err(ServiceError::new(ErrorCode::Forbidden, result.detail))
            }
            Ok(_) => ledger.delivery(id).await?.ok_or_else(no_delivery),
            Err(error) => {
                self.keep(&connection, id.clone(), &retained, &error).await;
                Err(error)
            }
        }
    }
}
