//! Deliveries from remote services.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

use crate::body::Received;
use crate::client::{Requester, Source};
use crate::error::ApiError;
use crate::extract::ApiPath;
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host::{Authenticity, HookAnswer};
use integration_host_contract::Header;
use integration_host_contract::id::HookId;

/// Takes one delivery. The integration verifies its signature and decides what to answer.
#[utoipa::path(post, path = "/hooks/{hook}", operation_id = "receive_delivery", tag = "hooks", security(()),
    params(("hook" = String, Path, description = "The unguessable last part of a connection's callback URL")),
    request_body(content = String, content_type = "application/json", description = "As the remote service sends it"),
    responses(
        (status = "2XX", description = "Recorded, or nothing to record; the body is the integration's"),
        Problems))]
pub(crate) async fn receive(
    State(state): State<AppState>,
    ApiPath(hook): ApiPath<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let hook = HookId::new(hook);
    let headers = text_headers(&parts.headers);
    let Some(claim) = state.service.claim(&hook, &headers) else {
        // It is refused whatever its body is, so nobody has to send that.
        return state.refuse_forged(&hook, headers, Instant::now()).await;
    };
    let limits = &state.limits;
    if !state.service.has_hook(&hook).await {
        // Whoever asks must not notice, so the body is waited for; but nothing of it is kept.
        limits
            .discard(&parts.headers, body, limits.delivery_bytes)
            .await?;
        return state.refuse_forged(&hook, headers, Instant::now()).await;
    }
    let source = Source::noted(&parts.extensions);
    let received = limits
        .read(&parts.headers, body, limits.delivery_bytes, source)
        .await?;
    let arrived = Instant::now();
    let authenticity = state
        .service
        .authenticity(&hook, &claim, &received.bytes, arrived)
        .await;
    let mut attempt = None;
    match authenticity {
        Authenticity::Genuine => Requester::noted(&parts.extensions).keep_connection(),
        Authenticity::Undecided => {
            attempt = state
                .signature_throttle
                .attempt(hook.clone(), source, arrived);
            if attempt.is_none() {
                let error = ApiError::too_many(
                    "too many deliveries from this address were refused; those that follow are not looked at for a while",
                    1,
                );
                return state.refuse(Err(error), arrived).await;
            }
        }
        Authenticity::Forged => return state.refuse_forged(&hook, headers, arrived).await,
        Authenticity::Unavailable => {}
    }
    let signature_throttle = Arc::clone(&state.signature_throttle);
    let answer = state
        .complete(|service| async move {
            let Received { bytes, _large } = received;
            let answer = service
                .handle_verified(&hook, headers, bytes, authenticity)
                .await;
            // Here, because a forger need not wait for the answer.
            if let Some(attempt) = attempt {
                signature_throttle.settle(attempt, answer.was_refused, Instant::now());
            }
            answer
        })
        .await?;
    if answer.was_refused {
        return state.refuse(respond(answer), arrived).await;
    }
    respond(answer)
}

impl AppState {
    /// Refuses a delivery of which this much is known.
    async fn refuse_forged(
        &self,
        hook: &HookId,
        headers: Vec<Header>,
        arrived: Instant,
    ) -> Result<Response, ApiError> {
        let answer = self
            .service
            .handle_verified(hook, headers, Vec::new(), Authenticity::Forged)
            .await;
        self.refuse(respond(answer), arrived).await
    }

    /// Answers a refusal a fixed time after what is refused has arrived. Whether there is such a hook, and
    /// how long the integration looked at the signature, does not show in the time then; and whoever
    /// floods a hook waits for each answer.
    async fn refuse(
        &self,
        answer: Result<Response, ApiError>,
        arrived: Instant,
    ) -> Result<Response, ApiError> {
        sleep_until(arrived + self.refusal_delay).await;
        answer
    }
}

/// Headers that are text. The HTTP library keeps names in lower case.
fn text_headers(headers: &HeaderMap) -> Vec<Header> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some(Header {
                name: name.as_str().to_owned(),
                value: value.to_str().ok()?.to_owned(),
            })
        })
        .collect()
}

/// The answer, as it is. One that is no HTTP answer is a defect.
fn respond(answer: HookAnswer) -> Result<Response, ApiError> {
    let HookAnswer {
        response: integration,
        retry_after_seconds,
        was_refused: _,
    } = answer;
    // 1xx would leave the remote service waiting for the answer proper.
    let status = StatusCode::from_u16(integration.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(ApiError::defect)?;
    let content_type = integration
        .content_type
        .map(HeaderValue::try_from)
        .transpose()
        .map_err(|_| ApiError::defect())?;
    let mut response = Response::new(Body::from(integration.body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use integration_host_contract::WebhookResponse;

    fn answer(status: u16, content_type: &str) -> HookAnswer {
        HookAnswer {
            response: WebhookResponse {
                status,
                content_type: Some(content_type.to_owned()),
                body: b"{}".to_vec(),
            },
            retry_after_seconds: None,
            was_refused: false,
        }
    }

    #[test]
    fn the_integrations_answer_is_passed_on() {
        let response = respond(answer(201, "application/json")).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }

    #[test]
    fn an_impossible_answer_is_a_defect_and_no_panic() {
        for (status, content_type) in [(0, "a/b"), (99, "a/b"), (100, "a/b"), (200, "a\r\nb: c")] {
            assert!(respond(answer(status, content_type)).is_err());
        }
    }

    #[test]
    fn headers_that_are_no_text_are_left_out() {
        let mut headers = HeaderMap::new();
        headers.insert("X-Signature", HeaderValue::from_static("sha256=00"));
        headers.insert("X-Binary", HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(
            text_headers(&headers),
            [Header {
                name: "x-signature".into(),
                value: "sha256=00".into()
            }]
        );
    }
}
