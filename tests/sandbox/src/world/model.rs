//! The records the sandbox keeps: what Toggl's database would hold.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scenario::{Plan, Role};

/// An organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Organization {
    /// Organisation id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Subscription plan.
    pub plan: Plan,
    /// Global id of the owner.
    pub owner_id: i64,
    /// Requests per user and hour, instead of the plan's.
    pub requests_per_hour: Option<i64>,
    /// Webhooks per workspace, instead of the plan's.
    pub max_webhooks: Option<usize>,
    /// Event filters per webhook, instead of the plan's.
    pub max_events_per_webhook: Option<usize>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Organization {
    /// Webhooks per workspace and event filters per webhook that apply here.
    pub fn webhook_limits(&self) -> (usize, usize) {
        let (webhooks, events) = self.plan.webhook_limits();
        (
            self.max_webhooks.unwrap_or(webhooks),
            self.max_events_per_webhook.unwrap_or(events),
        )
    }

    /// Requests per user and hour that apply here.
    pub fn quota(&self) -> i64 {
        self.requests_per_hour
            .unwrap_or_else(|| self.plan.requests_per_hour())
    }
}

/// A workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Workspace {
    /// Workspace id.
    pub id: i64,
    /// The organisation it belongs to.
    pub organization_id: i64,
    /// Name.
    pub name: String,
    /// Set while it is suspended.
    pub suspended_at: Option<Timestamp>,
    /// Set once it is deleted.
    pub deleted_at: Option<Timestamp>,
    /// Whether report searches are available.
    pub reports: bool,
    /// Last change.
    pub at: Timestamp,
}

/// A Toggl account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// Global user id.
    pub id: i64,
    /// Full name.
    pub name: String,
    /// E-mail address, if Toggl reports one.
    pub email: Option<String>,
    /// API token.
    pub token: String,
    /// When the account was created.
    pub created_at: Timestamp,
    /// Last change.
    pub at: Timestamp,
}

/// A user's membership of a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Workspace-user id; not the user's global id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Global user id.
    pub user_id: i64,
    /// Role in the workspace.
    pub role: Role,
    /// `false` while an invitation is open.
    pub joined: bool,
    /// Deactivated by an administrator.
    pub inactive: bool,
    /// Last change.
    pub at: Timestamp,
}

impl Member {
    /// Whether the member can use the workspace at all.
    pub fn has_access(&self) -> bool {
        self.joined && !self.inactive
    }

    /// Whether the member sees what everybody does.
    pub fn is_admin(&self) -> bool {
        self.has_access() && self.role == Role::Admin
    }
}

/// A client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// Client id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Name.
    pub name: String,
    /// Whether it is archived.
    pub archived: bool,
    /// Who created it.
    pub creator_id: i64,
    /// Last change.
    pub at: Timestamp,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Project {
    /// Project id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Client, if any.
    pub client_id: Option<i64>,
    /// Name.
    pub name: String,
    /// Colour as `#rrggbb`.
    pub color: String,
    /// `false` when archived.
    pub active: bool,
    /// Seen by administrators only.
    pub private: bool,
    /// Billable by default.
    pub billable: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Last change.
    pub at: Timestamp,
}

/// A task of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// Task id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Project id.
    pub project_id: i64,
    /// Name.
    pub name: String,
    /// `false` when done.
    pub active: bool,
    /// Last change.
    pub at: Timestamp,
}

/// A tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tag {
    /// Tag id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Name.
    pub name: String,
    /// Who created it.
    pub creator_id: i64,
    /// Last change.
    pub at: Timestamp,
}

