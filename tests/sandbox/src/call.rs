//! An authenticated call: who makes it and what it was, which becomes the metadata of the events it causes.

use axum::{body::Bytes, extract::FromRequestParts};
use http::{Method, request::Parts};
use serde::de::DeserializeOwned;

use crate::{api_error::ApiError, world::Origin};

/// Put into a request's extensions by the gate, with the whole path: nested routers see a shortened one.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Global id of the token's owner.
    pub user_id: i64,
    /// HTTP method.
    pub method: Method,
    /// Path without query.
    pub path: String,
}

impl Call {
    /// The origin of changes made by this call.
    pub fn origin(&self, body: &Bytes) -> Origin {
        Origin {
            user_id: self.user_id,
            method: self.method.to_string(),
            path: self.path.clone(),
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(ApiError::no_access)
    }
}

/// Reads a JSON body, whatever its declared type.
pub(crate) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::bad_request("Invalid JSON input"))
}
