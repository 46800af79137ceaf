//! The sandbox's memory: everything behind one lock, with the rules Toggl keeps.

mod build;
mod change;
mod entries;
mod members;
pub mod model;
mod names;

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

pub use self::entries::{EntryEdit, NewEntry};
pub(crate) use self::{
    change::Change,
    entries::TagAction,
    model::{Action, Entity, Origin},
    names::{ClientEdit, ProjectEdit, TaskEdit},
};
use crate::{
    api_error::ApiError,
    faults::CallFault,
    lies::Telling,
    quota::QuotaBook,
    requests::RequestLog,
    scenario::{Behaviour, DeliverySettings, Limits},
    webhooks::outbox::Outbox,
    world::model::{
        Client, Member, Organization, Project, Subscription, Tag, Task, TimeEntry, User, Workspace,
    },
};

/// Everything the sandbox knows.
pub(crate) struct World {
    pub organizations: BTreeMap<i64, Organization>,
    pub workspaces: BTreeMap<i64, Workspace>,
    pub users: BTreeMap<i64, User>,
    /// By workspace and global user id.
    pub members: BTreeMap<(i64, i64), Member>,
    pub clients: BTreeMap<i64, Client>,
    pub projects: BTreeMap<i64, Project>,
    pub tasks: BTreeMap<i64, Task>,
    pub tags: BTreeMap<i64, Tag>,
    pub entries: BTreeMap<i64, TimeEntry>,
    pub subscriptions: BTreeMap<i64, Subscription>,
    pub limits: Limits,
    pub delivery: DeliverySettings,
    pub behaviour: Behaviour,
    pub quota: QuotaBook,
    pub call_faults: VecDeque<CallFault>,
    pub lies: Option<Telling>,
    pub requests: RequestLog,
    pub outbox: Outbox,
    clock_offset: SignedDuration,
    next_id: i64,
    next_event_id: u64,
}

impl World {
    /// Now, as the sandbox sees it: the machine's clock plus what the control API added.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
            .checked_add(self.clock_offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// Moves the sandbox's clock, so that quota windows end without anybody waiting.
    pub fn advance_clock(&mut self, by: SignedDuration) {
        self.clock_offset = self
            .clock_offset
            .checked_add(by)
            .unwrap_or(SignedDuration::MAX);
    }

    /// A fresh id for a record.
    pub fn new_id(&mut self) -> i64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    /// A fresh event id; Toggl's grow with gaps.
    pub fn new_event_id(&mut self) -> u64 {
        self.next_event_id = self
            .next_event_id
            .saturating_add(1 + u64::from(rand::random::<u16>()));
        self.next_event_id
    }

    /// The user an API token belongs to.
    pub fn user_by_token(&self, token: &str) -> Option<&User> {
        self.users
            .values()
            .find(|user| !token.is_empty() && user.token == token)
    }

    /// The caller's membership of a usable workspace, or Toggl's 403.
    pub fn access(&self, workspace_id: i64, user_id: i64) -> Result<&Member, ApiError> {
        let usable = self.workspaces.get(&workspace_id).is_some_and(|workspace| {
            workspace.suspended_at.is_none() && workspace.deleted_at.is_none()
        });
        self.members
            .get(&(workspace_id, user_id))
            .filter(|member| usable && member.has_access())
            .ok_or_else(ApiError::no_access)
    }

    /// As [`World::access`], for administrators only.
    pub fn admin_access(&self, workspace_id: i64, user_id: i64) -> Result<&Member, ApiError> {
        self.access(workspace_id, user_id).and_then(|member| {
            if member.is_admin() {
                Ok(member)
            } else {
                Err(ApiError::no_access())
            }
        })
    }

    /// Whether the user is a working administrator of the workspace.
    pub fn is_admin(&self, workspace_id: i64, user_id: i64) -> bool {
        self.access(workspace_id, user_id)
            .is_ok_and(Member::is_admin)
    }

    /// The organisation a workspace belongs to.
    pub fn organization_of(&self, workspace_id: i64) -> Option<&Organization> {
        self.workspaces
            .get(&workspace_id)
            .and_then(|workspace| self.organizations.get(&workspace.organization_id))
    }

    /// A user's memberships.
    pub fn memberships(&self, user_id: i64) -> impl Iterator<Item = &Member> {
        self.members
            .values()
            .filter(move |member| member.user_id == user_id)
    }

    /// A workspace's members, by global user id.
    pub fn members_of(&self, workspace_id: i64) -> impl Iterator<Item = &Member> {
        self.members
            .range((workspace_id, i64::MIN)..=(workspace_id, i64::MAX))
            .map(|(_, member)| member)
    }
}

/// A time plus whole seconds, if the calendar reaches that far.
pub(crate) fn plus_seconds(at: Timestamp, seconds: i64) -> Option<Timestamp> {
    at.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// A time without its fraction: Toggl keeps starts and stops in whole seconds.
pub(crate) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
