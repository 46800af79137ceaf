//! What goes wrong at an endpoint.

use reqwest::Url;
use toggl_sandbox::CallFault;

use super::edge::Diversion;
use super::endpoint::Endpoint;

/// How long a used-up quota takes to reset, in seconds.
pub(super) const QUOTA_SECONDS: u32 = 3;

/// How long a refusal asks to wait, in seconds.
pub(super) const RETRY_AFTER_SECONDS: u32 = 1;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// 401
    Unauthorized,
    /// 402 because the hourly quota is used up.
    Quota,
    /// 402 because the plan does not include it.
    Plan,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 429 without a word on when to come back.
    TooMany,
    /// 429 with `Retry-After`.
    TooManyRetryAfter,
    /// 500
    ServerError,
    /// 502, a page of a proxy.
    BadGateway,
    /// 503
    Unavailable,
    /// Headers come after the time-out.
    SlowHeaders,
    /// Half of the body comes, then nothing.
    SlowBody,
    /// Half of the body comes, then the connection breaks.
    CutBody,
    /// The true answer, declared as something else.
    WrongContentType,
    /// A login page with status 200.
    Html,
    /// JSON of another form with status 200.
    Nonsense,
    /// A list of something else with status 200.
    NonsenseList,
    /// 302
    Redirect,
    /// No TLS where it must be.
    Tls,
    /// Connection refused.
    Refused,
    /// The host's name is not found.
    Dns,
    /// 500 once, although the request was carried out.
    LostAnswer,
    /// The request was carried out, its answer lost, and Toggl does not answer from then on.
    LostAnswerThenDown,
    /// 503 once.
    UnavailableOnce,
    /// 429 with `Retry-After` once.
    TooManyOnce,
}

impl Fault {
    /// Those of every endpoint.
    pub const OF_ALL: [Self; 23] = [
        // The slowest first, so that the others run meanwhile.
        Self::SlowHeaders,
        Self::SlowBody,
        Self::Quota,
        Self::TooManyRetryAfter,
        Self::TooMany,
        Self::CutBody,
        Self::Tls,
        Self::Refused,
        Self::Dns,
        Self::ServerError,
        Self::BadGateway,
        Self::Unavailable,
        Self::Unauthorized,
        Self::Plan,
        Self::Forbidden,
        Self::NotFound,
        Self::WrongContentType,
        Self::Html,
        Self::Nonsense,
        Self::NonsenseList,
        Self::Redirect,
        Self::UnavailableOnce,
        Self::TooManyOnce,
    ];

    /// Those that matter where something is changed.
    pub const OF_CHANGES: [Self; 1] = [Self::LostAnswer];

    /// Whether it passes before the host gives up.
    pub fn passes(self) -> bool {
        matches!(self, Self::UnavailableOnce | Self::TooManyOnce)
    }

