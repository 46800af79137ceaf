//! Forms that people send.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::problem::ConsoleError;
use crate::body::Received;
use crate::client::{Requester, Source};
use crate::error::ApiError;
use crate::state::AppState;

/// The largest form of somebody who is not signed in: it has a token, and where to go with it.
const MOST_OF_A_STRANGER: usize = 8 << 10;

/// A form, bounded like every request in size and time.
pub(super) struct ConsoleForm<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for ConsoleForm<T> {
    type Rejection = ConsoleError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ConsoleError> {
        let limits = &state.limits;
        let (parts, body) = request.into_parts();
        let source = Source::noted(&parts.extensions);
        let most = match Requester::noted(&parts.extensions).was_admitted() {
            true => limits.api_bytes,
            false => limits.api_bytes.min(MOST_OF_A_STRANGER),
        };
        let Received { bytes, _large } = limits.read(&parts.headers, body, most, source).await?;
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
