//! Refusals in Toggl's own form: plain text or a JSON string literal, never an object.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

/// A refusal on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Clone)]
enum Body {
    Empty,
    Text(String),
    /// Sent with its quotes, as a recorded 400 is.
    Literal(String),
}

impl ApiError {
    /// A JSON string literal.
    pub fn literal(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            body: Body::Literal(message.to_owned()),
            headers: Vec::new(),
        }
    }

    /// Plain text.
    pub fn text(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            body: Body::Text(message.into()),
            headers: Vec::new(),
        }
    }

    /// No body at all.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: Body::Empty,
            headers: Vec::new(),
        }
    }

    /// 400 with a JSON string literal.
    pub fn bad_request(message: &str) -> Self {
        Self::literal(StatusCode::BAD_REQUEST, message)
    }

    /// The 403 of API v9.
    pub fn no_access() -> Self {
        Self::literal(
            StatusCode::FORBIDDEN,
            "User does not have access to this resource.",
        )
    }

    /// Adds a header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What a person would read.
    pub fn message(&self) -> &str {
        match &self.body {
            Body::Empty => "",
            Body::Text(text) | Body::Literal(text) => text,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Body::Empty => self.status.into_response(),
            Body::Text(text) => (self.status, text).into_response(),
            Body::Literal(text) => {
                let content_type = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
                (
                    self.status,
                    content_type,
                    serde_json::Value::String(text).to_string(),
                )
                    .into_response()
            }
        };
        response.headers_mut().extend(self.headers);
        response
    }
}
