//! What is used of Toggl's answers, named as in its OpenAPI files.
//!
//! Answers hold more, `api_token` and `ical_url` among it: only what is used is read.

use serde::Serialize;

use crate::json::{Json, Read};
use crate::text;
use crate::time::Timestamp;

/// `GET /me`
#[derive(Clone, Debug)]
pub(crate) struct Me {
    pub id: u64,
    pub email: Option<String>,
    pub fullname: Option<String>,
}

impl Read for Me {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            id: json.get("id").id()?,
            email: json.get("email").label(),
            fullname: json.get("fullname").label(),
        })
    }
}

/// `GET /me/workspaces`
#[derive(Clone, Debug)]
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

impl Read for Workspace {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            id: json.get("id").id()?,
            organization_id: json.get("organization_id").id(),
            name: json.get("name").label(),
            role: json.get("role").label(),
            admin: json.get("admin").flag(),
            premium: json.get("premium").flag(),
            business_ws: json.get("business_ws").flag(),
            suspended_at: json.get("suspended_at").owned_text(),
            server_deleted_at: json.get("server_deleted_at").owned_text(),
        })
    }
}

/// `GET /me/organizations`
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub id: u64,
    pub name: Option<String>,
    pub pricing_plan_name: Option<String>,
}

impl Read for Organization {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            id: json.get("id").id()?,
            name: json.get("name").label(),
            pricing_plan_name: json.get("pricing_plan_name").label(),
        })
    }
}

/// `GET /me/quota`
#[derive(Clone, Debug)]
pub(crate) struct QuotaRow {
    /// Null: the bucket of requests that belong to no organisation.
    pub organization_id: Option<u64>,
    pub remaining: Option<i64>,
    pub resets_in_secs: Option<i64>,
    pub total: Option<i64>,
}

impl Read for QuotaRow {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            organization_id: json.get("organization_id").id(),
            remaining: json.get("remaining").integer(),
            resets_in_secs: json.get("resets_in_secs").integer(),
            total: json.get("total").integer(),
        })
    }
}

/// `GET /workspaces/{workspace}/users`
#[derive(Clone, Debug)]
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

impl Read for Member {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            id: json.get("id").id()?,
            email: json.get("email").label(),
            fullname: json.get("fullname").label().map(text::name),
            inactive: json.get("inactive").flag(),
            is_active: json.get("is_active").flag(),
        })
    }
}

/// A client, project or task of `GET /workspaces/{workspace}/clients`, `…/projects` or `…/tasks`.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub id: u64,
    pub name: Option<String>,
    /// What a task belongs to; clients and projects have none.
    pub project_id: Option<u64>,
    /// What a project belongs to. A task has its project's, which is not its own parent.
    pub client_id: Option<u64>,
    pub at: Option<Timestamp>,
}

impl Read for Named {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            id: json.get("id").id()?,
            name: json.get("name").owned_text().map(text::name),
            project_id: json.get("project_id").id(),
            client_id: json.get("client_id").id(),
            at: json.get("at").time(),
        })
    }
}

/// `GET /workspaces/{workspace}/tasks`
#[derive(Debug)]
pub(crate) struct TaskPage {
    pub data: Listed<Named>,
    pub per_page: Option<u64>,
    pub total_count: Option<u64>,
}

impl Read for TaskPage {
    fn read(json: &Json<'_>) -> Option<Self> {
        let total_count = json.get("total_count").unsigned();
        let data = match (json, json.get("data")) {
            // Where there are no tasks `null` has been seen.
            (Json::Null | Json::List(_), _) => json,
            // An object with neither is no page, and must not pass for an empty one.
            (_, Json::Absent) if total_count.is_some() => &Json::Null,
            (_, data) => data,
        };
        Some(Self {
            data: Listed::read(data)?,
            per_page: json.get("per_page").id(),
            total_count,
        })
    }
}

/// `GET /limits/{workspace}`
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub max_webhooks: Option<u32>,
    pub max_events_per_webhook: Option<u32>,
}

impl Read for Limits {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            max_webhooks: json.get("max_webhooks").count(),
            max_events_per_webhook: json.get("max_events_per_webhook").count(),
        })
    }
}

/// Which events a subscription reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct EventFilter {
    pub entity: String,
    pub action: String,
}

impl Read for EventFilter {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            entity: json.get("entity").owned_text()?,
            action: json.get("action").owned_text()?,
        })
    }
}

/// `GET /subscriptions/{workspace}`
#[derive(Clone, Debug)]
pub(crate) struct SubscriptionRow {
    pub subscription_id: u64,
    pub enabled: bool,
    pub description: Option<String>,
    pub event_filters: Vec<EventFilter>,
    pub url_callback: Option<String>,
    /// Answers need not hold it.
    pub secret: Option<String>,
    pub validated_at: Option<Timestamp>,
    pub deleted_at: Option<String>,
}

