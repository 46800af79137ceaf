//! Letting in whoever carries the admin token.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use super::admin_token::AdminToken;
use super::error::ApiError;

/// Refuses a request without the admin token.
pub(super) async fn require_admin(
    State(token): State<AdminToken>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match given {
        Some(given) if token.matches(given) => Ok(next.run(request).await),
        Some(_) => Err(ApiError::unauthenticated(
            "the admin token is not the one of this host; it is in INTEGRATION_HOST_TOKEN or in the file admin-token of the host's data directory",
        )),
        None => Err(ApiError::unauthenticated(
            "this needs the header “Authorization: Bearer ADMIN_TOKEN”; the token is in INTEGRATION_HOST_TOKEN or in the file admin-token of the host's data directory",
        )),
    }
}
