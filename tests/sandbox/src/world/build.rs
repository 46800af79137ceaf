//! Turns a scenario into the records the sandbox starts with.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{
    World,
    model::{Client, Member, Organization, Project, Tag, Task, TimeEntry, User, Workspace},
    plus_seconds, whole_seconds,
};
use crate::{
    quota::QuotaBook,
    requests::RequestLog,
    scenario::{Scenario, WorkspacePlan},
    webhooks::outbox::Outbox,
};

/// The project colours Toggl's palette offers, in its order.
const COLORS: [&str; 6] = [
    "#0b83d9", "#9e5bd9", "#d94182", "#e36a00", "#bf7000", "#2da608",
];

/// Around Toggl's ids of late 2025: below 2^53, where JavaScript is still exact.
const FIRST_EVENT_ID: u64 = 8_900_000_000_000_000;
/// The first id beyond 2^53 that JavaScript cannot hold.
const FIRST_LARGE_EVENT_ID: u64 = 9_007_199_254_740_993;

const DAY_SECONDS: i64 = 86_400;

impl World {
    /// Builds the records; ids not in the scenario are handed out in its order, so they are the same at every start.
    pub fn new(scenario: &Scenario) -> Self {
        let mut world = Self {
            organizations: BTreeMap::new(),
            workspaces: BTreeMap::new(),
            users: BTreeMap::new(),
            members: BTreeMap::new(),
            clients: BTreeMap::new(),
            projects: BTreeMap::new(),
            tasks: BTreeMap::new(),
            tags: BTreeMap::new(),
            entries: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            limits: scenario.limits.clone(),
            delivery: scenario.delivery.clone(),
            behaviour: scenario.behaviour.clone(),
            quota: QuotaBook::default(),
            call_faults: VecDeque::new(),
            lies: None,
            requests: RequestLog::default(),
            outbox: Outbox::default(),
            clock_offset: SignedDuration::ZERO,
            next_id: 3_700_000_000,
            next_event_id: if scenario.delivery.large_event_ids {
                FIRST_LARGE_EVENT_ID
            } else {
                FIRST_EVENT_ID
            },
        };
        let long_ago = plus_seconds(whole_seconds(world.now()), -400 * DAY_SECONDS)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        for user in &scenario.users {
            let token = user.token.clone().unwrap_or_else(|| made_up_token(user.id));
            let record = User {
                id: user.id,
                name: user.name.clone(),
                email: user.email.clone(),
                token,
                created_at: long_ago,
                at: long_ago,
            };
            world.users.insert(user.id, record);
        }
        for plan in &scenario.organizations {
            world.organizations.insert(
                plan.id,
                Organization {
                    id: plan.id,
                    name: plan.name.clone(),
                    plan: plan.plan,
                    owner_id: plan.owner,
                    requests_per_hour: plan.requests_per_hour,
                    max_webhooks: plan.max_webhooks,
                    max_events_per_webhook: plan.max_events_per_webhook,
                    created_at: long_ago,
                },
            );
            for workspace in &plan.workspaces {
                world.add_workspace(plan.id, plan.owner, workspace, long_ago);
                world.add_history(workspace.id, scenario.history_days);
            }
        }
        world
    }

