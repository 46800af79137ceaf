//! What operators and their tools watch.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::SignInLinkView;
use crate::server::SignInCode;
use crate::server::error::ApiError;
use crate::server::openapi::{Problems, document};
use crate::server::state::AppState;

/// Where the host stands.
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct StatusView {
    /// `alive` or `ready`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "check_alive", tag = "operations", security(()),
    responses((status = 200, body = StatusView)))]
pub(in crate::server) async fn alive() -> Json<StatusView> {
    Json(StatusView { status: "alive" })
}

/// Whether the host can do its work: its database can be written, its storage answers and it is not about
/// to stop.
#[utoipa::path(get, path = "/readyz", operation_id = "check_ready", tag = "operations", security(()),
    responses((status = 200, body = StatusView), Problems))]
pub(in crate::server) async fn ready(
    State(state): State<AppState>,
) -> Result<Json<StatusView>, ApiError> {
    if *state.stopping.borrow() {
        return Err(ApiError::busy("the host is stopping", 5));
    }
    state.service.ready().await.map_err(|error| {
        // Who asks is not known, so what is wrong stays here.
        tracing::warn!(%error, "the host is not ready");
        ApiError::busy(
            "the database cannot be written, or the storage does not answer; the host's log says why",
            5,
        )
    })?;
    Ok(Json(StatusView { status: "ready" }))
}

/// Counters in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "read_metrics", tag = "operations",
    responses((status = 200, content_type = "text/plain", body = String), Problems))]
pub(in crate::server) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        state.service.metrics(),
    )
}

/// Makes a link that signs in to the console once.
#[utoipa::path(post, path = "/api/v1/sign-in-links", operation_id = "make_sign_in_link", tag = "operations",
    responses((status = 201, body = SignInLinkView), Problems))]
pub(in crate::server) async fn make_sign_in_link(
    State(state): State<AppState>,
) -> (StatusCode, Json<SignInLinkView>) {
    let link = SignInLinkView {
        path: state.sign_in_links.issue().link(""),
        expires_in_seconds: SignInCode::LIFETIME.as_secs(),
    };
    (StatusCode::CREATED, Json(link))
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "read_openapi", tag = "operations", security(()),
    responses((status = 200, description = "An OpenAPI document", content_type = "application/json")))]
pub(in crate::server) async fn openapi() -> impl IntoResponse {
    Json(document())
}
