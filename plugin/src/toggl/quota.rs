//! What Toggl says of the hourly quota.
//!
//! Free workspaces have 30 requests an hour, Starter 240, Premium 600. Answers carry
//! `X-Toggl-Quota-Remaining` and `X-Toggl-Quota-Resets-In` since 2025.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::capability::HttpResponse;
use crate::time;

/// How many requests were left in the organisation's bucket, and when it fills up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct QuotaReading {
    /// May be negative.
    pub remaining: i64,
    pub resets_at: Timestamp,
}

impl QuotaReading {
    /// The reading a response carries, if it carries one.
    pub fn of(response: &HttpResponse, now: Timestamp) -> Option<Self> {
        Some(Self {
            remaining: remaining(response)?,
            resets_at: time::after(now, i64::from(resets_in_seconds(response)?)),
        })
    }
}

/// The requests left in the bucket that the request came from.
pub(super) fn remaining(response: &HttpResponse) -> Option<i64> {
    response
        .header("x-toggl-quota-remaining")?
        .trim()
        .parse()
        .ok()
}

/// Seconds until that bucket fills up again.
pub(super) fn resets_in_seconds(response: &HttpResponse) -> Option<u32> {
    response
        .header("x-toggl-quota-resets-in")?
        .trim()
        .parse()
        .ok()
}