    /// Whether it only shows after a time-out.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::SlowHeaders | Self::SlowBody)
    }

    /// Whether the host sends the request again, where that does no harm.
    pub fn is_worth_repeating(self) -> bool {
        matches!(
            self,
            Self::TooMany
                | Self::TooManyRetryAfter
                | Self::ServerError
                | Self::BadGateway
                | Self::Unavailable
                | Self::SlowHeaders
                | Self::SlowBody
                | Self::CutBody
                | Self::Tls
                | Self::Refused
                | Self::Dns
                | Self::LostAnswer
                | Self::UnavailableOnce
                | Self::TooManyOnce
        )
    }

    /// Whether the request is carried out all the same.
    pub fn has_effect(self) -> bool {
        matches!(
            self,
            Self::SlowBody
                | Self::CutBody
                | Self::WrongContentType
                | Self::LostAnswer
                | Self::LostAnswerThenDown
        )
    }

    /// The code of the error that it is told as; `None`: it does no harm.
    pub fn code(self, endpoint: Endpoint) -> Option<&'static str> {
        Some(match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden if endpoint.is_of_the_account() => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Quota => "quota-exhausted",
            Self::Plan => "plan-limit",
            Self::TooMany | Self::TooManyRetryAfter => "rate-limited",
            Self::TooManyOnce if !endpoint.is_repeatable() => "rate-limited",
            Self::UnavailableOnce if !endpoint.is_repeatable() => "upstream",
            Self::ServerError
            | Self::BadGateway
            | Self::Unavailable
            | Self::Html
            | Self::Nonsense
            | Self::NonsenseList
            | Self::Redirect
            | Self::LostAnswer => "upstream",
            Self::SlowHeaders
            | Self::SlowBody
            | Self::CutBody
            | Self::Tls
            | Self::Refused
            | Self::Dns
            | Self::LostAnswerThenDown => "unavailable",
            Self::WrongContentType | Self::UnavailableOnce | Self::TooManyOnce => return None,
        })
    }

    /// The fault as the sandbox makes it, for every further call or for one.
    pub fn at_the_sandbox(self, endpoint: Endpoint) -> Option<CallFault> {
        let (method, path) = endpoint.pattern();
        let fault = CallFault {
            count: if self.passes() { 1 } else { u32::MAX },
            method: Some(method.to_string()),
            path: Some(path),
            ..CallFault::default()
        };
        let answer = |status: u16, body: &str| CallFault {
            status: Some(status),
            body: Some(body.to_owned()),
            ..fault.clone()
        };
        let with_header = |fault: CallFault, name: &str, value: &str| CallFault {
            headers: [(name.to_owned(), value.to_owned())].into(),
            ..fault
        };
        Some(match self {
            Self::Unauthorized => answer(401, ""),
            Self::Quota => answer(
                402,
                &format!(
                    "You have hit your hourly limit for API calls. Your quota will reset in {QUOTA_SECONDS} seconds."
                ),
            ),
            Self::Plan => answer(402, "Workspace needs to have this feature enabled"),
            Self::Forbidden => answer(403, "\"User does not have access to this resource.\""),
            Self::NotFound => answer(404, "\"not found\""),
            Self::TooMany => answer(429, "Too Many Requests"),
            Self::TooManyRetryAfter | Self::TooManyOnce => with_header(
                answer(429, "Too Many Requests"),
                "retry-after",
                &RETRY_AFTER_SECONDS.to_string(),
            ),
            Self::ServerError => answer(500, "\"Internal Server Error\""),
            Self::BadGateway => CallFault {
                html: true,
                ..fault
            },
            Self::Unavailable | Self::UnavailableOnce => answer(503, ""),
            Self::SlowHeaders => CallFault {
                delay_ms: 600_000,
                ..fault
            },
            Self::SlowBody => CallFault {
                stall: true,
                ..fault
            },
            Self::CutBody => CallFault {
                truncate: true,
                ..fault
            },
            Self::WrongContentType => with_header(fault, "content-type", "text/html"),
            Self::Html => with_header(
                answer(200, "<!doctype html><title>Log in</title>"),
                "content-type",
                "text/html",
            ),
            Self::Nonsense => answer(200, r#"{"unexpected":true}"#),
            Self::NonsenseList => answer(200, r#"[{"unexpected":true}]"#),
            Self::Redirect => with_header(answer(302, ""), "location", "https://example.com/"),
            Self::LostAnswer => CallFault {
                after_effect: true,
                ..answer(500, "")
            },
            Self::LostAnswerThenDown => CallFault {
                after_effect: true,
                ..answer(500, "")
            },
            Self::Tls | Self::Refused | Self::Dns => return None,
        })
    }

    /// The fault as the edge of the network makes it. `sandbox` speaks plain HTTP, and nobody listens at
    /// `nobody`.
    pub fn at_the_edge(self, endpoint: Endpoint, sandbox: &Url, nobody: &Url) -> Option<Diversion> {
        let mut origin = nobody.clone();
        match self {
            Self::Tls => {
                origin = sandbox.clone();
                origin.set_scheme("https").ok()?;
            }
            Self::Dns => origin.set_host(Some("toggl.invalid")).ok()?,
            Self::Refused | Self::LostAnswerThenDown => {}
            _ => return None,
        }
        Some(Diversion {
            endpoint,
            only_afterwards: self == Self::LostAnswerThenDown,
            origin,
        })
    }
}
