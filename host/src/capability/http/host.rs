//! HTTP as one call sees it.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use super::{
    Authorization, Credential, GuestRequest, HttpError, HttpLender, IncomingResponse, LentHttp,
    Right,
};
use crate::bindings::worksights::integration::http as wit;
use crate::capability::storage::{SecretStore, StorageError};
use crate::id::ConnectionId;
use crate::log_budget::LogBudget;
use crate::secret::Secrets;

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
    async fn secrets(&self, connection: &ConnectionId) -> Result<Secrets, StorageError> {
        match self {
            Self::Given(secrets) => Ok(secrets.clone()),
            Self::Stored(store) => store.get(connection).await,
        }
    }
}

/// HTTP, lent to one call. Most deliveries are handled without it, so nothing is prepared before the
/// first request.
pub(crate) struct CallHttp {
    lender: Arc<HttpLender>,
    connection: ConnectionId,
    secrets: SecretSource,
    rights: Vec<Right>,
    deadline: Instant,
    lent: Option<LentHttp>,
    reported: u32,
    warnings: Arc<LogBudget>,
}

impl CallHttp {
    pub(crate) fn new(
        lender: Arc<HttpLender>,
        connection: ConnectionId,
        secrets: SecretSource,
        rights: Vec<Right>,
        deadline: Instant,
        warnings: Arc<LogBudget>,
    ) -> Self {
        Self {
            lender,
            connection,
            secrets,
            rights,
            deadline,
            lent: None,
            reported: 0,
            warnings,
        }
    }

    /// Names who asked for what is not allowed. The call's span tells in which function.
    fn report(&mut self, error: &HttpError) {
        let limit = match error {
            HttpError::Refused(_) => "http_allowed",
            HttpError::LimitExceeded(_) => "http",
            HttpError::Unavailable(_) => return,
        };
        self.reported = self.reported.saturating_add(1);
        if self.reported <= MAX_REPORTED && self.warnings.admits(&self.connection) {
            warn!(connection = %self.connection, limit, reason = %error, "refused an HTTP request of the integration");
        }
    }

    async fn lent(&mut self) -> Result<&mut LentHttp, wit::Error> {
        let lent = match self.lent.take() {
            Some(lent) => lent,
            None => {
                let secrets = self.secrets.secrets(&self.connection).await;
                let secrets =
                    secrets.map_err(|error| wit::Error::Unavailable(error.to_string()))?;
                self.lender
                    .lend(secrets, self.deadline)
                    .by_right_of(self.rights.clone())
            }
        };
        Ok(self.lent.insert(lent))
    }
}

impl wit::Host for CallHttp {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, wit::Error> {
        let lent = self.lent().await?;
        let outcome = lent.send(request.into()).await;
        if let Err(error) = &outcome {
            self.report(error);
        }
        Ok(outcome?.into())
    }

    async fn quota_used_up(&mut self, quota: String, resets_in_seconds: u32) {
        // Without secrets nothing can be sent either.
        if let Ok(lent) = self.lent().await {
            lent.mark_quota_used_up(&quota, resets_in_seconds);
        }
    }

    async fn quota_resets_in(&mut self, quota: String) -> Option<u32> {
        self.lent().await.ok()?.quota_resets_in_seconds(&quota)
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
        }
    }
}
