//! What an integration's call sends requests through.
//!
//! Everything that makes lending HTTP safe comes together here, in this order: the call's number of
//! requests, the allow-list, headers and body, secrets, then for each attempt the token's pace and
//! the provider, and at the end the blotting of what came back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::allow_list::{AllowList, Target};
use super::circuit_breaker::CircuitBreaker;
use super::pacing::{Pacer, PacingKey};
use super::quotas::Quotas;
use super::request::GuestRequest;
use super::retry::{RetryPolicy, retry_after};
use super::{
    HttpClient, HttpCounts, HttpError, HttpMetrics, IncomingResponse, LeaseDeadline,
    OutgoingRequest, Redactor,
};
use integration_host_contract::deadline::{GRACE, Unanswered, within};
use integration_host_contract::limits::Limits;
use integration_host_contract::sentence::duration_in_words;
use integration_host_contract::{Manifest, Pacing};
use integration_host_seal::secret::{Secret, Secrets};

/// Response headers that an integration does not see: those of the connection, which mean nothing
/// once the body has been read, and cookies, which the host does not keep.
const HIDDEN_RESPONSE_HEADERS: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Limits of the http capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The longest time one attempt may take, from connecting to the last byte of the response.
    pub exchange_timeout: Duration,
    /// How many requests one call may make. Retries do not count.
    pub max_requests: u32,
    /// The largest request body, in bytes.
    pub max_request_bytes: usize,
    /// The largest response body, in bytes.
    pub max_response_bytes: usize,
    /// When a request is sent again.
    pub retry: RetryPolicy,
}

impl From<&Limits> for HttpLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            exchange_timeout: limits.http_timeout,
            max_requests: limits.http_requests_per_call,
            max_request_bytes: 1 << 20,
            max_response_bytes: limits.http_response_bytes,
            retry: RetryPolicy {
                max_attempts: limits.http_attempts,
                base: limits.http_retry_delay,
                ..RetryPolicy::default()
            },
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// The http capability of one loaded integration, shared by all its calls.
pub struct OutboundHttp {
    client: Arc<dyn HttpClient>,
    allow_list: AllowList,
    pacer: Pacer,
    quotas: Quotas,
    circuit_breaker: CircuitBreaker,
    secret_names: BTreeSet<String>,
    limits: HttpLimits,
    metrics: Arc<HttpMetrics>,
}

impl OutboundHttp {
    /// Lends `client` within what the manifest declares and `allow_list` allows.
    pub fn new(
        client: Arc<dyn HttpClient>,
        manifest: &Manifest,
        allow_list: AllowList,
        limits: HttpLimits,
        metrics: Arc<HttpMetrics>,
    ) -> Self {
        Self {
            client,
            allow_list,
            pacer: Pacer::new(manifest.pacing),
            quotas: Quotas::new(Duration::from_secs(
                manifest.pacing.longest_wait_seconds().into(),
            )),
            circuit_breaker: CircuitBreaker::default(),
            secret_names: manifest
                .secrets
                .iter()
                .map(|field| field.name.clone())
                .collect(),
            limits,
            metrics,
        }
    }

    /// Lends nothing: for asking a component what it needs.
    pub fn nothing() -> Self {
        Self {
            client: Arc::new(NoClient),
            allow_list: AllowList::default(),
            pacer: Pacer::new(Pacing {
                burst: 1,
                requests_per_minute: 1,
                longest_quota_seconds: 0,
            }),
            quotas: Quotas::new(Duration::ZERO),
            circuit_breaker: CircuitBreaker::default(),
            secret_names: BTreeSet::new(),
            limits: HttpLimits::default(),
            metrics: Arc::default(),
        }
    }

    /// The hosts that can be called, in alphabetical order.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.allow_list.hosts()
    }

    /// What was sent since the host started.
    pub fn counts(&self) -> HttpCounts {
        self.metrics.counts()
    }

    /// What one call uses: with these secrets, and until `deadline`.
    pub fn for_call(self: &Arc<Self>, secrets: Secrets, deadline: Instant) -> HttpForCall {
        HttpForCall {
            remaining_requests: self.limits.max_requests,
            is_exhausted: false,
            is_quota_told: false,
            outbound: Arc::clone(self),
            secrets,
            lease_deadlines: Vec::new(),
            asked_by_person: false,
            deadline,
        }
    }
}

