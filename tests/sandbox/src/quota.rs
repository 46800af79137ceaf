//! Toggl's two brakes: the hourly quota (402) and the leaky bucket (429).

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{api_error::ApiError, world::World};

/// What everybody has used up.
#[derive(Default)]
pub(crate) struct QuotaBook {
    /// By user, and by organisation (`None` is the bucket of `/me` requests).
    windows: HashMap<(i64, Option<i64>), Window>,
    /// Fill level of each token's leaky bucket, by user.
    buckets: HashMap<i64, Bucket>,
}

/// Counting starts with the first request and ends an hour later.
#[derive(Clone, Copy)]
struct Window {
    started: Timestamp,
    used: i64,
}

struct Bucket {
    level: f64,
    at: Timestamp,
}

/// What is left of a quota after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// May be negative: refused requests count too.
    pub remaining: i64,
    pub resets_in_seconds: i64,
}

impl Standing {
    /// Adds the quota headers Toggl sends since the quota exists.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(
            HeaderName::from_static("x-toggl-quota-remaining"),
            HeaderValue::from(self.remaining),
        );
        headers.insert(
            HeaderName::from_static("x-toggl-quota-resets-in"),
            HeaderValue::from(self.resets_in_seconds),
        );
    }

    fn refusal(self) -> ApiError {
        let text = format!(
            "You have hit your hourly limit for API calls. Your quota will reset in {} seconds.",
            self.resets_in_seconds
        );
        ApiError::text(StatusCode::PAYMENT_REQUIRED, text)
    }
}

impl World {
    /// Counts a request against the caller's bucket of `/me` requests or of an organisation.
    ///
    /// `None` when the quota is switched off; otherwise the standing, and the refusal if the quota is used up.
    pub fn spend_quota(
        &mut self,
        user_id: i64,
        organization_id: Option<i64>,
    ) -> Option<(Standing, Option<ApiError>)> {
        if !self.limits.hourly_quota {
            return None;
        }
        let now = self.now();
        let total = self.quota_total(organization_id);
        let window = self
            .quota
            .windows
            .entry((user_id, organization_id))
            .or_insert(Window {
                started: now,
                used: 0,
            });
        let length = self.limits.quota_window_seconds;
        if now.as_second() - window.started.as_second() >= length {
            *window = Window {
                started: now,
                used: 0,
            };
        }
        window.used = window.used.saturating_add(1);
        let standing = standing(*window, total, length, now);
        Some((
            standing,
            (standing.remaining < 0).then(|| standing.refusal()),
        ))
    }

    /// Drops into the caller's leaky bucket; 429 when it overflows.
    pub fn spend_burst(&mut self, user_id: i64) -> Result<(), ApiError> {
        if self.limits.burst == 0 {
            return Ok(());
        }
        let now = self.now();
        let rate = self.limits.requests_per_second;
        let bucket = self.quota.buckets.entry(user_id).or_insert(Bucket {
            level: 0.0,
            at: now,
        });
        let elapsed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.level = (bucket.level - elapsed * rate).max(0.0);
        bucket.at = now;
        if bucket.level + 1.0 <= f64::from(self.limits.burst) {
            bucket.level += 1.0;
            return Ok(());
        }
        let refusal = ApiError::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        if !self.limits.retry_after {
            return Err(refusal);
        }
        let seconds = ((bucket.level + 1.0 - f64::from(self.limits.burst)) / rate)
            .ceil()
            .max(1.0);
        let value = HeaderValue::from_str(&format!("{seconds:.0}"))
            .unwrap_or(HeaderValue::from_static("1"));
        Err(refusal.with_header(header::RETRY_AFTER, value))
    }

    /// The answer of `GET /me/quota`: the `/me` bucket (organisation null) and one per organisation.
    pub fn quota_report(&self, user_id: i64) -> Value {
        let now = self.now();
        let mut organizations: Vec<i64> = self
            .memberships(user_id)
            .filter_map(|member| self.organization_of(member.workspace_id))
            .map(|organization| organization.id)
            .collect();
        organizations.sort_unstable();
        organizations.dedup();
        let rows = std::iter::once(None)
            .chain(organizations.into_iter().map(Some))
            .map(|organization_id| {
                let total = self.quota_total(organization_id);
                let fresh = Window {
                    started: now,
                    used: 0,
                };
                let window = self
                    .quota
                    .windows
                    .get(&(user_id, organization_id))
                    .copied()
                    .unwrap_or(fresh);
                let length = self.limits.quota_window_seconds;
                let standing = standing(window, total, length, now);
                json!({
                    "organization_id": organization_id,
                    "remaining": standing.remaining,
                    "resets_in_secs": standing.resets_in_seconds,
                    "total": total,
                })
            });
        Value::Array(rows.collect())
    }

    /// Forgets everything counted so far.
    pub fn reset_quota(&mut self) {
        self.quota = QuotaBook::default();
    }

    fn quota_total(&self, organization_id: Option<i64>) -> i64 {
        match organization_id {
            None => self.limits.user_requests_per_hour,
            Some(id) => self
                .organizations
                .get(&id)
                .map_or(0, crate::world::model::Organization::quota),
        }
    }
}

fn standing(window: Window, total: i64, length_seconds: i64, now: Timestamp) -> Standing {
    let elapsed = now.as_second() - window.started.as_second();
    if elapsed >= length_seconds {
        return Standing {
            remaining: total,
            resets_in_seconds: 0,
        };
    }
    Standing {
        remaining: total - window.used,
        resets_in_seconds: length_seconds - elapsed,
    }
}
