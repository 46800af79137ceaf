//! Deliveries: from the remote service's POST to the ledger.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::failing::FAILING;
use super::{Authenticity, Host, HostError, dead_letter, repetitions};
use integration_host_contract::id::{ConnectionId, DeliveryId, HookId};
use integration_host_contract::{
    DeliveryOutcome, DeliveryResult, ErrorCode, Header, WebhookRequest, WebhookResponse,
};
use integration_host_engine::CallError;
use integration_host_ledger::{Attention, Connection, DeliveryRecord, DeliveryStatus, EventKind};

/// After how many seconds the remote service should deliver again when the host could not take it.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The status for a delivery whose signature is missing or wrong.
const REFUSED: u16 = 401;

/// The longest sentence about a delivery that the log keeps, in characters. The integration makes it up.
const MAX_DETAIL_CHARACTERS: usize = 500;

/// The longest event id that the log keeps, in bytes.
const MAX_EVENT_ID_BYTES: usize = 200;

/// The code of the attention that deliveries need which cannot be understood.
pub const UNREADABLE: &str = "unreadable-delivery";

/// With so many failed deliveries of a connection, the next one is not acknowledged: the integration fails, not the
/// delivery, and only so many are kept.
const MOST_LAID_ASIDE: u64 = 100;

/// How long the log of a connection is spared after something was noted that could not be taken as it was.
const NOTE_INTERVAL: Duration = Duration::from_secs(600);

/// One attempt to handle a delivery.
pub(super) struct DeliveryRun {
    id: DeliveryId,
    received_at: Timestamp,
    handled_at: Timestamp,
    size_bytes: u64,
    started: Instant,
    /// Of its body, if it may come again.
    digest: Option<String>,
}

/// A delivery that was handled.
pub(super) struct Processed {
    pub(super) result: DeliveryResult,
    /// What the log has of it, if it has.
    record: Option<DeliveryRecord>,
}

