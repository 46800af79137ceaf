//! HTTP: requests to the remote service.
//!
//! [`HttpClient`] is what a provider implements: it sends one request to one place. Everything that
//! makes lending it safe stands before it and is the same for every provider: the allow-list,
//! filling in secrets, pacing, retries, and blotting secrets out of what comes back.
#![deny(missing_docs)]

pub mod address;
pub mod allow_list;
mod circuit_breaker;
mod egress_proxy;
mod lease_deadline;
mod metrics;
mod outbound;
pub mod pacing;
mod quotas;
pub mod redaction;
mod request;
mod reqwest;
pub mod retry;
mod upstream;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use url::Url;

pub use allow_list::AllowList;
pub use egress_proxy::{EgressProxy, EgressProxyError};
pub use lease_deadline::{LeaseCheck, LeaseDeadline};
pub use metrics::{HttpCounts, HttpMetrics};
pub use outbound::{HttpForCall, HttpLimits, OutboundHttp};
pub use redaction::Redactor;
pub use request::{Authorization, Credential, GuestRequest};
pub use reqwest::{CONNECT_TIMEOUT, ReqwestClient, SystemResolver};
pub use retry::RetryPolicy;
pub use upstream::{Upstream, UpstreamError};

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Method.
    pub method: http::Method,
    /// Where to, after any upstream override.
    pub url: Url,
    /// All headers. `Authorization` is marked sensitive and is not shown in debug output.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// Whether the address may be loopback, private or otherwise not on the internet: true only
    /// where the operator overrode the host's upstream.
    pub allow_private_address: bool,
    /// The longest time the whole exchange may take.
    pub timeout: Duration,
    /// The largest response body, in bytes.
    pub max_response_bytes: usize,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingResponse {
    /// Status.
    pub status: u16,
    /// Headers that are text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Why there is no response. Texts name hosts, never secrets, paths or bodies.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// Not allowed; trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// Name resolution, connection, TLS, time-out or a cut body. Trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// The call's number of requests or the response's size is exceeded.
    #[error("{0}")]
    LimitExceeded(String),
}

/// An HTTP client. It follows no redirect, sends nothing of its own accord (no cookies, no
/// credentials), and checks the address it connects to when asked.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a request once and reads the whole response. Any status is a response.
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError>;
}