    fn add_workspace(
        &mut self,
        organization_id: i64,
        owner: i64,
        plan: &WorkspacePlan,
        at: Timestamp,
    ) {
        let workspace_id = plan.id;
        self.workspaces.insert(
            workspace_id,
            Workspace {
                id: workspace_id,
                organization_id,
                name: plan.name.clone(),
                suspended_at: plan.suspended.then_some(at),
                deleted_at: plan.deleted.then_some(at),
                reports: plan.reports,
                at,
            },
        );
        for member in &plan.members {
            let id = self.new_id();
            let record = Member {
                id,
                workspace_id,
                user_id: member.user,
                role: member.role,
                joined: member.joined,
                inactive: member.inactive,
                at,
            };
            self.members.insert((workspace_id, member.user), record);
        }
        let mut client_ids = BTreeMap::new();
        for name in &plan.clients {
            let id = self.new_id();
            client_ids.insert(name.as_str(), id);
            self.clients.insert(
                id,
                Client {
                    id,
                    workspace_id,
                    name: name.clone(),
                    archived: false,
                    creator_id: owner,
                    at,
                },
            );
        }
        for name in &plan.tags {
            let id = self.new_id();
            self.tags.insert(
                id,
                Tag {
                    id,
                    workspace_id,
                    name: name.clone(),
                    creator_id: owner,
                    at,
                },
            );
        }
        for (project, color) in plan.projects.iter().zip(COLORS.iter().cycle()) {
            let project_id = self.new_id();
            let record = Project {
                id: project_id,
                workspace_id,
                client_id: project
                    .client
                    .as_deref()
                    .and_then(|name| client_ids.get(name).copied()),
                name: project.name.clone(),
                color: (*color).to_owned(),
                active: project.active,
                private: project.private,
                billable: project.billable,
                created_at: at,
                at,
            };
            self.projects.insert(project_id, record);
            for name in &project.tasks {
                let id = self.new_id();
                self.tasks.insert(
                    id,
                    Task {
                        id,
                        workspace_id,
                        project_id,
                        name: name.clone(),
                        active: true,
                        at,
                    },
                );
            }
        }
    }

    /// Two entries per active member and past day: one in the morning, one in the afternoon (UTC).
    fn add_history(&mut self, workspace_id: i64, days: u8) {
        let today = self.now().as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS;
        let people: Vec<i64> = self
            .members_of(workspace_id)
            .filter(|member| member.has_access())
            .map(|member| member.user_id)
            .collect();
        let projects: Vec<(i64, bool)> = self
            .projects
            .values()
            .filter(|project| project.workspace_id == workspace_id && project.active)
            .map(|project| (project.id, project.billable))
            .collect();
        let mut turn = 0_usize;
        for day in (1..=i64::from(days)).rev() {
            for user_id in &people {
                for (hour, seconds) in [(8, 9_900), (13, 7_200)] {
                    let minute = i64::try_from(turn % 50).unwrap_or_default();
                    let project = projects
                        .iter()
                        .cycle()
                        .nth(turn % projects.len().max(1))
                        .copied();
                    turn = turn.saturating_add(1);
                    self.add_past_entry(
                        workspace_id,
                        *user_id,
                        project,
                        today - day * DAY_SECONDS + hour * 3_600 + minute * 60,
                        seconds,
                    );
                }
            }
        }
    }

    fn add_past_entry(
        &mut self,
        workspace_id: i64,
        user_id: i64,
        project: Option<(i64, bool)>,
        start: i64,
        seconds: i64,
    ) {
        let Ok(start) = Timestamp::from_second(start) else {
            return;
        };
        let stop = plus_seconds(start, seconds);
        let id = self.new_id();
        let task_id = self
            .tasks
            .values()
            .find(|task| Some(task.project_id) == project.map(|(id, _)| id))
            .map(|task| task.id);
        let entry = TimeEntry {
            id,
            workspace_id,
            user_id,
            project_id: project.map(|(id, _)| id),
            task_id,
            description: None,
            billable: project.is_some_and(|(_, billable)| billable),
            start,
            stop,
            duration: seconds,
            tag_ids: Vec::new(),
            at: stop.unwrap_or(start),
            deleted_at: None,
        };
        self.entries.insert(id, entry);
    }
}

/// A token that is the same at every start: 32 hex digits derived from the user's id.
pub(super) fn made_up_token(user_id: i64) -> String {
    let digest = Sha256::digest(format!("sandbox token of user {user_id}").as_bytes());
    hex::encode(digest).chars().take(32).collect()
}