/// No request gets this far: the allow-list is empty.
struct NoClient;

#[async_trait]
impl HttpClient for NoClient {
    async fn send(&self, _: OutgoingRequest) -> Outcome {
        Err(HttpError::Refused("no requests are possible here".into()))
    }
}

/// HTTP as one call of an integration may use it.
pub struct HttpForCall {
    outbound: Arc<OutboundHttp>,
    secrets: Secrets,
    lease_deadlines: Vec<LeaseDeadline>,
    asked_by_person: bool,
    deadline: Instant,
    remaining_requests: u32,
    /// Whether it was already reported that there are no requests left.
    is_exhausted: bool,
    /// Whether it was already reported that a quota is used up.
    is_quota_told: bool,
}

impl Unanswered for HttpError {
    fn unanswered(_: String) -> Self {
        Self::Unavailable("the remote service did not answer in time; try again later".to_owned())
    }
}

/// A checked request on its way, and what log lines say about it.
struct Exchange<'a> {
    outbound: &'a OutboundHttp,
    outgoing: OutgoingRequest,
    host: String,
    path: String,
    pacing_key: PacingKey,
    idempotent: bool,
    lease_deadlines: &'a [LeaseDeadline],
    asked_by_person: bool,
    deadline: Instant,
}

type Outcome = Result<IncomingResponse, HttpError>;

impl HttpForCall {
    /// Sends nothing more when one of these leases has ended.
    pub fn fenced_by(self, lease_deadlines: Vec<LeaseDeadline>) -> Self {
        Self {
            lease_deadlines,
            ..self
        }
    }

    /// Sends requests although the remote service was found to refuse or to fail, because a person asks: what a service
    /// once said must not keep anybody from finding out whether it still holds.
    pub fn asked_by_person(self, asked_by_person: bool) -> Self {
        Self {
            asked_by_person,
            ..self
        }
    }

    /// Sends a request, and again where that is worthwhile, and returns the last answer.
    ///
    /// # Errors
    /// As the contract's `http.error`. No text contains a secret.
    pub async fn send(&mut self, request: GuestRequest) -> Outcome {
        let outbound = Arc::clone(&self.outbound);
        let refuse = |error: HttpError| {
            outbound.metrics.count_refused();
            debug!(reason = %error, "refused an HTTP request of the integration");
            error
        };
        if let Some(error) = self.count_request() {
            // Reported once: who floods this host must not flood its log.
            let first = !std::mem::replace(&mut self.is_exhausted, true);
            return Err(if first { refuse(error) } else { error });
        }
        let target = outbound.allow_list.target(&request.url).map_err(refuse)?;
        let (exchange, redactor) = self.prepare(&outbound, request, target).map_err(refuse)?;
        match exchange.run().await {
            Ok(response) => readable(response, &exchange.host, &redactor),
            Err(error) => Err(redacted(error, &redactor)),
        }
    }

    /// Remembers that a quota is used up, for every call with the same secrets.
    pub fn mark_quota_used_up(&mut self, quota: &str, resets_in_seconds: u32) {
        let resets_in = Duration::from_secs(resets_in_seconds.into());
        let secrets = self.quota_key();
        self.outbound.quotas.mark_used_up(secrets, quota, resets_in);
        // Told once a call: no integration can flood the log with it.
        if !std::mem::replace(&mut self.is_quota_told, true) {
            warn!(
                resets_in_seconds,
                "a quota of the remote service is used up"
            );
        }
    }

