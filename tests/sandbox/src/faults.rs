//! Failures on order: answers that are wrong, late, cut short or not Toggl's at all.

use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::world::World;

/// A failure for the next calls that match.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallFault {
    /// How many calls it hits; 0 means one.
    pub count: u32,
    /// Only this HTTP method.
    pub method: Option<String>,
    /// Only paths that match; `*` stands for any text, e.g. `/api/v9/me*`.
    pub path: Option<String>,
    /// Status to answer; absent means the call is answered normally (useful with `delay_ms` or `truncate`).
    pub status: Option<u16>,
    /// Headers to answer with, in place of the true answer's where that is sent.
    pub headers: BTreeMap<String, String>,
    /// Body to answer with.
    pub body: Option<String>,
    /// Answer an HTML error page, as a proxy in front of the API would.
    pub html: bool,
    /// Wait this long before answering, in milliseconds.
    pub delay_ms: u64,
    /// Send only half of the body and break the connection.
    pub truncate: bool,
    /// Send only half of the body and leave the connection open without a word.
    pub stall: bool,
    /// Let the call take effect before it seems to fail: the answer is lost, the change is not.
    pub after_effect: bool,
}

impl CallFault {
    fn matches(&self, method: &str, path: &str) -> bool {
        self.method
            .as_deref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .path
                .as_deref()
                .is_none_or(|pattern| matches_pattern(pattern, path))
    }

    /// Whether the call must be carried out: for its answer or for its effect.
    pub(crate) fn runs_the_call(&self) -> bool {
        self.after_effect || self.replacement().is_none()
    }

    /// The answer instead of the real one, if the fault replaces it.
    pub(crate) fn replacement(&self) -> Option<Response> {
        if self.status.is_none() && self.body.is_none() && !self.html {
            return None;
        }
        let default = if self.html { 502 } else { 500 };
        let status = self
            .status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .or(StatusCode::from_u16(default).ok());
        let html = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n";
        let body = self.body.clone().unwrap_or_else(|| {
            if self.html {
                html.to_owned()
            } else {
                String::new()
            }
        });
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = if self.html {
            "text/html"
        } else {
            "text/plain; charset=utf-8"
        };
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Some(response)
    }

    /// Puts the fault's headers on an answer.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::try_from(value.as_str()),
            ) {
                headers.insert(name, value);
            }
        }
    }
}

impl World {
    /// The fault that hits this call, if any; it counts as used.
    pub fn take_call_fault(&mut self, method: &str, path: &str) -> Option<CallFault> {
        let position = self
            .call_faults
            .iter()
            .position(|fault| fault.matches(method, path))?;
        let fault = self.call_faults.get_mut(position)?;
        let taken = fault.clone();
        if fault.count <= 1 {
            self.call_faults.remove(position);
        } else {
            fault.count -= 1;
        }
        Some(taken)
    }
}

/// How a body that is only half sent goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondHalf {
    /// The connection breaks.
    Break,
    /// Nothing comes any more.
    Silence,
}

/// Announces the whole body and sends half of it.
pub(crate) async fn half_sent(response: Response, then: SecondHalf) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let first = stream::once(async move { Ok::<Bytes, std::io::Error>(half) });
    let then = stream::once(async move {
        // A pause lets the first half leave before the connection breaks.
        tokio::task::yield_now().await;
        if then == SecondHalf::Silence {
            std::future::pending::<()>().await;
        }
        Err(std::io::Error::other("cut off on request"))
    });
    Response::from_parts(parts, Body::from_stream(first.chain(then)))
}

/// Whether a path matches a pattern in which `*` stands for any text.
pub(crate) fn matches_pattern(pattern: &str, path: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(position) = rest.find(piece) else {
            return false;
        };
        rest = rest.get(position + piece.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches_pattern("/api/v9/me", "/api/v9/me"));
        assert!(!matches_pattern("/api/v9/me", "/api/v9/me/quota"));
        assert!(matches_pattern("/api/v9/me*", "/api/v9/me/quota"));
        assert!(matches_pattern(
            "*/subscriptions/*",
            "/webhooks/api/v1/subscriptions/7"
        ));
        assert!(matches_pattern(
            "*/stop",
            "/api/v9/workspaces/1/time_entries/2/stop"
        ));
        assert!(!matches_pattern(
            "*/stop",
            "/api/v9/workspaces/1/time_entries/2"
        ));
    }
}
