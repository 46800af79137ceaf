//! A team at work: made-up but believable time tracking, at any pace.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::{
    control::ControlError,
    shared::Shared,
    world::{EntryEdit, NewEntry, Origin, World, plus_seconds, whole_seconds},
};

const DESCRIPTIONS: [&str; 14] = [
    "Sketching the landing page",
    "Client call",
    "Fixing the checkout form",
    "Writing copy",
    "Sprint planning",
    "Reviewing pull requests",
    "Icon set, second round",
    "Usability test with visitors",
    "Preparing the invoice",
    "Looking into the slow search",
    "Print proofs",
    "Stand-up",
    "Photo selection",
    "Release notes",
];

/// The furthest back a generated timer may have been started, in seconds.
const LONGEST_START: i64 = 90 * 60;

/// How much should happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Activity {
    /// Workspace id; the first one when absent.
    pub workspace_id: Option<i64>,
    /// Changes per second.
    pub per_second: f64,
    /// For how long; without `events` and `seconds` it is ten seconds.
    pub seconds: Option<f64>,
    /// How many changes.
    pub events: Option<u64>,
    /// Makes the same choices again.
    pub seed: Option<u64>,
    /// Whether the HTTP call answers only when all is done (the Rust method always waits).
    pub wait: bool,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            workspace_id: None,
            per_second: 1.0,
            seconds: None,
            events: None,
            seed: None,
            wait: false,
        }
    }
}

impl Activity {
    fn changes(&self) -> u64 {
        let seconds = self.seconds.unwrap_or(10.0).max(0.0);
        self.events
            .unwrap_or_else(|| (self.per_second * seconds).ceil() as u64)
    }
}

/// Plays a team's activity to its end; answers how many changes were made.
pub(crate) async fn play(shared: Arc<Shared>, activity: Activity) -> Result<u64, ControlError> {
    if !activity.per_second.is_finite() || activity.per_second <= 0.0 {
        return Err(ControlError::Refused(
            "per_second must be greater than 0".to_owned(),
        ));
    }
    let workspace_id = shared
        .read(|world| {
            activity
                .workspace_id
                .filter(|id| world.workspaces.contains_key(id))
                .or_else(|| {
                    if activity.workspace_id.is_some() {
                        None
                    } else {
                        world.workspaces.keys().next().copied()
                    }
                })
        })
        .ok_or_else(|| ControlError::Refused("no such workspace".to_owned()))?;
    let mut chance = activity
        .seed
        .map_or_else(rand::make_rng::<StdRng>, StdRng::seed_from_u64);
    let started = Instant::now();
    let mut made = 0_u64;
    for turn in 0..activity.changes() {
        let due =
            Duration::try_from_secs_f64(turn as f64 / activity.per_second).unwrap_or(Duration::MAX);
        sleep_until(started.checked_add(due).unwrap_or(started)).await;
        let done = shared.change(|world| step(world, workspace_id, &mut chance));
        made = made.saturating_add(u64::from(done));
    }
    Ok(made)
}

/// One change by one member: stopping, editing, starting, logging or deleting time, and now and then a renamed project.
fn step(world: &mut World, workspace_id: i64, chance: &mut StdRng) -> bool {
    let people: Vec<i64> = world
        .members_of(workspace_id)
        .filter(|member| member.has_access())
        .map(|member| member.user_id)
        .collect();
    let Some(user_id) = pick(&people, chance) else {
        return false;
    };
    let running = world
        .running_entry(user_id)
        .filter(|entry| entry.workspace_id == workspace_id)
        .map(|entry| entry.id);
    let dice: u32 = chance.random_range(0..100);
    let origin = |world: &World, method: &str, path: &str| Origin {
        user_id,
        method: method.to_owned(),
        path: format!("/api/v9/workspaces/{workspace_id}/{path}"),
        body: format!(
            "{{\"workspace_id\":{workspace_id},\"at\":\"{}\",\"created_with\":\"TrackExtension/4.11.0\"}}",
            world.now()
        ),
    };
    match running {
        Some(id) if dice < 60 => {
            let origin = origin(world, "PATCH", &format!("time_entries/{id}/stop"));
            world.stop_entry(&origin, id).is_ok()
        }
        Some(id) if dice < 85 => {
            let tag = world
                .tags
                .values()
                .filter(|tag| tag.workspace_id == workspace_id)
                .map(|tag| tag.name.clone())
                .collect::<Vec<_>>();
            let edit = EntryEdit {
                description: pick(&DESCRIPTIONS, chance).map(str::to_owned),
                tags: pick(&tag, chance).map(|tag| vec![tag]),
                ..EntryEdit::default()
            };
            let origin = origin(world, "PUT", &format!("time_entries/{id}"));
            world.edit_entry(&origin, id, edit).is_ok()
        }
        _ if dice < 75 => {
            let new = new_entry(world, workspace_id, user_id, chance, false);
            let origin = origin(world, "POST", "time_entries");
            world.create_entry(&origin, new).is_ok()
        }
        _ if dice < 94 => {
            let new = new_entry(world, workspace_id, user_id, chance, true);
            let origin = origin(world, "POST", "time_entries");
            world.create_entry(&origin, new).is_ok()
        }
        _ if dice < 99 => {
            let own = |entry: &&crate::world::model::TimeEntry| {
                entry.workspace_id == workspace_id
                    && entry.user_id == user_id
                    && entry.deleted_at.is_none()
                    && !entry.is_running()
            };
            let Some(id) = world.entries.values().rev().find(own).map(|entry| entry.id) else {
                return false;
            };
            let origin = origin(world, "DELETE", &format!("time_entries/{id}"));
            world.delete_entry(&origin, id).is_ok()
        }
        _ => rename_project(world, workspace_id, user_id, chance, &origin),
    }
}

