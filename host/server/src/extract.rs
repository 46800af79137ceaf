//! Extractors whose rejections are problems a person can act on.

use std::fmt;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Segment;
use zeroize::Zeroizing;

use super::body::{Received, RequestLimits};
use super::client::Source;
use super::error::ApiError;

/// A JSON body.
pub(super) struct ApiJson<T>(pub(super) T);

impl<S, T> FromRequest<S> for ApiJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    RequestLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = RequestLimits::from_ref(state);
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(ApiError::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON, with the header “Content-Type: application/json”",
            ));
        }
        let source = Source::noted(&parts.extensions);
        let Received { bytes, _large } = limits
            .read(&parts.headers, body, limits.api_bytes, source)
            .await?;
        // It may hold a secret.
        let bytes = Zeroizing::new(bytes);
        // Derived readers also take an array of the fields' values, which nobody means to send.
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        match parse(&bytes) {
            Ok(value) if is_object => Ok(Self(value)),
            Err(Misfit { error, .. }) if error.classify() != Category::Data => Err(
                ApiError::malformed(format!("the body is no valid JSON: {error}")),
            ),
            Err(misfit) if is_object => Err(unfit(misfit.to_string())),
            Ok(_) | Err(_) => Err(unfit("the body must be a JSON object")),
        }
    }
}

/// What is wrong with a body, and in which of its fields.
struct Misfit {
    field: Option<String>,
    error: serde_json::Error,
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Misfit> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // What is deeper may be a secret.
        let field = match error.path().iter().next() {
            Some(Segment::Map { key }) => Some(key.clone()),
            _ => None,
        };
        let error = error.into_inner();
        Misfit { field, error }
    })?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(Misfit { field: None, error }),
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.to_string();
        let unnamed = |field: &&String| !error.contains(&format!("`{field}`"));
        match self.field.as_ref().filter(unnamed) {
            Some(field) => write!(formatter, "the body does not fit: `{field}`: {error}"),
            None => write!(formatter, "the body does not fit: {error}"),
        }
    }
}

fn unfit(detail: impl Into<String>) -> ApiError {
    ApiError::refused(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

/// Query parameters.
pub(super) struct ApiQuery<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for ApiQuery<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(|rejection| ApiError::malformed(rejection.body_text()))
    }
}

/// Path parameters.
pub(super) struct ApiPath<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for ApiPath<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(path)| Self(path))
            .map_err(|rejection| ApiError::malformed(rejection.body_text()))
    }
}
