//! What Toggl says of the hourly quota.
//!
//! Free workspaces have 30 requests an hour, Starter 240, Premium 600. Answers carry
//! `X-Toggl-Quota-Remaining` and `X-Toggl-Quota-Resets-In` since 2025.

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::HttpResponse;
use crate::json::{Json, Read};

/// The length of a quota's period. Nothing Toggl says about one lasts longer.
pub(crate) const QUOTA_WINDOW_SECONDS: u32 = 3600;

/// How many requests were left in the organisation's bucket, and when it fills up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct QuotaReading {
    /// May be negative.
    pub remaining: i64,
    pub resets_at_seconds: i64,
}

impl QuotaReading {
    /// The reading a response carries, if it carries one.
    pub fn of(response: &HttpResponse, now: Timestamp) -> Option<Self> {
        Some(Self {
            remaining: remaining(response)?,
            resets_at_seconds: now
                .seconds()
                .saturating_add(i64::from(resets_in_seconds(response)?)),
        })
    }

    /// Seconds until the bucket fills up; `None`: it has.
    pub fn resets_in_seconds(&self, now: Timestamp) -> Option<u32> {
        let seconds = self.resets_at_seconds.saturating_sub(now.seconds());
        // What a clock that was ahead has left is no longer than a period either.
        let seconds = seconds.min(QUOTA_WINDOW_SECONDS.into());
        u32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
    }
}

impl Read for QuotaReading {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            remaining: json.get("remaining").integer()?,
            resets_at_seconds: json.get("resets_at_seconds").integer()?,
        })
    }
}

/// The name of the quota that a request draws on. Toggl keeps one for `/me…` and one for each
/// organisation; a workspace stands for its organisation, which its requests do not name.
pub(super) fn name(url: &str) -> String {
    // A number after `/me` is an entry's id.
    let mut parts = url.split('/').take_while(|part| *part != "me");
    let workspace = parts.find_map(|part| part.parse::<u64>().ok());
    match workspace {
        Some(workspace) => format!("workspace/{workspace}"),
        None => "user".into(),
    }
}

/// Seconds for which the next request would be refused, if this response tells so.
pub(super) fn used_up_for_seconds(response: &HttpResponse) -> Option<u32> {
    remaining(response).filter(|remaining| *remaining <= 0)?;
    resets_in_seconds(response)
}

/// The requests left in the bucket that the request came from.
pub(super) fn remaining(response: &HttpResponse) -> Option<i64> {
    let value = response.header("x-toggl-quota-remaining")?.trim();
    let whole = value.split('.').next()?;
    whole.parse().ok()
}

/// Seconds until that bucket fills up again.
pub(super) fn resets_in_seconds(response: &HttpResponse) -> Option<u32> {
    seconds(response.header("x-toggl-quota-resets-in")?)
}

/// A number of seconds as an answer has it: a negative one is none, a part of one counts as one, and more than a period is
/// a period. `None`: it is no number.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    if is_negative {
        return Some(0);
    }
    let more = u32::from(part.bytes().any(|digit| digit != b'0'));
    let whole = whole.parse().unwrap_or(QUOTA_WINDOW_SECONDS);
    Some(whole.saturating_add(more).min(QUOTA_WINDOW_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::{name, seconds};

    #[test]
    fn no_number_of_seconds_is_longer_than_a_period() {
        for (text, expected) in [
            ("77", Some(77)),
            (" 0 ", Some(0)),
            ("99999999999", Some(3600)),
            ("99999999999999999999999999999999", Some(3600)),
            ("86400", Some(3600)),
            ("1838.5", Some(1839)),
            ("1838.0", Some(1838)),
            ("-5", Some(0)),
            ("-99999999999999999999.5", Some(0)),
            ("", None),
            ("-", None),
            (".5", None),
            ("1e9", None),
            ("soon", None),
            ("NaN", None),
            ("٣", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_used_up_quota_of_the_account_does_not_stop_a_workspace() {
        for (path, quota) in [
            ("api/v9/me", "user"),
            ("api/v9/me/workspaces", "user"),
            (
                "api/v9/workspaces/43/projects?project_ids=7,8",
                "workspace/43",
            ),
            ("api/v9/workspaces/43/projects/7/tasks/9", "workspace/43"),
            (
                "reports/api/v3/workspace/43/search/time_entries",
                "workspace/43",
            ),
            ("webhooks/api/v1/subscriptions/43/7", "workspace/43"),
        ] {
            assert_eq!(name(&format!("https://api.track.toggl.com/{path}")), quota);
        }
    }
}
