//! The edge of the network: every attempt is recorded on its way out, and attempts at one endpoint
//! can be led to where nobody answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use integration_host_http::{
    HttpClient, HttpError, IncomingResponse, OutgoingRequest, ReqwestClient,
};
use reqwest::Url;
use tokio::time::Instant;

use super::endpoint::Endpoint;

/// The host's own client, observed.
pub(super) struct Edge {
    client: Arc<ReqwestClient>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: Vec<Attempt>,
    diversion: Option<Diversion>,
    open: bool,
}

/// One attempt, as it left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// What it asked for, if it is one of the endpoints.
    pub endpoint: Option<Endpoint>,
    /// When it left.
    pub at: Instant,
}

/// Where attempts are led instead of Toggl.
#[derive(Clone)]
pub(super) struct Diversion {
    /// Those at this endpoint.
    pub endpoint: Endpoint,
    /// Not those, but all that come after one of those.
    pub only_afterwards: bool,
    /// Scheme, host and port.
    pub origin: Url,
}

impl Edge {
    pub fn new(client: Arc<ReqwestClient>) -> Self {
        Self {
            client,
            state: Mutex::default(),
        }
    }

    /// Leads attempts elsewhere from now on, or no longer.
    pub fn divert(&self, diversion: Option<Diversion>) {
        let mut state = self.lock();
        state.diversion = diversion;
        state.open = false;
    }

    /// All attempts so far.
    pub fn attempts(&self) -> Vec<Attempt> {
        self.lock().sent.clone()
    }

    /// The moments at which attempts at an endpoint left, beginning with attempt number `from` of all.
    pub fn attempts_at(&self, endpoint: Endpoint, from: usize) -> Vec<Instant> {
        let state = self.lock();
        let attempts = state.sent.iter().skip(from);
        attempts
            .filter(|attempt| attempt.endpoint == Some(endpoint))
            .map(|attempt| attempt.at)
            .collect()
    }

    /// Records an attempt and says where it is led.
    fn record(&self, request: &OutgoingRequest) -> Option<Url> {
        let endpoint = Endpoint::of(&request.method, request.url.path());
        let mut state = self.lock();
        state.sent.push(Attempt {
            endpoint,
            at: Instant::now(),
        });
        let diversion = state.diversion.clone()?;
        let is_it = endpoint == Some(diversion.endpoint);
        let diverted = if diversion.only_afterwards {
            state.open
        } else {
            is_it
        };
        state.open |= is_it;
        diverted.then_some(diversion.origin)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpClient for Edge {
    async fn send(&self, mut request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        if let Some(mut url) = self.record(&request) {
            url.set_path(request.url.path());
            url.set_query(request.url.query());
            request.url = url;
        }
        self.client.send(request).await
    }
}

/// The most attempts beyond a bucket of `burst` that refills every `interval`; 0: the pace was kept.
pub(super) fn excess(attempts: &[Attempt], burst: u32, interval: Duration) -> u32 {
    // The bucket as the remote service would keep it, in the order in which attempts left.
    let mut full_at: Option<Instant> = None;
    let mut excess = 0;
    for attempt in attempts {
        let filled = full_at.map_or(attempt.at, |at| at.max(attempt.at)) + interval;
        let ahead = filled.saturating_duration_since(attempt.at);
        let requests = ahead.as_secs_f64() / interval.as_secs_f64();
        let over = (requests - f64::from(burst)).max(0.0).ceil();
        excess = excess.max(over as u32);
        full_at = Some(filled);
    }
    excess
}
