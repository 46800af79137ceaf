//! HTTP basic authentication with an API token, as all three of Toggl's APIs have it.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{api_error::ApiError, world::World};

/// Finds whose token a request carries: the global user id.
///
/// Without any `Authorization` the real API answers 401, an empty body and `X-Authorization-Missing: true`; with wrong credentials 403.
/// Passwords do not exist here: only `TOKEN:api_token` works.
pub(crate) fn authenticate(world: &World, headers: &HeaderMap) -> Result<i64, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::empty(StatusCode::UNAUTHORIZED).with_header(
            HeaderName::from_static("x-authorization-missing"),
            HeaderValue::from_static("true"),
        ));
    };
    token(value)
        .and_then(|token| world.user_by_token(&token).map(|user| user.id))
        .ok_or_else(|| ApiError::text(StatusCode::FORBIDDEN, "Incorrect username and/or password"))
}

fn token(value: &HeaderValue) -> Option<String> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (token, password) = decoded.split_once(':')?;
    (password == "api_token").then(|| token.to_owned())
}
