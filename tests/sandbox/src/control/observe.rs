//! What is really there, and what happened.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Control;
use crate::{
    requests::RequestRecord,
    webhooks::{event, outbox::DeliveryRecord, signature::sign},
    world::{
        World,
        model::{
            Client, Member, Organization, Project, Subscription, Tag, Task, TimeEntry, User,
            Workspace,
        },
    },
};

/// A copy of everything the sandbox holds, as it truly is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Organisations.
    pub organizations: Vec<Organization>,
    /// Workspaces.
    pub workspaces: Vec<Workspace>,
    /// Accounts, with their tokens.
    pub users: Vec<User>,
    /// Memberships.
    pub members: Vec<Member>,
    /// Clients.
    pub clients: Vec<Client>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Time entries, deleted ones included.
    pub time_entries: Vec<TimeEntry>,
    /// Subscriptions, with their secrets.
    pub subscriptions: Vec<Subscription>,
    /// Deliveries that are not settled.
    pub pending_deliveries: usize,
}

/// How long to wait for deliveries.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flush {
    /// Milliseconds to wait at most.
    pub timeout_ms: u64,
}

impl Default for Flush {
    fn default() -> Self {
        Self { timeout_ms: 10_000 }
    }
}

/// Whether everything was settled in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flushed {
    /// `true` when nothing is pending any more.
    pub settled: bool,
    /// What still is.
    pub pending: usize,
}

impl Control {
    /// Copies everything.
    pub fn state(&self) -> State {
        self.shared.read(|world| State {
            organizations: world.organizations.values().cloned().collect(),
            workspaces: world.workspaces.values().cloned().collect(),
            users: world.users.values().cloned().collect(),
            members: world.members.values().cloned().collect(),
            clients: world.clients.values().cloned().collect(),
            projects: world.projects.values().cloned().collect(),
            tasks: world.tasks.values().cloned().collect(),
            tags: world.tags.values().cloned().collect(),
            time_entries: world.entries.values().cloned().collect(),
            subscriptions: world.subscriptions.values().cloned().collect(),
            pending_deliveries: world.outbox.pending(),
        })
    }

    /// One time entry as it truly is, deleted or not.
    pub fn entry(&self, entry_id: i64) -> Option<TimeEntry> {
        self.shared
            .read(|world| world.entries.get(&entry_id).cloned())
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.shared
            .read(|world| world.subscriptions.values().cloned().collect())
    }

    /// The newest 10 000 deliveries with their attempts, oldest first; pings are not among them.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.shared
            .read(|world| world.outbox.records().cloned().collect())
    }

    /// Deliveries recorded after one, oldest first, as far as they are among the newest 10 000.
    pub fn deliveries_after(&self, delivery_id: u64) -> Vec<DeliveryRecord> {
        let after = |world: &World| world.outbox.records_after(delivery_id).cloned().collect();
        self.shared.read(after)
    }

    /// The newest delivery's id; 0 if there was none.
    pub fn newest_delivery(&self) -> u64 {
        self.shared.read(|world| {
            let newest = world.outbox.records().next_back();
            newest.map_or(0, |record| record.delivery_id)
        })
    }

    /// The signature and body of another attempt of a delivery, for somebody who sends it instead of
    /// the sandbox; `None` if its subscription is gone.
    pub fn render_delivery(&self, delivery: &DeliveryRecord) -> Option<(String, String)> {
        self.shared.read(|world| {
            let subscription = world.subscriptions.get(&delivery.subscription_id)?;
            let body = event::body_of_record(delivery, subscription, world.now());
            Some((sign(&subscription.secret, body.as_bytes()), body))
        })
    }

    /// The newest 10 000 requests to the Toggl side, oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared
            .read(|world| world.requests.records().cloned().collect())
    }

    /// Forgets the requests seen so far.
    pub fn clear_requests(&self) {
        self.shared.change(|world| world.requests.clear());
    }

    /// Sends what a reordering holds back and waits until no delivery is pending, retries included.
    pub async fn flush(&self, flush: Flush) -> Flushed {
        self.shared.change(|world| world.outbox.release_held());
        let settled = self
            .shared
            .until(|world| (world.outbox.pending() == 0).then_some(()));
        let settled = tokio::time::timeout(Duration::from_millis(flush.timeout_ms), settled)
            .await
            .is_ok();
        Flushed {
            settled,
            pending: self.shared.read(|world| world.outbox.pending()),
        }
    }
}
