//! What is used of Toggl's answers, named as in its OpenAPI files.
//!
//! Answers hold more, `api_token` and `ical_url` among it: only what is used is deserialised.

use serde::{Deserialize, Serialize};

/// `GET /me`
#[derive(Debug, Deserialize)]
pub(crate) struct Me {
    pub id: u64,
    pub email: Option<String>,
    pub fullname: Option<String>,
}

/// `GET /me/workspaces`
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    pub id: u64,
    pub organization_id: Option<u64>,
    pub name: Option<String>,
    /// `admin`, `user`, `projectlead` or `teamlead`.
    pub role: Option<String>,
    /// Deprecated in favour of `role`.
    pub admin: Option<bool>,
    /// On the Starter plan (or a greater one).
    pub premium: Option<bool>,
    /// On the Premium plan (or a greater one).
    pub business_ws: Option<bool>,
    pub suspended_at: Option<String>,
    /// Not in the OpenAPI file, but in recordings.
    pub server_deleted_at: Option<String>,
}

/// `GET /me/organizations`
#[derive(Debug, Deserialize)]
pub(crate) struct Organization {
    pub id: u64,
    pub name: Option<String>,
    pub pricing_plan_name: Option<String>,
}

/// `GET /me/quota`
#[derive(Debug, Deserialize)]
pub(crate) struct QuotaRow {
    /// Null: the bucket of requests that belong to no organisation.
    pub organization_id: Option<u64>,
    pub remaining: Option<i64>,
    pub resets_in_secs: Option<i64>,
    pub total: Option<i64>,
}

/// `GET /workspaces/{workspace}/users`
#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    /// The global user id.
    pub id: u64,
    pub email: Option<String>,
    pub fullname: Option<String>,
    /// Deactivated in the workspace.
    pub inactive: Option<bool>,
    /// Has joined the workspace.
    pub is_active: Option<bool>,
}

/// `GET /workspaces/{workspace}/projects`
#[derive(Debug, Deserialize)]
pub(crate) struct Project {
    pub id: u64,
    pub name: Option<String>,
    pub client_id: Option<u64>,
    pub at: Option<String>,
}

/// `GET /workspaces/{workspace}/clients`
#[derive(Debug, Deserialize)]
pub(crate) struct Client {
    pub id: u64,
    pub name: Option<String>,
    pub at: Option<String>,
}

/// An element of `TaskPage`.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub id: u64,
    pub name: Option<String>,
    pub project_id: Option<u64>,
    pub at: Option<String>,
}

/// `GET /workspaces/{workspace}/tasks`
#[derive(Debug, Deserialize)]
pub(crate) struct TaskPage {
    pub data: Option<Vec<Task>>,
    pub per_page: Option<u64>,
    pub total_count: Option<u64>,
}

/// `GET /limits/{workspace}`
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Limits {
    pub max_webhooks: Option<u32>,
    pub max_events_per_webhook: Option<u32>,
}

/// Which events a subscription reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) struct EventFilter {
    pub entity: String,
    pub action: String,
}

/// `GET /subscriptions/{workspace}`
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SubscriptionRow {
    pub subscription_id: u64,
    pub enabled: Option<bool>,
    pub description: Option<String>,
    pub event_filters: Option<Vec<EventFilter>>,
    pub url_callback: Option<String>,
    pub validated_at: Option<String>,
    pub deleted_at: Option<String>,
}

impl SubscriptionRow {
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(false)
    }

    pub fn calls(&self, callback_url: &str) -> bool {
        self.url_callback.as_deref() == Some(callback_url)
    }
}

/// A row of `POST /search/time_entries` of the Reports API.
#[derive(Debug, Deserialize)]
pub(crate) struct ReportRow {
    pub user_id: Option<u64>,
    pub project_id: Option<u64>,
    pub project_name: Option<String>,
    pub task_id: Option<u64>,
    pub task_name: Option<String>,
    pub description: Option<String>,
    pub billable: Option<bool>,
    pub tag_names: Option<Vec<Option<String>>>,
    pub time_entries: Option<Vec<ReportEntry>>,
}

/// A time entry of a report row.
#[derive(Debug, Deserialize)]
pub(crate) struct ReportEntry {
    pub id: u64,
    pub seconds: Option<i64>,
    pub start: Option<String>,
    pub stop: Option<String>,
    pub at: Option<String>,
}
