//! What Toggl's refusals mean.
//!
//! Error bodies are plain text or a JSON string literal, never an object; a proxy's are HTML.

use crate::capability::{HttpError, HttpResponse};
use crate::json::{self, Json};
use crate::model::Error;
use crate::time::Timestamp;

use super::quota;

/// How much of Toggl's own words a message quotes.
const EXCERPT_CHARACTERS: usize = 200;

/// What stands for HTML, which nobody reads.
const HTML_PAGE: &str = "an HTML page";

/// What clients wait after a 429, whose `Retry-After` is not documented.
const DEFAULT_RETRY_SECONDS: u32 = 5;

/// Why a request failed: the error to hand on, and what a caller may look into first.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The HTTP status, if there was a response.
    pub status: Option<u16>,
    /// What Toggl said, in full.
    pub text: String,
    pub error: Error,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Whom a request asks about, which decides what a 403 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// `/me…`: only a rejected token is refused. Toggl answers 403 to a wrong token.
    Account,
    /// A workspace: its members may lack the right.
    Workspace,
}

impl Failure {
    /// The failure behind a response whose status is no success.
    pub(super) fn of_response(audience: Audience, response: &HttpResponse) -> Self {
        let text = text_of(&response.body);
        let said = quote(&text);
        let error = match response.status {
            // Toggl itself never answers with HTML, so these say nothing of the token, or of what exists.
            status @ (401 | 403 | 404 | 410) if text == HTML_PAGE => Error::Upstream {
                status,
                message: format!(
                    "Something in front of Toggl refuses the request (status {status}{said}). Try again later; if this lasts, see which proxy or firewall answers in the place of Toggl."
                ),
            },
            401 => Error::Unauthorized(token_rejected()),
            403 if audience == Audience::Account => Error::Unauthorized(token_rejected()),
            403 => Error::Forbidden(format!(
                "Toggl does not let this account do that{said}. The API token must belong to an admin of the workspace."
            )),
            402 => payment_required(response, &text, &said),
            404 | 410 => Error::NotFound(format!("Toggl does not know what was asked for{said}.")),
            // Toggl's edge refuses like this what comes too fast.
            status if status == 429 || (status == 400 && text == HTML_PAGE) => {
                let retry_after = response.header("retry-after");
                let retry_after = retry_after.and_then(|value| {
                    quota::seconds(value).or_else(|| seconds_until(value, response))
                });
                Error::RateLimited {
                    message: "Toggl receives too many requests with this API token. Wait a moment and try again."
                        .into(),
                    retry_after_seconds: retry_after.unwrap_or(DEFAULT_RETRY_SECONDS),
                }
            }
            status @ 500.. => Error::Upstream {
                status,
                message: format!(
                    "Toggl has a problem of its own (status {status}{said}). Try again later."
                ),
            },
            status => Error::Upstream {
                status,
                message: format!("Toggl answered with status {status}{said}."),
            },
        };
        Self {
            status: Some(response.status),
            text,
            error,
        }
    }

    /// The failure to understand a success.
    pub(super) fn nonsense(response: &HttpResponse, why: &str) -> Self {
        Self {
            status: Some(response.status),
            text: String::new(),
            error: Error::Upstream {
                status: response.status,
                message: format!(
                    "Toggl's answer could not be understood: {why}. If this persists, its API has changed."
                ),
            },
        }
    }

    /// The failure to get a response.
    pub(super) fn no_response(error: HttpError) -> Self {
        let text = match &error {
            HttpError::LimitExceeded(why) => why.clone(),
            HttpError::Refused(_) | HttpError::Unavailable(_) => String::new(),
        };
        let error = match error {
            // Trying again does not help: the token or a setting of the host must be put right.
            HttpError::Refused(why) => Error::InvalidInput(format!(
                "The host does not allow this request to Toggl: {why}"
            )),
            HttpError::Unavailable(why) => {
                Error::Unavailable(format!("Toggl could not be reached: {why}"))
            }
            HttpError::LimitExceeded(why) => {
                Error::Unavailable(format!("A limit of this host was reached: {why}"))
            }
        };
        Self {
            status: None,
            text,
            error,
        }
    }