fn rename_project(
    world: &mut World,
    workspace_id: i64,
    user_id: i64,
    chance: &mut StdRng,
    origin: &dyn Fn(&World, &str, &str) -> Origin,
) -> bool {
    let projects: Vec<(i64, String)> = world
        .projects
        .values()
        .filter(|project| project.workspace_id == workspace_id)
        .map(|project| (project.id, project.name.clone()))
        .collect();
    let Some((id, name)) = pick(&projects, chance) else {
        return false;
    };
    let name = match name.strip_suffix(" (phase 2)") {
        Some(shorter) => shorter.to_owned(),
        None => format!("{name} (phase 2)"),
    };
    let mut origin = origin(world, "PUT", &format!("projects/{id}"));
    origin.user_id = world
        .members_of(workspace_id)
        .find(|member| member.is_admin())
        .map_or(user_id, |member| member.user_id);
    world
        .save_project(
            &origin,
            workspace_id,
            Some(id),
            crate::world::ProjectEdit {
                name: Some(name),
                ..Default::default()
            },
        )
        .is_ok()
}

/// A timer started a little while ago, or a finished stretch of today; never before the member's last stop.
fn new_entry(
    world: &World,
    workspace_id: i64,
    user_id: i64,
    chance: &mut StdRng,
    finished: bool,
) -> NewEntry {
    let now = whole_seconds(world.now());
    let earliest = world
        .entries
        .values()
        .filter(|entry| entry.user_id == user_id && entry.deleted_at.is_none())
        .filter_map(|entry| entry.stop)
        .max()
        .unwrap_or(Timestamp::MIN);
    let start = plus_seconds(now, -chance.random_range(60..LONGEST_START))
        .unwrap_or(now)
        .max(earliest)
        .min(now);
    let projects: Vec<i64> = world
        .projects
        .values()
        .filter(|project| project.workspace_id == workspace_id && project.active)
        .map(|project| project.id)
        .collect();
    // One entry in eight belongs to no project.
    let project_id = pick(&projects, chance).filter(|_| chance.random_range(0..8) > 0);
    let tasks: Vec<i64> = world
        .tasks
        .values()
        .filter(|task| Some(task.project_id) == project_id && task.active)
        .map(|task| task.id)
        .collect();
    let task_id = pick(&tasks, chance).filter(|_| chance.random_range(0..3) > 0);
    let tags: Vec<String> = world
        .tags
        .values()
        .filter(|tag| tag.workspace_id == workspace_id)
        .map(|tag| tag.name.clone())
        .collect();
    NewEntry {
        workspace_id,
        user_id,
        description: pick(&DESCRIPTIONS, chance)
            .filter(|_| chance.random_range(0..10) > 0)
            .map(str::to_owned),
        project_id,
        task_id,
        billable: None,
        tags: pick(&tags, chance)
            .filter(|_| chance.random_range(0..3) == 0)
            .into_iter()
            .collect(),
        start: Some(start),
        stop: finished.then_some(now),
        duration: (!finished).then(|| -start.as_second()),
    }
}

fn pick<T: Clone>(from: &[T], chance: &mut StdRng) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    from.get(chance.random_range(0..from.len())).cloned()
}
