//! The rules of the game: limits, deliveries, and behaviour that is open to choice.

use serde::{Deserialize, Serialize};

/// Quotas and rate limits.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Whether the hourly quotas apply; the `X-Toggl-Quota-*` headers appear only then.
    pub hourly_quota: bool,
    /// `/me` requests per user and hour.
    pub user_requests_per_hour: i64,
    /// How long a quota's hour is, in seconds: shorter ones are for tests that wait for several.
    pub quota_window_seconds: i64,
    /// Whether Webhooks API calls use up the organisation's quota; Toggl does not say, so the harsher answer is the default.
    pub webhook_calls_count: bool,
    /// Size of the leaky bucket per token; 0 switches the rate limit off.
    pub burst: u32,
    /// How fast the bucket empties, in requests per second.
    pub requests_per_second: f64,
    /// Whether a 429 carries `Retry-After`; Toggl documents none.
    pub retry_after: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hourly_quota: true,
            user_requests_per_hour: 30,
            quota_window_seconds: 3600,
            webhook_calls_count: true,
            burst: 0,
            requests_per_second: 1.0,
            retry_after: false,
        }
    }
}

/// How webhook events are delivered.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// Waits before each retry, in milliseconds; when they are used up the event is given up.
    pub retry_delays_ms: Vec<u64>,
    /// How long a callback may take to answer, in milliseconds.
    pub timeout_ms: u64,
    /// Whether a subscription gets its events one after the other (a retry holds up the ones behind it).
    pub in_order: bool,
    /// Deliveries under way at the same time, over all subscriptions.
    pub concurrency: usize,
    /// Event ids start beyond 2^53, where JavaScript numbers lose digits.
    pub large_event_ids: bool,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            retry_delays_ms: vec![50, 100, 200, 400, 800, 1600, 3200],
            timeout_ms: 5_000,
            in_order: true,
            concurrency: 64,
            large_event_ids: false,
        }
    }
}

/// Behaviour Toggl's documentation leaves open; a test may want it either way.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// `deleted` events of time entries carry ids only instead of the whole entry.
    pub delete_payload_ids_only: bool,
    /// Members who are not administrators see the team's e-mail addresses.
    pub non_admins_see_emails: bool,
    /// Members who are not administrators may list the team at all.
    pub non_admins_list_users: bool,
    /// Members who are not administrators may create subscriptions (seen in 2022).
    pub non_admins_may_subscribe: bool,
    /// Report searches include running entries, with `stop` null.
    pub reports_include_running: bool,
    /// Report searches show `at` without its fraction; the OpenAPI file calls it a text and no more.
    pub reports_at_whole_seconds: bool,
    /// Subscription answers carry the signing secret; the documentation's examples disagree.
    pub return_secret: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            delete_payload_ids_only: false,
            non_admins_see_emails: true,
            non_admins_list_users: true,
            non_admins_may_subscribe: true,
            reports_include_running: false,
            reports_at_whole_seconds: false,
            return_secret: false,
        }
    }
}
