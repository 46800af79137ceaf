//! Requests to a SCIM service, and what its answers mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use thiserror::Error;
use url::Url;

use super::listing::{PageSize, Unreadable};
use super::token::{Token, TokenError, TokenSource};
use integration_host_http::{
    HttpClient, HttpError, IncomingResponse, OutgoingRequest, RetryPolicy,
};

/// The largest answer, in bytes: a page of users, each with all that a service may tell of them.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// The longest a service is waited for when it says that it is asked too often.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Why a SCIM service could not answer: a sentence, which never holds the token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScimError {
    /// There is no token.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// It cannot be reached, or its answer is too large.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// It does not know the token.
    #[error("{place} does not accept the token from {source_name} (401); give it a valid one")]
    Unauthorized {
        /// The service.
        place: String,
        /// Where the token is from.
        source_name: String,
    },
    /// The token is not enough.
    #[error(
        "{place} does not let the token from {source_name} read users (403); allow it to, or give another"
    )]
    Forbidden {
        /// The service.
        place: String,
        /// Where the token is from.
        source_name: String,
    },
    /// There is no SCIM service at the address.
    #[error(
        "{place} has no users at this address ({status}); name the address before /Users, such as scim:https://idp.example.com/scim/v2"
    )]
    Misplaced {
        /// The service.
        place: String,
        /// What it answered.
        status: u16,
    },
    /// The answer is not SCIM.
    #[error(
        "{place} does not answer in SCIM 2.0 ({cause}); name the address before /Users, such as scim:https://idp.example.com/scim/v2"
    )]
    NotScim {
        /// The service.
        place: String,
        /// What is wrong.
        cause: String,
    },
    /// It lists no users, however few are asked for.
    #[error(
        "{place} refuses to list users, also a few at a time and without a filter; let the token from {source_name} list them, and see in the service's log what it refuses"
    )]
    Refusing {
        /// The service.
        place: String,
        /// Where the token is from.
        source_name: String,
    },
    /// Its answer cannot be read.
    #[error(
        "{place} answers in a form that is no list of users ({cause}); see that users are listed below this address as SCIM 2.0 has it (RFC 7644, section 3.4.2)"
    )]
    NoList {
        /// The service.
        place: String,
        /// What is wrong.
        cause: String,
    },
    /// It does not understand what was asked, such as a filter or so large a page.
    #[error("the service does not support what was asked of it")]
    Unsupported,
    /// It is not up to answering now.
    #[error("{place} answered {status}; try again later")]
    Failing {
        /// The service.
        place: String,
        /// What it answered.
        status: u16,
    },
    /// Pages come in a form that leads to no end.
    #[error("{place} repeats a page of users when it is asked for the next")]
    Repeating {
        /// The service.
        place: String,
    },
    /// There are more users than can be read, and filters do not work.
    #[error(
        "{place} has more than {most} users and does not answer filters, so they cannot be looked up"
    )]
    TooMany {
        /// The service.
        place: String,
        /// The most that are read.
        most: usize,
    },
    /// Reading all users took too long.
    #[error("{place} did not list all users within {seconds} s; try again later")]
    TooSlow {
        /// The service.
        place: String,
        /// The time it had.
        seconds: u64,
    },
}

impl ScimError {
    /// Whether asking for fewer users at once may help.
    pub(super) fn may_be_about_size(&self) -> bool {
        matches!(
            self,
            Self::Unsupported | Self::Http(HttpError::LimitExceeded(_))
        )
    }
}

/// What a service answered.
pub(super) enum Answer {
    Body(Vec<u8>),
    /// 404
    Missing,
}

/// A SCIM service and what is needed to ask it.
pub(super) struct ScimClient {
    http: Arc<dyn HttpClient>,
    base: Url,
    token: Token,
    timeout: Duration,
    retry: RetryPolicy,
    pub(super) page_size: PageSize,
    /// Whether what the service says is the total counts all users.
    tells_total: AtomicBool,
    /// The most users of a list that could not be read, and the most that were missing from it: said when it grows.
    most_unreadable: AtomicUsize,
    most_missing: AtomicUsize,
}

impl ScimClient {
    pub(super) async fn new(
        http: Arc<dyn HttpClient>,
        base: Url,
        source: TokenSource,
        timeout: Duration,
    ) -> Result<Self, ScimError> {
        Ok(Self {
            http,
            base,
            token: Token::load(source, timeout).await?,
            timeout,
            retry: RetryPolicy {
                max_attempts: 3,
                ..RetryPolicy::default()
            },
            page_size: PageSize::default(),
            tells_total: AtomicBool::default(),
            most_unreadable: AtomicUsize::default(),
            most_missing: AtomicUsize::default(),
        })
    }

