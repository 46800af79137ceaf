//! What operators and their tools watch.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
#[cfg(feature = "console")]
use axum::http::Extensions;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

#[cfg(feature = "console")]
use crate::SignInCode;
#[cfg(feature = "console")]
use crate::api::SignInLinkView;
#[cfg(feature = "console")]
use crate::client::Source;
use crate::error::ApiError;
use crate::openapi::{Problems, document};
use crate::state::AppState;
use integration_host::Host;
use integration_host_contract::supervision;

/// Where the host stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// `alive` or `ready`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// Whether the process answers, and no part of it needs it to be started anew.
#[utoipa::path(get, path = "/healthz", operation_id = "check_alive", tag = "operations", security(()),
    responses((status = 200, body = StatusView), Problems))]
pub(crate) async fn alive() -> Result<Json<StatusView>, ApiError> {
    if supervision::hopeless().is_empty() {
        return Ok(Json(StatusView { status: "alive" }));
    }
    Err(ApiError::busy(
        "a part of this host fails again and again; start it anew, and look in its log for what fails",
        5,
    ))
}

/// Whether the host can do its work: its database can be written, its storage answers and it is not about
/// to stop.
#[utoipa::path(get, path = "/readyz", operation_id = "check_ready", tag = "operations", security(()),
    responses((status = 200, body = StatusView), Problems))]
pub(crate) async fn ready(State(state): State<AppState>) -> Result<Json<StatusView>, ApiError> {
    if *state.stopping.borrow() {
        return Err(ApiError::busy("the host is stopping", 5));
    }
    if state.readiness.is_ready(&state.service).await {
        return Ok(Json(StatusView { status: "ready" }));
    }
    Err(ApiError::busy(
        "the database cannot be written, or the storage does not answer; the host's log says why",
        5,
    ))
}

/// What lies between two looks at whether the host is ready. Anybody may ask, and to find out costs a write.
const READINESS_PACE: Duration = Duration::from_millis(50);

/// How often the log says that the host is not ready.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Whether the host is ready, found out for all who ask at once.
#[derive(Default)]
pub(crate) struct Readiness(tokio::sync::Mutex<LastLook>);

#[derive(Default)]
struct LastLook {
    /// When the last look began, and what it saw.
    looked: Option<(Instant, bool)>,
    /// When the last look ended, if it failed.
    failed: Option<Instant>,
    said: Option<Instant>,
}

impl Readiness {
    async fn is_ready(&self, service: &Host) -> bool {
        let asked = Instant::now();
        let mut known = self.0.lock().await;
        // All that wait for a look share the next one; what was seen before one asked does not count. What fails takes
        // long, though: who asked meanwhile is told at once, instead of after as long again.
        if let Some((began, is_ready)) = known.looked {
            let failed_meanwhile = known.failed.is_some_and(|failed| failed >= asked);
            if began >= asked || failed_meanwhile {
                return is_ready;
            }
            sleep_until(began + READINESS_PACE).await;
        }
        let now = Instant::now();
        let ready = service.ready().await;
        known.looked = Some((now, ready.is_ok()));
        known.failed = ready.is_err().then(Instant::now);
        match ready {
            Ok(()) => known.said = None,
            Err(error) if known.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) => {
                // Who asks is not known, so what is wrong stays here.
                tracing::warn!(%error, "the host is not ready");
                known.said = Some(now);
            }
            Err(_) => {}
        }
        known.looked.is_some_and(|(_, is_ready)| is_ready)
    }
}

/// Counters in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "read_metrics", tag = "operations",
    responses((status = 200, content_type = "text/plain", body = String), Problems))]
pub(crate) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        state.service.metrics(),
    )
}

/// Makes a link that signs in to the console once.
#[cfg(feature = "console")]
#[utoipa::path(post, path = "/api/v1/sign-in-links", operation_id = "make_sign_in_link", tag = "operations",
    responses((status = 201, body = SignInLinkView), Problems))]
pub(crate) async fn make_sign_in_link(
    State(state): State<AppState>,
) -> (StatusCode, Json<SignInLinkView>) {
    let link = SignInLinkView {
        path: state.console.sign_in_links.issue().link(""),
        expires_in_seconds: SignInCode::LIFETIME.as_secs(),
    };
    (StatusCode::CREATED, Json(link))
}

/// Signs everybody out of the console, at all hosts.
#[cfg(feature = "console")]
#[utoipa::path(delete, path = "/api/v1/sessions", operation_id = "end_sessions", tag = "operations",
    responses((status = 204, description = "Nobody is signed in"), Problems))]
pub(crate) async fn end_sessions(
    State(state): State<AppState>,
    extensions: Extensions,
) -> Result<StatusCode, ApiError> {
    state.service.end_all_sessions().await?;
    state.console.drafts.forget_all();
    tracing::info!(source = %Source::noted(&extensions), "somebody signed everybody out of the console");
    Ok(StatusCode::NO_CONTENT)
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "read_openapi", tag = "operations", security(()),
    responses((status = 200, description = "An OpenAPI document", content_type = "application/json")))]
pub(crate) async fn openapi(headers: HeaderMap) -> Result<Response, ApiError> {
    static PUBLISHED: OnceLock<Option<(Bytes, HeaderValue)>> = OnceLock::new();
    // Made once: anybody may ask for it.
    let published = PUBLISHED.get_or_init(|| {
        let json = serde_json::to_vec(&document()).ok()?;
        let digest = hex::encode(Sha256::digest(&json));
        let tag = HeaderValue::try_from(format!("\"{digest}\"")).ok()?;
        Some((json.into(), tag))
    });
    let (json, tag) = published.as_ref().ok_or_else(ApiError::defect)?;
    let is_known = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim() == "*" || given.trim().trim_start_matches("W/") == tag);
    let caching = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok(match is_known {
        true => (StatusCode::NOT_MODIFIED, caching).into_response(),
        false => (caching, [(CONTENT_TYPE, "application/json")], json.clone()).into_response(),
    })
}