    /// Whether a limit of the host stood in the way, such as the size of an answer.
    pub fn hit_a_limit(&self) -> bool {
        self.status.is_none() && !self.text.is_empty()
    }

    /// A request that was not sent because its quota is known to be used up.
    pub(super) fn quota_used_up(resets_in_seconds: u32) -> Self {
        Self {
            status: None,
            text: String::new(),
            error: quota_exhausted(resets_in_seconds),
        }
    }

    /// Seconds until the quota resets, if that is why the request failed.
    pub(super) fn quota_resets_in_seconds(&self) -> Option<u32> {
        match self.error {
            Error::QuotaExhausted {
                resets_in_seconds, ..
            } => Some(resets_in_seconds),
            _ => None,
        }
    }

    /// Whether the request may have been carried out all the same: its answer was lost on the way, or
    /// is no answer of Toggl's.
    pub fn may_have_taken_effect(&self) -> bool {
        self.quota_resets_in_seconds().is_none() && !matches!(self.status, Some(400..=499))
    }

    /// Whether what was asked for does not exist or is not shown to this account.
    pub fn is_absence(&self) -> bool {
        matches!(self.status, Some(403 | 404 | 410)) && self.text != HTML_PAGE
    }
}

fn token_rejected() -> String {
    "Toggl rejected the API token. Copy it again from the bottom of the profile page, \
     https://track.toggl.com/profile."
        .into()
}

/// Toggl uses 402 for two things: the hourly quota, and what the plan lacks.
fn payment_required(response: &HttpResponse, text: &str, said: &str) -> Error {
    let lower = text.to_ascii_lowercase();
    let quota_is_used_up = quota::remaining(response).is_some_and(|remaining| remaining <= 0)
        || lower.contains("hourly limit")
        || lower.contains("quota will reset");
    if !quota_is_used_up {
        return Error::PlanLimit(format!(
            "The workspace's Toggl plan does not include this{said}. A workspace admin can change the plan."
        ));
    }
    let resets_in_seconds = quota::resets_in_seconds(response)
        .or_else(|| seconds_in(&lower))
        .unwrap_or(quota::QUOTA_WINDOW_SECONDS);
    quota_exhausted(resets_in_seconds)
}

fn quota_exhausted(resets_in_seconds: u32) -> Error {
    Error::QuotaExhausted {
        message: format!(
            "Toggl's hourly quota of API requests is used up; it starts anew in {} minutes. Live deliveries go on.",
            resets_in_seconds.div_ceil(60)
        ),
        resets_in_seconds,
    }
}

/// The number before “seconds”, as in “Your quota will reset in 1838 seconds.”
fn seconds_in(text: &str) -> Option<u32> {
    let (before, _) = text.split_once(" second")?;
    quota::seconds(before.rsplit(' ').next()?)
}

/// Seconds until a date as HTTP writes it, `Wed, 21 Oct 2026 07:28:00 GMT`, by the clock of who answers.
fn seconds_until(date: &str, response: &HttpResponse) -> Option<u32> {
    let (then, now) = (http_date(date)?, http_date(response.header("date")?)?);
    let seconds = then.seconds().saturating_sub(now.seconds());
    quota::seconds(&seconds.to_string())
}

fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = text.split_ascii_whitespace().skip(1);
    let (day, month) = (parts.next()?, parts.next()?);
    let (year, time) = (parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// Toggl's words: plain text, or the text in a JSON string literal. HTML is left out.
fn text_of(body: &[u8]) -> String {
    let text = match json::parse(body) {
        Ok(Json::Text(text)) => text,
        _ => String::from_utf8_lossy(body),
    };
    let text = text.trim();
    if text.starts_with('<') {
        return HTML_PAGE.into();
    }
    text.chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// `: “what Toggl said”`, shortened, or nothing.
fn quote(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!(": “{}”", excerpt(text))
}

/// The beginning of a text.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::capability::Header;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        let header = |(name, value): &(&str, &str)| Header {
            name: (*name).into(),
            value: (*value).into(),
        };
        HttpResponse {
            status,
            headers: headers.iter().map(header).collect(),
            body: body.into(),
        }
    }

    fn workspace_error(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
        Failure::of_response(Audience::Workspace, &response(status, headers, body)).error
    }

    #[test]
    fn a_quota_is_told_from_a_plan_by_its_text() {
        let body =
            "You have hit your hourly limit for API calls. Your quota will reset in 1838 seconds.";
        let Error::QuotaExhausted {
            message,
            resets_in_seconds,
        } = workspace_error(402, &[], body)
        else {
            unreachable!("the hourly limit is a quota");
        };
        assert_eq!(resets_in_seconds, 1838);
        let nonsense = body.replace("1838", "99999999999");
        let error = workspace_error(402, &[], &nonsense);
        assert!(
            matches!(
                error,
                Error::QuotaExhausted {
                    resets_in_seconds: 3600,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(message.contains("31 minutes"), "{message}");
    }

    #[test]
    fn a_quota_is_told_from_a_plan_by_its_header() {
        let headers = [
            ("x-toggl-quota-remaining", "0"),
            ("x-toggl-quota-resets-in", "77"),
        ];
        let error = workspace_error(402, &headers, "");
        assert!(
            matches!(
                error,
                Error::QuotaExhausted {
                    resets_in_seconds: 77,
                    ..
                }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn a_plan_is_told_from_a_quota() {
        let headers = [("x-toggl-quota-remaining", "17")];
        let error = workspace_error(
            402,
            &headers,
            "Workspace needs to have this feature enabled",
        );
        assert!(matches!(error, Error::PlanLimit(_)), "{error:?}");
    }

    #[test]
    fn the_same_status_means_another_thing_for_the_account_and_a_workspace() {
        let forbidden = response(403, &[], "");
        let of = |audience| Failure::of_response(audience, &forbidden).error;
        assert!(matches!(of(Audience::Account), Error::Unauthorized(_)));
        assert!(matches!(of(Audience::Workspace), Error::Forbidden(_)));
    }

    #[test]
    fn a_page_of_something_in_between_says_nothing_of_the_token_or_of_what_exists() {
        for status in [401, 403, 404, 410] {
            let page = response(status, &[], "<!doctype html><title>Blocked</title>");
            for audience in [Audience::Account, Audience::Workspace] {
                let failure = Failure::of_response(audience, &page);
                assert!(
                    matches!(failure.error, Error::Upstream { .. }),
                    "{:?}",
                    failure.error
                );
                assert!(!failure.is_absence());
            }
        }
    }

    #[test]
    fn retry_after_is_honoured_and_has_a_default() {
        let retry = |headers: &[(&str, &str)]| match workspace_error(429, headers, "") {
            Error::RateLimited {
                retry_after_seconds,
                ..
            } => retry_after_seconds,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(retry(&[("retry-after", "9")]), 9);
        assert_eq!(retry(&[]), 5);
        let dated = |at| {
            retry(&[
                ("date", "Wed, 21 Oct 2026 07:27:30 GMT"),
                ("retry-after", at),
            ])
        };
        assert_eq!(dated("Wed, 21 Oct 2026 07:28:00 GMT"), 30);
        assert_eq!(dated("Wed, 21 Oct 2026 07:00:00 GMT"), 0);
        assert_eq!(dated("Thu, 21 Oct 2027 07:00:00 GMT"), 3600);
        for nonsense in ["", "soon", "Wed, 21 Okt 2026 07:28:00 GMT", "1e9"] {
            assert_eq!(dated(nonsense), 5, "{nonsense}");
        }
        assert_eq!(retry(&[("retry-after", "86400")]), 3600);
        assert_eq!(retry(&[("retry-after", "-1")]), 0);
        let edge = workspace_error(400, &[], "<html><body>400 Bad Request</body></html>");
        assert!(matches!(edge, Error::RateLimited { .. }), "{edge:?}");
    }

    #[test]
    fn what_toggl_said_is_quoted_plainly_and_shortly() {
        let quoted = workspace_error(
            400,
            &[],
            "\"'since' and 'before' can not be present simultaneously\"",
        );
        assert!(
            quoted.message().contains("“'since' and 'before' can"),
            "{quoted}"
        );
        let html = workspace_error(502, &[], "<html><body>Bad gateway</body></html>");
        assert!(html.message().contains("an HTML page"), "{html}");
        let long = workspace_error(400, &[], &"ä".repeat(5000));
        assert!(long.message().chars().count() < 300, "{long}");
    }
}