    pub(super) fn tells_total(&self) -> bool {
        self.tells_total.load(Ordering::Relaxed)
    }

    pub(super) fn note_tells_total(&self, tells: bool) {
        self.tells_total.store(tells, Ordering::Relaxed);
    }

    /// Where the token is from.
    pub(super) fn source_name(&self) -> String {
        self.token.source().to_string()
    }

    /// Says in the log that users are left out, when there are more of them than ever before.
    pub(super) fn report_unreadable(&self, unreadable: &Unreadable) {
        let number = unreadable.number;
        if self.most_unreadable.fetch_max(number, Ordering::Relaxed) < number {
            tracing::warn!(
                number,
                position_of_first = unreadable.first,
                "users of the SCIM service have no id that can be read, so they are left out: see in the service what is wrong with them"
            );
        }
    }

    /// Says in the log that the service listed fewer users than it says it has, when more are missing than ever before.
    pub(super) fn report_missing(&self, listed: usize, total: u64) {
        let missing = usize::try_from(total).map_or(0, |total| total.saturating_sub(listed));
        if self.most_missing.fetch_max(missing, Ordering::Relaxed) < missing {
            tracing::warn!(
                listed,
                total,
                "the SCIM service lists fewer users than it says it has, so some may not be found: see in the service how many it lists at most, and whom the token may see"
            );
        }
    }

    /// The service, for a person.
    pub(super) fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or("the service");
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Gets what is below `/Users`. A token that was exchanged where it comes from is taken up.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, ScimError> {
        let url = self.url(path, query);
        let token = self.token.current();
        let response = self.send(&url, token.expose()).await?;
        if response.status != 401 {
            return self.answer(response);
        }
        match self.token.renewed(&token).await {
            Some(token) => self.answer(self.send(&url, token.expose()).await?),
            None => self.answer(response),
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // A base that cannot have segments is refused with the configuration.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("Users").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request, again where that may help: reading does no harm.
    async fn send(&self, url: &Url, token: &str) -> Result<IncomingResponse, ScimError> {
        let mut attempt = 1;
        loop {
            let outcome = self.http.send(self.request(url, token)?).await;
            let jitter = rand::random();
            match self.retry.delay_after(attempt, &outcome, jitter) {
                Some(delay) if delay <= LONGEST_WAIT => tokio::time::sleep(delay).await,
                _ => return Ok(outcome?),
            }
            attempt += 1;
        }
    }

    fn request(&self, url: &Url, token: &str) -> Result<OutgoingRequest, ScimError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| TokenError::malformed(self.token.source()))?;
        authorization.set_sensitive(true);
        let accept = HeaderValue::from_static("application/scim+json, application/json");
        Ok(OutgoingRequest {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::from_iter([(AUTHORIZATION, authorization), (ACCEPT, accept)]),
            body: None,
            // The operator chose the service; it may well be in the same network.
            allow_private_address: true,
            timeout: self.timeout,
            max_response_bytes: MAX_ANSWER_BYTES,
        })
    }

    fn answer(&self, response: IncomingResponse) -> Result<Answer, ScimError> {
        let place = self.place();
        let source_name = self.token.source().to_string();
        Err(match response.status {
            200 => return Ok(Answer::Body(response.body)),
            404 => return Ok(Answer::Missing),
            400 | 413 | 414 | 422 | 501 => ScimError::Unsupported,
            403 if is_about_the_filter(&response) => ScimError::Unsupported,
            401 => ScimError::Unauthorized { place, source_name },
            403 => ScimError::Forbidden { place, source_name },
            status @ (429 | 500..) => ScimError::Failing { place, status },
            status => ScimError::Misplaced { place, status },
        })
    }
}

/// Whether a refusal is about what was asked and not about who asks (RFC 7644, section 3.12).
fn is_about_the_filter(response: &IncomingResponse) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Explanation {
        scim_type: Option<String>,
    }
    let explanation: Option<Explanation> = serde_json::from_slice(&response.body).ok();
    let scim_type = explanation.and_then(|explanation| explanation.scim_type);
    scim_type.is_some_and(|kind| matches!(kind.as_str(), "invalidFilter" | "tooMany"))
}

/// Reads an answer.
pub(super) fn parse<T: DeserializeOwned>(client: &ScimClient, body: &[u8]) -> Result<T, ScimError> {
    serde_json::from_slice(body).map_err(|error| {
        let place = client.place();
        match error.classify() {
            serde_json::error::Category::Data => ScimError::NoList {
                place,
                cause: "it has neither `totalResults` nor `Resources`".to_owned(),
            },
            _ => ScimError::NotScim {
                place,
                cause: "the answer is no JSON".to_owned(),
            },
        }
    })
}