    /// Seconds until a quota resets that is known to be used up.
    pub fn quota_resets_in_seconds(&self, quota: &str) -> Option<u32> {
        // What this very call has found out holds for it as well.
        if self.asked_by_person && !self.is_quota_told {
            return None;
        }
        let left = self.outbound.quotas.resets_in(self.quota_key(), quota)?;
        // Rounded up: at the end of these seconds it has reset.
        let seconds = left
            .as_secs()
            .saturating_add(u64::from(left.subsec_nanos() > 0));
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn quota_key(&self) -> PacingKey {
        self.outbound
            .pacer
            .key(self.secrets.values().map(Secret::expose))
    }

    fn count_request(&mut self) -> Option<HttpError> {
        match self.remaining_requests.checked_sub(1) {
            Some(remaining) => {
                self.remaining_requests = remaining;
                None
            }
            None => Some(HttpError::LimitExceeded(format!(
                "the integration made more than {} requests in one call",
                self.outbound.limits.max_requests
            ))),
        }
    }

    fn prepare<'a>(
        &'a self,
        outbound: &'a OutboundHttp,
        request: GuestRequest,
        target: Target,
    ) -> Result<(Exchange<'a>, Redactor), HttpError> {
        let limits = &outbound.limits;
        let mut headers = request.checked_headers()?;
        if request
            .body
            .as_ref()
            .is_some_and(|body| body.len() > limits.max_request_bytes)
        {
            return Err(HttpError::Refused(format!(
                "the integration's request body is larger than {} bytes",
                limits.max_request_bytes
            )));
        }
        let filled = request
            .authorization
            .fill(&outbound.secret_names, &self.secrets)?;
        let used: Vec<&str> = filled
            .iter()
            .flat_map(|filled| &filled.secret_names)
            .filter_map(|name| self.secrets.get(name))
            .map(Secret::expose)
            .collect();
        let (pacing_key, sent) = if used.is_empty() {
            (outbound.pacer.key([target.host.as_str()]), None)
        } else {
            let sent = filled.as_ref().map(|filled| filled.credential.expose());
            (outbound.pacer.key(used), sent)
        };
        let every_secret = self.secrets.values().map(Secret::expose);
        let redactor = Redactor::new(every_secret.chain(sent));
        if let Some(filled) = filled {
            headers.insert(header::AUTHORIZATION, filled.value);
        }
        let exchange = Exchange {
            outbound,
            path: redactor.redact_text(target.url.path().chars().take(200).collect()),
            host: target.host,
            outgoing: OutgoingRequest {
                method: request.method,
                url: target.url,
                headers,
                body: request.body,
                allow_private_address: target.allow_private_address,
                timeout: limits.exchange_timeout,
                max_response_bytes: limits.max_response_bytes,
            },
            pacing_key,
            idempotent: request.idempotent,
            lease_deadlines: &self.lease_deadlines,
            asked_by_person: self.asked_by_person,
            deadline: self.deadline,
        };
        Ok((exchange, redactor))
    }
}

