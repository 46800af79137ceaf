//! What every request passes through, whatever its route.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::console;
use super::error::ApiError;

/// Finishes a router: unknown addresses, wrong methods and panics become problems, every request is
/// traced, and every response carries the security headers. `is_https`: browsers reach this host so.
pub(super) fn finish<S>(routes: Router<S>, is_https: bool) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .fallback(nothing_here)
        .method_not_allowed_fallback(async || {
            ApiError::refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address does not take this method; the header “Allow” names those it takes",
            )
        })
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(middleware::from_fn(trace))
        .layer(middleware::from_fn_with_state(is_https, secure))
}

async fn nothing_here(request: Request) -> Response {
    if console::is_for_a_person(request.headers()) {
        console::no_page(&request)
    } else {
        ApiError::no_route().into_response()
    }
}

/// The panic's own message went to the log by way of the panic hook.
fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    ApiError::defect().into_response()
}

/// Logs a request by its route's template: an address holds hook ids.
async fn trace(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched
        .as_ref()
        .map_or("unknown", MatchedPath::as_str)
        .to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    let elapsed_ms = started.elapsed().as_millis() as u64;
    if status.is_server_error() {
        tracing::warn!(%method, route, status = status.as_u16(), elapsed_ms, "request failed");
    } else if route.starts_with("/api/") {
        tracing::info!(%method, route, status = status.as_u16(), elapsed_ms, "request");
    } else {
        // Deliveries and probes come many times a second.
        tracing::debug!(%method, route, status = status.as_u16(), elapsed_ms, "request");
    }
    response
}

const SECURITY_HEADERS: [(HeaderName, &str); 7] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Half a year of https only, for browsers that came by https once.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=15768000");

/// Adds the security headers a response does not set itself.
async fn secure(State(is_https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
    response
}