impl DeliveryRun {
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
            digest: None,
        }
    }

    /// One that is recognised when it comes again.
    fn with_digest(self, digest: String) -> Self {
        Self {
            digest: Some(digest),
            ..self
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
            digest: self.digest.clone(),
            times: 1,
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

impl Host {
    /// Takes one delivery and says what to answer. 2xx leaves only when the ledger has it durably.
    /// What could not be handled is kept for replay and answered with 503, so that the remote service
    /// delivers it again. An unknown hook is answered like a missing signature.
    pub async fn handle_delivery(
        &self,
        hook: &HookId,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> HookAnswer {
        let arrived = tokio::time::Instant::now();
        let authenticity = match self.claim(hook, &headers) {
            Some(claim) => self.authenticity(hook, &claim, &body, arrived).await,
            None => Authenticity::Forged,
        };
        self.handle_verified(hook, headers, body, authenticity)
            .await
    }

    /// [`Self::handle_delivery`] for one whose signature was looked at.
    pub async fn handle_verified(
        &self,
        hook: &HookId,
        headers: Vec<Header>,
        body: Vec<u8>,
        authenticity: Authenticity,
    ) -> HookAnswer {
        let started = Instant::now();
        let metrics = &self.inner.metrics;
        let waiting = metrics.lag.arrived();
        match authenticity {
            Authenticity::Genuine | Authenticity::Undecided => {}
            Authenticity::Forged => {
                metrics.refused.inc();
                return HookAnswer::refusal();
            }
            // It may be forged, and forged ones must not push out what is kept.
            Authenticity::Unavailable => {
                metrics.failed.inc();
                self.delivery_not_verified(hook).await;
                return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
            }
        }
        let is_genuine = authenticity == Authenticity::Genuine;
        let digest = repetitions::digest(&body);
        if is_genuine && let Some(repeated) = self.repetition(hook, &digest).await {
            let Ok(response) = repeated else {
                metrics.failed.inc();
                return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
            };
            metrics.repeated.inc();
            waiting.answered();
            return HookAnswer {
                response,
                retry_after_seconds: None,
                was_refused: false,
            };
        }
        let connection = match self.ledger.connection_by_hook(hook).await {
            Ok(Some(connection)) => connection,
            Ok(None) => {
                metrics.refused.inc();
                return HookAnswer::refusal();
            }
            Err(error) => {
                if self.inner.log_budget.admits_unattributed() {
                    warn!(%error, "a delivery could not be taken");
                }
                metrics.failed.inc();
                return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
            }
        };
        // Another host runs the integration that understands it.
        if !self.is_of_this_integration(&connection.integration) {
            metrics.failed.inc();
            return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
        }
        // The call would find the same. Asked before, a flood costs neither a copy of each body nor a line
        // in the log.
        if self.inner.parts.integration.is_busy(&connection.id) {
            metrics.failed.inc();
            return HookAnswer::new(503, Some(RETRY_AFTER_SECONDS));
        }
        let request = WebhookRequest {
            callback_url: self.callback_url(hook),
            headers,
            body,
        };
        let now = self.inner.parts.clock.now();
        let attempt =
            DeliveryRun::new(DeliveryId::generate(), now, now, &request).with_digest(digest);
        // Kept only if handling fails, but the call consumes the request.
        let kept = request.clone();
        let answer = match self.process(&connection, &attempt, request).await {
            Ok(Processed { result, .. }) if result.outcome == DeliveryOutcome::Unreadable => {
                metrics.failed.inc();
                self.lay_aside(
                    &connection,
                    &attempt,
                    &kept,
                    &result.detail,
                    result.response,
                )
                .await
            }
            Ok(Processed { result, record }) => {
                let was_refused = result.outcome == DeliveryOutcome::Refused;
                if let (Some(record), Some(digest)) = (record, &attempt.digest)
                    && is_genuine
                    && matches!(result.response.status, 200..=299)
                {
                    self.inner.repetitions.remember(
                        &connection.id,
                        hook,
                        digest,
                        &result.response,
                        &result.changes,
                        record,
                    );
                }
                match was_refused && result.response.status == REFUSED {
                    true => HookAnswer::refusal(),
                    false => HookAnswer {
                        response: result.response,
                        retry_after_seconds: None,
                        was_refused,
                    },
                }
            }
            // There is nothing to verify it with. It may be genuine, so it is not refused; it may be forged, so it is
            // not kept. What is missing is read once the connection is whole again.
            Err(Failed { error, .. }) if error.code == ErrorCode::NotFound => {
                metrics.failed.inc();
                self.delivery_failed(&connection, &error.message).await;
                self.look_at_loss_of(&connection.id);
                HookAnswer::new(503, Some(RETRY_AFTER_SECONDS))
            }
            Err(Failed { error, fails_again }) => {
                if self.inner.log_budget.admits(&connection.id) {
                    warn!(connection = %connection.id, delivery = %attempt.id, %error, "a delivery failed");
                }
                metrics.failed.inc();
                // One that found no turn was not looked at: it may be forged, and forged ones must not
                // push out what is kept. Nor must those that only the integration could have verified, where
                // the others are verified before.
                let may_be_forged = self.manifest().signature.is_some() && !is_genuine;
                if fails_again && !may_be_forged {
                    let acknowledged = HookAnswer::new(200, None).response;
                    self.lay_aside(&connection, &attempt, &kept, &error.message, acknowledged)
                        .await
                } else {
                    if !error.found_no_turn && !may_be_forged {
                        self.keep(&connection, &attempt, &kept, &error.message)
                            .await;
                    }
                    if !may_be_forged {
                        self.delivery_failed(&connection, &error.message).await;
                    }
                    HookAnswer::new(503, Some(RETRY_AFTER_SECONDS))
                }
            }
        };
        (metrics.delivery_seconds).inc_by(started.elapsed().as_secs_f64());
        if !answer.was_refused {
            waiting.answered();
        }
        answer
    }

    /// Has the integration handle a delivery and commits the outcome.
    pub(super) async fn process(
        &self,
        connection: &Connection,
        attempt: &DeliveryRun,
        request: WebhookRequest,
    ) -> Result<Processed, Failed> {
        let metrics = &self.inner.metrics;
        let context = self.context(&connection.id);
        let result = self
            .inner
            .parts
            .integration
            .handle_webhook(&context, request)
            .await
            .map_err(Failed::in_call)?;
        let (status, counter) = match result.outcome {
            DeliveryOutcome::Accepted => (DeliveryStatus::Accepted, &metrics.accepted),
            DeliveryOutcome::Ping => (DeliveryStatus::Ping, &metrics.pings),
            DeliveryOutcome::Ignored => (DeliveryStatus::Ignored, &metrics.ignored),
            // Whoever has the request keeps it.
            DeliveryOutcome::Unreadable => {
                return Ok(Processed {
                    result,
                    record: None,
                });
            }
            DeliveryOutcome::Refused => {
                debug!(connection = %connection.id, detail = result.detail, "a delivery was refused");
                metrics.refused.inc();
                return Ok(Processed {
                    result,
                    record: None,
                });
            }
        };
        let event_id = result.event_id.clone();
        let record = DeliveryRecord {
            event_id: event_id.filter(|id| id.len() <= MAX_EVENT_ID_BYTES),
            ..attempt.record(status, &result.detail)
        };
        self.apply(&connection.id, &result.changes, Some(record.clone()))
            .await
            .map_err(Failed::in_ledger)?;
        counter.inc();
        self.delivery_handled(connection).await;
        self.note_all(&connection.id, &result.notes).await;
        if result.names_missing {
            self.inner.background.refresh_names_now(&connection.id);
        }
        Ok(Processed {
            result,
            record: Some(record),
        })
    }

    /// Says in the log of a connection what could not be taken as it was. One sentence in a while is enough: nobody
    /// reads more, and they would push out everything else.
    pub(super) async fn note_all(&self, id: &ConnectionId, notes: &[String]) {
        for note in notes {
            info!(connection = %id, "{note}");
        }
        let Some(note) = notes.first() else {
            return;
        };
        if (self.inner.noted).is_due(id.clone(), NOTE_INTERVAL, Instant::now()) {
            self.record(id, EventKind::NotTakenWhole, note.clone())
                .await;
        }
    }

    /// Keeps a delivery that would fail every time, calls for a person's attention and acknowledges it: the remote
    /// service would deliver it again in vain until it switches the webhook off. Not so if it cannot be kept, or
    /// if so many are kept that it is not the delivery that is at fault.
    async fn lay_aside(
        &self,
        connection: &Connection,
        attempt: &DeliveryRun,
        request: &WebhookRequest,
        why: &str,
        acknowledged: WebhookResponse,
    ) -> HookAnswer {
        let before = self
            .ledger
            .failed_deliveries(Some(&connection.id), Timestamp::MAX, 1)
            .await;
        let is_kept = self.keep(connection, attempt, request, why).await;
        match before {
            Ok((_, count)) if is_kept && count < MOST_LAID_ASIDE => {
                self.call_for_attention(connection).await;
                HookAnswer {
                    response: acknowledged,
                    ..HookAnswer::new(200, None)
                }
            }
            _ => HookAnswer::new(503, Some(RETRY_AFTER_SECONDS)),
        }
    }

    /// Tells a person of deliveries that cannot be handled, unless something else needs attention first.
    pub(super) async fn call_for_attention(&self, connection: &Connection) {
        if connection.attention.is_some() {
            return;
        }
        let attention = Attention {
            code: UNREADABLE.to_owned(),
            message: "Something that was delivered cannot be understood. It is kept: see the failed deliveries of this connection, and replay them when the integration was updated.".to_owned(),
        };
        if let Err(error) = self.set_attention(connection, Some(attention)).await {
            warn!(connection = %connection.id, %error, "nobody could be told of a delivery that cannot be understood");
        }
    }

    /// What still needs a person's attention although a connection is as it should be at the remote service.
    pub(super) async fn lasting_attention(
        &self,
        connection: &Connection,
    ) -> Result<Option<Attention>, HostError> {
        let of_deliveries = connection
            .attention
            .as_ref()
            .filter(|attention| matches!(attention.code.as_str(), UNREADABLE | FAILING));
        let Some(attention) = of_deliveries else {
            return Ok(None);
        };
        let id = Some(&connection.id);
        let (_, count) = self.ledger.failed_deliveries(id, Timestamp::MAX, 1).await?;
        Ok((count > 0).then(|| attention.clone()))
    }

    /// Keeps a delivery that could not be handled; whether that succeeded. If not, the remote service still has it.
    async fn keep(
        &self,
        connection: &Connection,
        attempt: &DeliveryRun,
        request: &WebhookRequest,
        why: &str,
    ) -> bool {
        // Held until the ledger has it.
        let keys = self.inner.parts.keys.hold();
        let kept = async {
            let record = DeliveryRecord {
                sealed_request: Some(dead_letter::seal(
                    &keys,
                    &connection.id,
                    &attempt.id,
                    request,
                )?),
                ..attempt.record(DeliveryStatus::Failed, why)
            };
            self.apply(&connection.id, &Default::default(), Some(record))
                .await
        };
        match kept.await {
            Ok(_) => {
                self.inner.replays.wake();
                true
            }
            Err(error) => {
                if self.inner.log_budget.admits(&connection.id) {
                    warn!(connection = %connection.id, %error, "a failed delivery could not be kept");
                }
                false
            }
        }
    }
}

/// Why a delivery was not handled.
pub(super) struct Failed {
    pub(super) error: HostError,
    /// Whether it would fail every time, because the integration or the ledger cannot take it. What could not be
    /// verified may be forged, or genuine when its secret can be read again: it is none of these.
    pub(super) fails_again: bool,
}

impl Failed {
    fn in_call(error: CallError) -> Self {
        let fails_again = matches!(error, CallError::Trap { .. } | CallError::Stopped { .. });
        Self {
            error: error.into(),
            fails_again,
        }
    }

    fn in_ledger(error: HostError) -> Self {
        Self {
            fails_again: error.code == ErrorCode::InvalidInput,
            error,
        }
    }
}
