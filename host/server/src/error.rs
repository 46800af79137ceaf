//! Errors as `application/problem+json`.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::Problem;
use integration_host::{FeedError, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::sentence::cut;

/// The most characters of a detail: it repeats what was wrong, and that may be as long as a request.
const MOST_DETAIL: usize = 500;

/// What a request is answered with when it fails.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_seconds: Option<u32>,
}

/// The HTTP status for an error of a use case.
///
/// A remote service that rejects its secret is 422, not 401: the request itself was authorised, and
/// 401 tells clients that the admin token is wrong.
pub fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unauthorized | ErrorCode::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::RateLimited | ErrorCode::QuotaExhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::PlanLimit => StatusCode::PAYMENT_REQUIRED,
        ErrorCode::Upstream => StatusCode::BAD_GATEWAY,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    /// A request that makes no sense to the server, with the status that says in which way.
    pub(super) fn refused(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: ErrorCode::InvalidInput.as_str(),
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    /// A query, path or body that cannot be read.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, detail)
    }

    /// No or the wrong admin token.
    pub(super) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: ErrorCode::Unauthorized.as_str(),
            detail: detail.into(),
            retry_after_seconds: None,
        }
    }

    /// Somebody who may not ask for this.
    pub(super) fn forbidden(detail: &str) -> Self {
        HostError::new(ErrorCode::Forbidden, detail).into()
    }

    /// Somebody who asks too often.
    pub(super) fn too_many(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: ErrorCode::RateLimited.as_str(),
            detail: detail.into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    /// There is nothing at this address.
    pub(super) fn no_route() -> Self {
        HostError::not_found("there is nothing at this address; /api/openapi.json lists what is")
            .into()
    }

    /// Something that is busy now and may not be later.
    pub(super) fn busy(detail: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: ErrorCode::Unavailable.as_str(),
            detail: detail.into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    /// A client that is too slow.
    pub(super) fn too_slow() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            code: ErrorCode::Unavailable.as_str(),
            detail: "the request's body did not arrive in time; send it again".to_owned(),
            retry_after_seconds: None,
        }
    }

    /// A defect of the host. What it was is in the log.
    pub(super) fn defect() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: ErrorCode::Internal.as_str(),
            detail: "this is a defect in the host; its log says more".to_owned(),
            retry_after_seconds: None,
        }
    }

    /// The JSON of it.
    pub(super) fn problem(&self) -> Problem {
        Problem {
            kind: Cow::Borrowed("about:blank"),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: cut(&self.detail, MOST_DETAIL).into_owned(),
            code: Cow::Borrowed(self.code),
            retry_after_seconds: self.retry_after_seconds,
        }
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        Self {
            status: status_of(error.code),
            code: error.code.as_str(),
            detail: error.message,
            retry_after_seconds: error.retry_after_seconds,
        }
    }
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Host(error) => error.into(),
            error => Self {
                status: StatusCode::GONE,
                code: Problem::FEED_RESTARTED,
                detail: error.to_string(),
                retry_after_seconds: None,
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_published_status() {
        let statuses: Vec<_> = ErrorCode::ALL
            .iter()
            .copied()
            .map(|code| (code.as_str(), status_of(code).as_u16()))
            .collect();
        assert_eq!(
            statuses,
            [
                ("unauthorized", 422),
                ("forbidden", 403),
                ("not-found", 404),
                ("invalid-input", 422),
                ("conflict", 409),
                ("rate-limited", 429),
                ("quota-exhausted", 429),
                ("plan-limit", 402),
                ("upstream", 502),
                ("unavailable", 503),
                ("internal", 500),
            ]
        );
    }

    #[test]
    fn a_known_delay_is_said_in_header_and_body() {
        let error = ApiError::from(HostError {
            code: ErrorCode::QuotaExhausted,
            message: "wait".into(),
            retry_after_seconds: Some(1800),
            found_no_turn: false,
        });
        assert_eq!(error.problem().retry_after_seconds, Some(1800));
        let response = error.into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1800");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn a_place_of_another_life_is_gone() {
        let response = ApiError::from(FeedError::Restarted).into_response();
        assert_eq!(response.status(), StatusCode::GONE);
        let problem = ApiError::from(FeedError::Restarted).problem();
        assert_eq!(problem.code, "feed-restarted");
        assert!(problem.detail.contains("from the beginning"));
    }

    #[test]
    fn only_a_wrong_admin_token_asks_for_authentication() {
        let response = ApiError::unauthenticated("no").into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        let remote = ApiError::from(HostError::new(ErrorCode::Unauthorized, "no"));
        assert_eq!(remote.into_response().status(), 422);
    }

    #[test]
    fn a_detail_is_no_longer_than_somebody_reads() {
        let detail = |length| {
            let error = HostError::not_found("ü".repeat(length));
            ApiError::from(error).problem().detail
        };
        assert_eq!(detail(500), "ü".repeat(500));
        assert_eq!(detail(501), format!("{}…", "ü".repeat(500)));
    }

    #[test]
    fn a_problem_has_the_published_fields() {
        let problem = ApiError::from(HostError::not_found("There is no connection x.")).problem();
        assert_eq!(
            serde_json::to_value(problem).unwrap(),
            serde_json::json!({
                "type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "There is no connection x.", "code": "not-found"
            })
        );
    }
}