impl Exchange<'_> {
    /// Attempts until an outcome is final or the next attempt would come too late.
    async fn run(&self) -> Outcome {
        let retry = &self.outbound.limits.retry;
        let mut attempt = 1;
        let mut last: Option<Outcome> = None;
        loop {
            if let Err(error) = self.wait_for_turn().await {
                return last.unwrap_or(Err(error));
            }
            let outcome = match self.attempt(attempt).await {
                Ok(outcome) => outcome,
                Err(pause) => return last.unwrap_or_else(|| Err(self.pausing(pause))),
            };
            if self.changes_something() {
                for lease in self.lease_deadlines {
                    lease.confirm_sent().await;
                }
            }
            self.heed(&outcome);
            let delay = retry
                .delay_after(attempt, &outcome, rand::random())
                .filter(|_| self.idempotent);
            let Some(delay) = delay else { return outcome };
            // A delay beyond all time is beyond the deadline too.
            let again_at = Instant::now().checked_add(delay);
            match again_at.filter(|again_at| *again_at < self.deadline) {
                Some(again_at) => tokio::time::sleep_until(again_at).await,
                None => return outcome,
            }
            last = Some(outcome);
            attempt += 1;
        }
    }

    async fn wait_for_turn(&self) -> Result<(), HttpError> {
        let turn = self
            .outbound
            .pacer
            .acquire_for(self.pacing_key, self.deadline, self.asked_by_person)
            .await;
        let waited = turn.map_err(|error| {
            warn!(host = %self.host, path = %self.path, reason = %error, "an HTTP request did not get its turn");
            HttpError::Unavailable(error.to_string())
        })?;
        self.outbound.metrics.count_paced(waited);
        // Asked last: this host may have stood still while it waited. Whatever changes something is sent only by a
        // right that whoever grants it has just confirmed, because no clock may have noticed.
        for lease in self.lease_deadlines {
            let stands = match self.changes_something() {
                true => lease.confirm().await,
                false => !lease.has_ended(),
            };
            if !stands {
                let sentence =
                    "this host was away for so long that another one may have taken over";
                return Err(HttpError::Unavailable(sentence.to_owned()));
            }
        }
        Ok(())
    }

    fn changes_something(&self) -> bool {
        !self.outgoing.method.is_safe()
    }

    /// Sends the request once, unless the remote service is down; then the error is for how long nothing is sent.
    async fn attempt(&self, attempt: u32) -> Result<Outcome, Duration> {
        let started = Instant::now();
        let time_left = self.deadline.saturating_duration_since(started);
        if time_left.is_zero() {
            return Ok(Err(self.out_of_time()));
        }
        let breaker = &self.outbound.circuit_breaker;
        let admission = breaker.admit(&self.host, self.asked_by_person)?;
        let mut outgoing = self.outgoing.clone();
        outgoing.timeout = outgoing.timeout.min(time_left);
        // Providers keep to the timeout; should one not, it is held to it all the same.
        let time = outgoing.timeout.saturating_add(GRACE).min(time_left);
        let outcome = within(time, self.outbound.client.send(outgoing)).await;
        let status = outcome.as_ref().ok().map(|response| response.status);
        self.outbound.metrics.count_attempt(attempt, status);
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (host, method, path) = (&self.host, &self.outgoing.method, &self.path);
        match status {
            Some(status) => {
                debug!(%host, %method, %path, status, attempt, elapsed_ms, "HTTP response");
            }
            None => warn!(%host, %method, %path, attempt, elapsed_ms, "no HTTP response"),
        }
        match &outcome {
            Ok(response) if !matches!(response.status, 500 | 502 | 503 | 504) => {
                admission.succeeded(host);
            }
            Ok(_) | Err(HttpError::Unavailable(_)) => admission.failed(host),
            Err(_) => {}
        }
        Ok(outcome)
    }

    fn pausing(&self, pause: Duration) -> HttpError {
        HttpError::Unavailable(format!(
            "{} fails at everything it is asked, so nothing is sent to it for {}; it is tried again by itself",
            self.host,
            duration_in_words(pause)
        ))
    }

    /// Slows down everything with the same secret when the remote service asks for it.
    fn heed(&self, outcome: &Outcome) {
        let Ok(response) = outcome else { return };
        let pacer = &self.outbound.pacer;
        if response.status != 429 {
            pacer.count_admission(self.pacing_key);
            return;
        }
        let refusals = pacer.count_refusal(self.pacing_key);
        let delay = retry_after(response, Timestamp::now())
            .unwrap_or_else(|| self.outbound.limits.retry.longest_delay(refusals));
        pacer.hold_back(self.pacing_key, delay);
    }

    fn out_of_time(&self) -> HttpError {
        HttpError::Unavailable(format!(
            "{} did not answer before the call's time was up; try again later",
            self.host
        ))
    }
}

/// The response as the integration may see it.
fn readable(mut response: IncomingResponse, host: &str, redactor: &Redactor) -> Outcome {
    let mut headers = Vec::with_capacity(response.headers.len());
    for (name, value) in response.headers {
        let name = name.to_ascii_lowercase();
        if name == "content-encoding" && !value.trim().eq_ignore_ascii_case("identity") {
            // Secrets in it could not be found, and nobody asked for it.
            return Err(HttpError::Unavailable(format!(
                "{host} sent a compressed answer although none was asked for"
            )));
        }
        if !HIDDEN_RESPONSE_HEADERS.contains(&name.as_str()) {
            headers.push((redactor.redact_text(name), redactor.redact_text(value)));
        }
    }
    redactor.redact(&mut response.body);
    Ok(IncomingResponse {
        headers,
        ..response
    })
}

fn redacted(error: HttpError, redactor: &Redactor) -> HttpError {
    match error {
        HttpError::Refused(text) => HttpError::Refused(redactor.redact_text(text)),
        HttpError::Unavailable(text) => HttpError::Unavailable(redactor.redact_text(text)),
        HttpError::LimitExceeded(text) => HttpError::LimitExceeded(redactor.redact_text(text)),
    }
}