impl Read for SubscriptionRow {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            subscription_id: json.get("subscription_id").id()?,
            enabled: json.get("enabled").flag().unwrap_or(false),
            description: json.get("description").owned_text(),
            event_filters: read_list(json.get("event_filters"))?,
            url_callback: json.get("url_callback").owned_text(),
            secret: json
                .get("secret")
                .owned_text()
                .filter(|secret| !secret.is_empty()),
            validated_at: json.get("validated_at").time(),
            deleted_at: json.get("deleted_at").owned_text(),
        })
    }
}

impl SubscriptionRow {
    pub fn calls(&self, callback_url: &str) -> bool {
        self.url_callback.as_deref() == Some(callback_url)
    }
}

/// A row of `POST /search/time_entries` of the Reports API: entries that are alike.
#[derive(Clone, Debug)]
pub(crate) struct ReportRow {
    pub user_id: Option<u64>,
    pub project_id: Option<u64>,
    pub project_name: Option<String>,
    pub client_name: Option<String>,
    pub task_id: Option<u64>,
    pub task_name: Option<String>,
    pub description: Option<String>,
    pub billable: Option<bool>,
    pub tag_names: Vec<String>,
    pub time_entries: Vec<ReportEntry>,
}

impl Read for ReportRow {
    fn read(json: &Json<'_>) -> Option<Self> {
        // Taken for a row without entries it would make a gap look closed.
        let Json::List(time_entries) = json.get("time_entries") else {
            return None;
        };
        Some(Self {
            // Those of a deleted account have been seen without.
            user_id: json.get("user_id").id(),
            project_id: json.get("project_id").id(),
            project_name: json.get("project_name").owned_text().map(text::name),
            client_name: json.get("client_name").owned_text().map(text::name),
            task_id: json.get("task_id").id(),
            task_name: json.get("task_name").owned_text().map(text::name),
            description: json.get("description").owned_text(),
            billable: json.get("billable").flag(),
            tag_names: json.get("tag_names").texts(),
            time_entries: time_entries.iter().map(ReportEntry::of).collect(),
        })
    }
}

/// A time entry of a report row.
#[derive(Clone, Debug)]
pub(crate) struct ReportEntry {
    pub id: Option<u64>,
    pub seconds: Option<i64>,
    pub start: Option<Timestamp>,
    pub stop: Option<Timestamp>,
    pub at: Option<Timestamp>,
}

impl ReportEntry {
    fn of(json: &Json<'_>) -> Self {
        Self {
            id: json.get("id").id(),
            seconds: json.get("seconds").integer(),
            start: json.get("start").time(),
            stop: json.get("stop").time(),
            at: json.get("at").time(),
        }
    }
}

/// A time entry of the token's owner, as API v9 tells of it.
#[derive(Clone, Debug)]
pub(crate) struct OwnEntry {
    pub workspace_id: Option<u64>,
    pub project_id: Option<u64>,
    pub task_id: Option<u64>,
    pub description: Option<String>,
    pub billable: Option<bool>,
    pub tags: Vec<String>,
    pub start: Option<Timestamp>,
    pub stop: Option<Timestamp>,
    pub duration: Option<i64>,
    pub at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
}

impl Read for OwnEntry {
    fn read(json: &Json<'_>) -> Option<Self> {
        json.get("id").id()?;
        Some(Self {
            workspace_id: json.get("workspace_id").id(),
            project_id: json.get("project_id").id(),
            task_id: json.get("task_id").id(),
            description: json.get("description").owned_text(),
            billable: json.get("billable").flag(),
            tags: json.get("tags").texts(),
            start: json.get("start").time(),
            stop: json.get("stop").time(),
            duration: json.get("duration").integer(),
            at: json.get("at").time(),
            deleted_at: json.get("server_deleted_at").time(),
        })
    }
}

/// What of a list could be read.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub rows: Vec<T>,
    /// How many rows lack something essential.
    pub left_out: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            left_out: 0,
        }
    }
}

impl<T> Listed<T> {
    /// How many rows there were.
    pub fn len(&self) -> usize {
        self.rows.len().saturating_add(self.left_out)
    }

    /// Says what was left out, if something was.
    pub fn note(&self, what: &str, lack: &str) -> Option<String> {
        (self.left_out > 0).then(|| {
            format!(
                "{} of {} {what} that Toggl listed could not be read and were left out: they have no {lack}.",
                self.left_out,
                self.len()
            )
        })
    }
}

impl<T: Read> Read for Listed<T> {
    /// Reads the elements that can be read. A list of which none can be is none; `null`, which Toggl writes for an empty
    /// one, has no elements.
    fn read(json: &Json<'_>) -> Option<Self> {
        let elements = match json {
            Json::List(elements) => elements.as_slice(),
            Json::Null => &[],
            _ => return None,
        };
        let rows: Vec<T> = elements.iter().filter_map(T::read).collect();
        if rows.is_empty() && !elements.is_empty() {
            return None;
        }
        Some(Self {
            left_out: elements.len().saturating_sub(rows.len()),
            rows,
        })
    }
}

/// Reads every element. What is no list, such as the `null` that Toggl writes for an empty one, has
/// none; an element that is nothing of the kind makes the whole list nonsense.
pub(crate) fn read_list<T: Read>(json: &Json<'_>) -> Option<Vec<T>> {
    json.list().iter().map(T::read).collect()
}
