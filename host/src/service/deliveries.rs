//! Deliveries: from the remote service's POST to the ledger.

use std::time::Instant;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::{Service, ServiceError, kept};
use crate::contract::{DeliveryOutcome, DeliveryResult, Header, WebhookRequest, WebhookResponse};
use crate::id::{DeliveryId, HookId};
use crate::ledger::{Connection, DeliveryRecord, DeliveryStatus};

/// After how many seconds the remote service should deliver again when the host could not take it.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The status for a delivery whose signature is missing or wrong.
const REFUSED: u16 = 401;

/// The longest sentence about a delivery that the log keeps, in characters. The integration makes it up.
const MAX_DETAIL_CHARACTERS: usize = 500;

/// The longest event id that the log keeps, in bytes.
const MAX_EVENT_ID_BYTES: usize = 200;

/// One attempt to handle a delivery.
pub(super) struct Attempt {
    id: DeliveryId,
    received_at: Timestamp,
    handled_at: Timestamp,
    size_bytes: u64,
    started: Instant,
}

impl Attempt {
    /// The attempt that begins now, at a delivery that arrived then.
    pub(super) fn new(
        id: DeliveryId,
        received_at: Timestamp,
        handled_at: Timestamp,
        request: &WebhookRequest,
    ) -> Self {
        Self {
            id,
            received_at,
            handled_at,
            size_bytes: request.body.len() as u64,
            started: Instant::now(),
        }
    }

    /// What became of it, for the log.
    pub(super) fn record(&self, status: DeliveryStatus, detail: &str) -> DeliveryRecord {
        let elapsed_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        DeliveryRecord {
            id: self.id.clone(),
            received_at: self.received_at,
            handled_at: self.handled_at,
            elapsed_us,
            event_id: None,
            status,
            detail: detail.chars().take(MAX_DETAIL_CHARACTERS).collect(),
            size_bytes: self.size_bytes,
            sealed_request: None,
        }
    }
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
        let waiting = metrics.lag.arrived();
        if !self.could_be_genuine(hook, &headers) {
            metrics.refused.add(1);
            return HookAnswer::refusal();
        }
        let connection = match self.ledger.connection_by_hook(hook).await {
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
        // The call would find the same. Asked before, a flood costs neither a copy of each body nor a line
        // in the log.
        if self.inner.parts.integration.is_busy(&connection.id) {
            metrics.failed.add(1);
            return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
        }
        let request = WebhookRequest {
            callback_url: self.callback_url(hook),
            headers,
            body,
        };
        let now = self.inner.parts.clock.now();
        let attempt = Attempt::new(DeliveryId::generate(), now, now, &request);
        // Kept only if handling fails, but the call consumes the request.
        let kept = request.clone();
        let answer = match self.process(&connection, &attempt, request).await {
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
                warn!(connection = %connection.id, delivery = %attempt.id, %error, "a delivery failed");
                metrics.failed.add(1);
                // One that found no turn was not looked at: it may be forged, and forged ones must not
                // push out what is kept.
                if error.retry_after_seconds.is_none() {
                    self.keep(&connection, &attempt, &kept, &error).await;
                }
                HookAnswer::new(503, Some(RETRY_AFTER_SECONDS))
            }
        };
        metrics.delivery_micros.add_micros(started.elapsed());
        if !answer.was_refused {
            waiting.answered();
        }
        answer
    }

    /// Has the integration handle a delivery and commits the outcome.
    pub(super) async fn process(
        &self,
        connection: &Connection,
        attempt: &Attempt,
        request: WebhookRequest,
    ) -> Result<DeliveryResult, ServiceError> {
        let metrics = &self.inner.metrics;
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
        let event_id = result.event_id.clone();
        let record = DeliveryRecord {
            event_id: event_id.filter(|id| id.len() <= MAX_EVENT_ID_BYTES),
            ..attempt.record(status, &result.detail)
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
        attempt: &Attempt,
        request: &WebhookRequest,
        error: &ServiceError,
    ) {
        // Held until the ledger has it.
        let keys = self.inner.parts.keys.hold();
        let kept = async {
            let record = DeliveryRecord {
                sealed_request: Some(kept::seal(&keys, &connection.id, &attempt.id, request)?),
                ..attempt.record(DeliveryStatus::Failed, &error.message)
            };
            self.apply(&connection.id, &Default::default(), Some(record))
                .await
        };
        match kept.await {
            Ok(_) => self.inner.replays.wake(),
            Err(error) => {
                warn!(connection = %connection.id, %error, "a failed delivery could not be kept");
            }
        }
    }
}
