//! Forms that people send.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::problem::ConsoleError;
use crate::server::body::Received;
use crate::server::error::ApiError;
use crate::server::state::AppState;

/// A form, bounded like every request in size and time.
pub(super) struct ConsoleForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for ConsoleForm<T> {
    type Rejection = ConsoleError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ConsoleError> {
        let limits = &state.limits;
        let (parts, body) = request.into_parts();
        let Received { bytes, _large } =
            limits.read(&parts.headers, body, limits.api_bytes).await?;
        // It may hold a secret.
        let bytes = Bytes::from_owner(Zeroizing::new(bytes));
        let request = Request::from_parts(parts, Body::from(bytes));
        match Form::from_request(request, state).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(_) => Err(ApiError::malformed(
                "the form was not sent completely; go back, load the page again and send it once more",
            )
            .into()),
        }
    }
}