/// A time entry as it truly is; what each API shows of it differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeEntry {
    /// Time entry id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Whose time it is.
    pub user_id: i64,
    /// Project, if any.
    pub project_id: Option<i64>,
    /// Task, if any.
    pub task_id: Option<i64>,
    /// Description; absent when none was given.
    pub description: Option<String>,
    /// Whether it is billable.
    pub billable: bool,
    /// Start, in whole seconds.
    pub start: Timestamp,
    /// Stop, in whole seconds.
    pub stop: Option<Timestamp>,
    /// Seconds; negative while running (the negated start epoch, or what the client sent).
    pub duration: i64,
    /// Tags, in the order given.
    pub tag_ids: Vec<i64>,
    /// Last change, with its fraction.
    pub at: Timestamp,
    /// Set once deleted.
    pub deleted_at: Option<Timestamp>,
}

impl TimeEntry {
    /// An entry runs while it has no stop and a negative duration; a missing stop alone proves nothing, and neither does
    /// the duration: whoever stops a timer that a clock ahead has started leaves a negative one.
    pub fn is_running(&self) -> bool {
        self.duration < 0 && self.stop.is_none() && self.deleted_at.is_none()
    }

    /// The stop a later GET shows: an entry created without duration and stop ends where it starts.
    pub fn effective_stop(&self) -> Option<Timestamp> {
        let counted = || {
            let seconds = (self.duration >= 0).then_some(self.duration)?;
            crate::world::plus_seconds(self.start, seconds)
        };
        self.stop.or_else(counted)
    }
}

/// What an event is about, with the names of Toggl's event filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A client.
    Client,
    /// A project.
    Project,
    /// A group's access to a project.
    ProjectGroup,
    /// A user's access to a project.
    ProjectUser,
    /// A tag.
    Tag,
    /// A task.
    Task,
    /// A time entry.
    TimeEntry,
    /// A workspace.
    Workspace,
    /// A membership.
    WorkspaceUser,
}

impl Entity {
    /// Every entity an event filter may name.
    pub const ALL: [Entity; 9] = [
        Entity::Client,
        Entity::Project,
        Entity::ProjectGroup,
        Entity::ProjectUser,
        Entity::Tag,
        Entity::Task,
        Entity::TimeEntry,
        Entity::Workspace,
        Entity::WorkspaceUser,
    ];

    /// The name in filters and metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Entity::Client => "client",
            Entity::Project => "project",
            Entity::ProjectGroup => "project_group",
            Entity::ProjectUser => "project_user",
            Entity::Tag => "tag",
            Entity::Task => "task",
            Entity::TimeEntry => "time_entry",
            Entity::Workspace => "workspace",
            Entity::WorkspaceUser => "workspace_user",
        }
    }
}

/// What happened to an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It came to be.
    Created,
    /// It changed.
    Updated,
    /// It went away.
    Deleted,
}

impl Action {
    /// Every action an event filter may name.
    pub const ALL: [Action; 3] = [Action::Created, Action::Updated, Action::Deleted];

    /// The name in filters and metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
        }
    }
}

/// One event filter of a subscription; `*` matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Entity name or `*`.
    #[serde(default)]
    pub entity: String,
    /// Action name or `*`.
    #[serde(default)]
    pub action: String,
}

impl EventFilter {
    /// Whether an event passes.
    pub fn matches(&self, entity: Entity, action: Action) -> bool {
        (self.entity == "*" || self.entity == entity.as_str())
            && (self.action == "*" || self.action == action.as_str())
    }
}

/// A webhook subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    /// Subscription id.
    pub id: i64,
    /// Workspace id.
    pub workspace_id: i64,
    /// Who created it; this user's rights decide which events it gets.
    pub user_id: i64,
    /// Unique per workspace.
    pub description: String,
    /// Which events it asks for.
    pub event_filters: Vec<EventFilter>,
    /// Where deliveries go.
    pub url_callback: String,
    /// Signing secret.
    pub secret: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Set once the callback proved itself.
    pub validated_at: Option<Timestamp>,
    /// The code a ping carries until then.
    pub validation_code: String,
    /// Whether deliveries wait for one another.
    pub in_order: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// Who changed something, and the API request it came with; ends up in an event's metadata.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub user_id: i64,
    pub method: String,
    pub path: String,
    pub body: String,
}
