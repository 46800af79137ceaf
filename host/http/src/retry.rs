//! Retries: what is worth sending again, and when.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::{HttpError, IncomingResponse};
use integration_host_contract::backoff::Backoff;

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most, the first time included.
    pub max_attempts: u32,
    /// The longest delay before the second attempt; it doubles from attempt to attempt.
    pub base: Duration,
    /// The longest delay between attempts, unless the remote service asks for more.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after attempt number `attempt` (the first is 1) before the next one;
    /// `None`: this outcome is final. `jitter` is random, from 0 to 1: it keeps many hosts from
    /// coming back at the same moment.
    ///
    /// Whether the request may be sent twice at all is the caller's to know.
    pub fn delay_after(
        &self,
        attempt: u32,
        outcome: &Result<IncomingResponse, HttpError>,
        jitter: f64,
    ) -> Option<Duration> {
        if attempt >= self.max_attempts || !is_worth_retrying(outcome) {
            return None;
        }
        let jitter = jitter.clamp(0.0, 1.0);
        let asked = outcome
            .as_ref()
            .ok()
            .and_then(|response| retry_after(response, Timestamp::now()));
        Some(match asked {
            // Not earlier than asked, and not everybody at that moment.
            Some(asked) => asked.saturating_add(self.base.mul_f64(jitter)),
            None => self.longest_delay(attempt).mul_f64(0.5 + jitter / 2.0),
        })
    }

    /// The longest delay after failure number `failures` (the first is 1) in a row.
    pub(super) fn longest_delay(&self, failures: u32) -> Duration {
        Backoff::new(self.base, self.cap).delay(failures)
    }
}

/// Whether the same request may well succeed later.
///
/// 402 is not among them: at Toggl it means a used-up quota or a missing plan, which lasts.
fn is_worth_retrying(outcome: &Result<IncomingResponse, HttpError>) -> bool {
    match outcome {
        Ok(response) => {
            matches!(response.status, 429 | 500 | 502 | 503 | 504) || is_of_an_edge(response)
        }
        Err(HttpError::Unavailable(_)) => true,
        Err(HttpError::Refused(_) | HttpError::LimitExceeded(_)) => false,
    }
}

/// Whether a 400 is none of the service's: what stands in front of an API refuses requests that come too fast like this, with a
/// page for people.
fn is_of_an_edge(response: &IncomingResponse) -> bool {
    let is_html = |(name, value): &(String, String)| {
        name == "content-type"
            && value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/html")
    };
    response.status == 400 && response.headers.iter().any(is_html)
}

/// The delay a response asks for, in seconds or as a date. A date is compared with the response's
/// own `Date`, so that a wrong clock here does not matter; `now` stands in where that is missing.
pub(super) fn retry_after(response: &IncomingResponse, now: Timestamp) -> Option<Duration> {
    let header = |wanted: &str| {
        let found = response.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.trim())
    };
    let value = header("retry-after")?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean: not in this lifetime.
        return Some(Duration::from_secs(
            value.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let asked = http_date(value)?;
    let now = header("date").and_then(http_date).unwrap_or(now);
    Some(
        asked
            .duration_since(now)
            .try_into()
            .unwrap_or(Duration::ZERO),
    )
}

/// A date as HTTP writes it (RFC 9110, section 5.6.7: the form of RFC 2822, in GMT).
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> IncomingResponse {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        IncomingResponse {
            status,
            headers,
            body: Vec::new(),
        }
    }

    #[test]
    fn a_page_in_the_place_of_an_answer_is_retried() {
        let is_retried = |status, content_type| {
            let page = response(status, &[("content-type", content_type)]);
            RetryPolicy::default()
                .delay_after(1, &Ok(page), 0.5)
                .is_some()
        };
        assert!(is_retried(400, "text/html") && is_retried(400, "Text/HTML; charset=utf-8"));
        assert!(!is_retried(400, "application/json") && !is_retried(400, "text/plain"));
        assert!(!is_retried(403, "text/html") && !is_retried(200, "text/html"));
    }

    #[test]
    fn passing_failures_are_retried_and_lasting_ones_are_not() {
        let policy = RetryPolicy::default();
        for status in 100..600 {
            let retried = policy
                .delay_after(1, &Ok(response(status, &[])), 0.5)
                .is_some();
            assert_eq!(
                retried,
                [429, 500, 502, 503, 504].contains(&status),
                "{status}"
            );
        }
        for (error, expected) in [
            (HttpError::Unavailable(String::new()), true),
            (HttpError::Refused(String::new()), false),
            (HttpError::LimitExceeded(String::new()), false),
        ] {
            assert_eq!(
                policy.delay_after(1, &Err(error.clone()), 0.5).is_some(),
                expected,
                "{error:?}"
            );
        }
    }

    #[test]
    fn delays_grow_stay_below_the_cap_and_end() {
        let policy = RetryPolicy {
            max_attempts: 100,
            ..RetryPolicy::default()
        };
        let failed = Ok(response(503, &[]));
        let longest: Vec<_> = (1..9)
            .map(|attempt| {
                policy
                    .delay_after(attempt, &failed, 1.0)
                    .unwrap()
                    .as_millis()
            })
            .collect();
        assert_eq!(longest, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(
            policy.delay_after(1, &failed, 0.0),
            Some(Duration::from_millis(125))
        );
        assert_eq!(
            policy.delay_after(99, &failed, f64::NAN.max(2.0)),
            Some(Duration::from_secs(10))
        );
        assert_eq!(RetryPolicy::default().delay_after(4, &failed, 1.0), None);
    }

    #[test]
    fn retry_after_is_honoured_in_both_forms() {
        let now: Timestamp = "2024-05-01T12:00:00Z".parse().unwrap();
        let seconds = |headers: &[(&str, &str)]| {
            retry_after(&response(429, headers), now).map(|delay| delay.as_secs())
        };
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        assert_eq!(seconds(&[("retry-after", " 0 ")]), Some(0));
        assert_eq!(
            seconds(&[("retry-after", "99999999999999999999999")]),
            Some(u64::from(u32::MAX))
        );
        assert_eq!(
            seconds(&[("retry-after", "Wed, 01 May 2024 12:00:30 GMT")]),
            Some(30)
        );
        assert_eq!(
            seconds(&[("retry-after", "Wed, 01 May 2024 11:00:00 GMT")]),
            Some(0)
        );
        let skewed = [
            ("date", "Wed, 01 May 2024 15:00:00 GMT"),
            ("retry-after", "Wed, 01 May 2024 15:00:05 GMT"),
        ];
        assert_eq!(seconds(&skewed), Some(5));
        for nonsense in ["", "-1", "soon", "1.5", "1e3"] {
            assert_eq!(seconds(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        let asked =
            RetryPolicy::default().delay_after(1, &Ok(response(429, &[("retry-after", "7")])), 0.0);
        assert_eq!(asked, Some(Duration::from_secs(7)));
    }
}
