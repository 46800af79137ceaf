//! HTTP as one call sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;
use tracing::warn;

use crate::bindings::worksights::integration::http as wit;
use crate::confidential::Confidential;
use crate::log_budget::LogBudget;
use integration_host_contract::id::ConnectionId;
use integration_host_http::{
    Authorization, Credential, GuestRequest, HttpError, HttpForCall, IncomingResponse,
    LeaseDeadline, OutboundHttp,
};
use integration_host_seal::secret::Secrets;
use integration_host_storage::{SecretStore, StorageError};

/// How many refusals of one call are told in the log one by one.
const MAX_REPORTED: u32 = 5;

/// Where a call's secrets come from.
#[derive(Clone)]
pub enum SecretSource {
    /// A person has just given them.
    Given(Secrets),
    /// They are those of the connection, looked up when a request first needs one.
    Stored(Arc<SecretStore>),
}

impl SecretSource {
    pub(crate) async fn secrets(&self, connection: &ConnectionId) -> Result<Secrets, StorageError> {
        match self {
            Self::Given(secrets) => Ok(secrets.clone()),
            Self::Stored(store) => store.get(connection).await,
        }
    }
}

/// The terms on which a call sends requests.
pub(crate) struct Terms {
    /// Nothing more is sent when one of them has ended.
    pub(crate) lease_deadlines: Vec<LeaseDeadline>,
    /// Whether it is tried although the remote service was found to refuse.
    pub(crate) asked_by_person: bool,
    /// Becomes true when a request was sent that must not be sent twice, and no answer said what came of it.
    pub(crate) unanswered: Arc<AtomicBool>,
}

/// HTTP of one call. Most deliveries are handled without it, so nothing is prepared before the
/// first request.
pub(crate) struct CallHttp {
    outbound: Arc<OutboundHttp>,
    connection: ConnectionId,
    secrets: SecretSource,
    terms: Terms,
    deadline: Instant,
    for_call: Option<HttpForCall>,
    reported: u32,
    warnings: Arc<LogBudget>,
    confidential: Arc<Confidential>,
}

impl CallHttp {
    pub(crate) fn new(
        outbound: Arc<OutboundHttp>,
        connection: ConnectionId,
        secrets: SecretSource,
        terms: Terms,
        deadline: Instant,
        warnings: Arc<LogBudget>,
        confidential: Arc<Confidential>,
    ) -> Self {
        Self {
            outbound,
            connection,
            secrets,
            terms,
            deadline,
            for_call: None,
            reported: 0,
            warnings,
            confidential,
        }
    }

    /// Names who asked for what is not allowed. The call's span tells in which function.
    fn report(&mut self, error: &HttpError) {
        let limit = match error {
            HttpError::Refused(_) => "http_allowed",
            HttpError::LimitExceeded(_) => "http",
            _ => return,
        };
        self.reported = self.reported.saturating_add(1);
        if self.reported <= MAX_REPORTED && self.warnings.admits(&self.connection) {
            warn!(connection = %self.connection, limit, reason = %error, "refused an HTTP request of the integration");
        }
    }

    async fn for_call(&mut self) -> Result<&mut HttpForCall, wit::Error> {
        let for_call = match self.for_call.take() {
            Some(for_call) => for_call,
            None => {
                let secrets = self.secrets.secrets(&self.connection).await;
                let secrets =
                    secrets.map_err(|error| wit::Error::Unavailable(error.to_string()))?;
                self.outbound
                    .for_call(secrets, self.deadline)
                    .fenced_by(self.terms.lease_deadlines.clone())
                    .asked_by_person(self.terms.asked_by_person)
            }
        };
        Ok(self.for_call.insert(for_call))
    }
}

impl wit::Host for CallHttp {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, wit::Error> {
        let may_be_repeated = request.idempotent;
        if !may_be_repeated {
            // Before it is sent: the call may be cut off while it is on its way.
            self.terms.unanswered.store(true, Ordering::Relaxed);
        }
        let for_call = self.for_call().await?;
        let outcome = for_call.send(request.into()).await;
        let is_refused = match &outcome {
            Ok(response) => (400..500).contains(&response.status),
            Err(error) => !matches!(error, HttpError::Unavailable(_)),
        };
        if !may_be_repeated && is_refused {
            self.terms.unanswered.store(false, Ordering::Relaxed);
        }
        match outcome {
            Ok(mut response) => {
                // An integration cuts what it quotes, and the rest of a secret would not be known for one. In other
                // answers it looks for its own callback.
                if response.status >= 400 {
                    self.confidential.blot_body(&mut response.body).await;
                }
                Ok(response.into())
            }
            Err(error) => {
                self.report(&error);
                Err(error.into())
            }
        }
    }

    async fn quota_used_up(&mut self, quota: String, resets_in_seconds: u32) {
        // Without secrets nothing can be sent either.
        if let Ok(for_call) = self.for_call().await {
            for_call.mark_quota_used_up(&quota, resets_in_seconds);
        }
    }

    async fn quota_resets_in(&mut self, quota: String) -> Option<u32> {
        self.for_call().await.ok()?.quota_resets_in_seconds(&quota)
    }
}

impl From<wit::Request> for GuestRequest {
    fn from(request: wit::Request) -> Self {
        Self {
            method: match request.method {
                wit::Method::Get => http::Method::GET,
                wit::Method::Post => http::Method::POST,
                wit::Method::Put => http::Method::PUT,
                wit::Method::Patch => http::Method::PATCH,
                wit::Method::Delete => http::Method::DELETE,
            },
            url: request.url,
            headers: request
                .headers
                .into_iter()
                .map(|header| (header.name, header.value))
                .collect(),
            authorization: match request.authorization {
                wit::Authorization::Anonymous => Authorization::Anonymous,
                wit::Authorization::Basic(basic) => Authorization::Basic {
                    username: basic.username.into(),
                    password: basic.password.into(),
                },
                wit::Authorization::Bearer(token) => Authorization::Bearer(token.into()),
            },
            body: request.body,
            idempotent: request.idempotent,
        }
    }
}

impl From<wit::Credential> for Credential {
    fn from(credential: wit::Credential) -> Self {
        match credential {
            wit::Credential::Literal(text) => Self::Literal(text),
            wit::Credential::Secret(name) => Self::Secret(name),
        }
    }
}

impl From<IncomingResponse> for wit::Response {
    fn from(response: IncomingResponse) -> Self {
        Self {
            status: response.status,
            headers: response
                .headers
                .into_iter()
                .map(|(name, value)| wit::Header { name, value })
                .collect(),
            body: response.body,
        }
    }
}

impl From<HttpError> for wit::Error {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused(message) => Self::Refused(message),
            HttpError::Unavailable(message) => Self::Unavailable(message),
            HttpError::LimitExceeded(message) => Self::LimitExceeded(message),
            error => Self::Unavailable(error.to_string()),
        }
    }
}
