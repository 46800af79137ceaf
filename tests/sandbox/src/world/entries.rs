//! Time entries: creating, editing, stopping and deleting them, with the events each causes.

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    Change, World,
    model::{Action, Entity, Origin, TimeEntry},
    plus_seconds, whole_seconds,
};
use crate::{api_error::ApiError, shapes};

/// A time entry to be created.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NewEntry {
    /// Workspace id.
    pub workspace_id: i64,
    /// Whose entry it is.
    pub user_id: i64,
    /// Description.
    pub description: Option<String>,
    /// Project id.
    pub project_id: Option<i64>,
    /// Task id.
    pub task_id: Option<i64>,
    /// Billable; the project's default when absent.
    pub billable: Option<bool>,
    /// Tag names; unknown ones are created.
    pub tags: Vec<String>,
    /// Start; now when absent.
    pub start: Option<Timestamp>,
    /// Stop; with neither stop nor duration the entry has duration 0, as at Toggl.
    pub stop: Option<Timestamp>,
    /// Seconds; negative for a running entry.
    pub duration: Option<i64>,
}

/// How `tags` and `tag_ids` of an edit are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagAction {
    /// Adds to the entry's tags.
    Add,
    /// Takes away from them.
    Delete,
}

/// Changes to a time entry; absent fields stay, `null` clears (`Some(None)`).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryEdit {
    /// Description.
    pub description: Option<String>,
    /// Project id.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub project_id: Option<Option<i64>>,
    /// Task id.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub task_id: Option<Option<i64>>,
    /// Billable.
    pub billable: Option<bool>,
    /// Start.
    pub start: Option<Timestamp>,
    /// Stop.
    pub stop: Option<Timestamp>,
    /// Seconds; negative sets the entry running again.
    pub duration: Option<i64>,
    /// Tag names; unknown ones are created.
    pub tags: Option<Vec<String>>,
    /// Tag ids.
    pub tag_ids: Option<Vec<i64>>,
    /// Add or delete instead of replacing.
    pub tag_action: Option<TagAction>,
}

/// Tells an absent field from `null`.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl World {
    /// Creates an entry; a running one first stops what its user had running.
    pub fn create_entry(&mut self, origin: &Origin, new: NewEntry) -> Result<TimeEntry, ApiError> {
        let workspace_id = new.workspace_id;
        let user_id = new.user_id;
        self.access(workspace_id, user_id)?;
        let (project_id, task_id) =
            self.check_project(workspace_id, new.project_id, new.task_id)?;
        let start = whole_seconds(new.start.unwrap_or_else(|| self.now()));
        let running = new.duration.is_some_and(|seconds| seconds < 0);
        let (stop, duration) = match (new.stop.map(whole_seconds), new.duration) {
            (_, Some(seconds)) if running => (None, seconds),
            (Some(stop), _) if stop < start => {
                return Err(ApiError::bad_request("Stop time must be after start time"));
            }
            (Some(stop), _) => (Some(stop), stop.as_second() - start.as_second()),
            (None, Some(seconds)) => (plus_seconds(start, seconds), seconds),
            (None, None) => (None, 0),
        };
        if running && let Some(old) = self.running_entry(user_id).map(|entry| entry.id) {
            self.stop_entry_at(origin, old, start)?;
        }
        let tag_ids = self.tag_ids(origin, workspace_id, &new.tags);
        let default_billable = project_id
            .and_then(|id| self.projects.get(&id))
            .is_some_and(|project| project.billable);
        let entry = TimeEntry {
            id: self.new_id(),
            workspace_id,
            user_id,
            project_id,
            task_id,
            description: new.description,
            billable: new.billable.unwrap_or(default_billable),
            start,
            stop,
            duration,
            tag_ids,
            at: self.now(),
            deleted_at: None,
        };
        self.entries.insert(entry.id, entry.clone());
        self.emit_entry(origin, &entry, Action::Created);
        Ok(entry)
    }

    /// What a user has running, in any workspace.
    pub fn running_entry(&self, user_id: i64) -> Option<&TimeEntry> {
        self.entries
            .values()
            .rev()
            .find(|entry| entry.user_id == user_id && entry.is_running())
    }

    /// An entry that exists, is not deleted, and that the acting user may change: the own ones, or all for administrators.
    pub fn editable_entry(
        &self,
        workspace_id: i64,
        entry_id: i64,
        user_id: i64,
    ) -> Result<&TimeEntry, ApiError> {
        self.access(workspace_id, user_id)?;
        let entry = self
            .entries
            .get(&entry_id)
            .filter(|entry| entry.workspace_id == workspace_id && entry.deleted_at.is_none())
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Time entry not found"))?;
        if entry.user_id == user_id || self.is_admin(workspace_id, user_id) {
            Ok(entry)
        } else {
            Err(ApiError::no_access())
        }
    }

    /// Stops a running entry now.
    pub fn stop_entry(&mut self, origin: &Origin, entry_id: i64) -> Result<TimeEntry, ApiError> {
        let now = whole_seconds(self.now());
        self.stop_entry_at(origin, entry_id, now)
    }

    /// Stops a running entry at a given moment, never before its start.
    pub fn stop_entry_at(
        &mut self,
        origin: &Origin,
        entry_id: i64,
        stop: Timestamp,
    ) -> Result<TimeEntry, ApiError> {
        let at = self.now();
        let entry = self.live_entry(entry_id)?;
        if !entry.is_running() {
            return Err(ApiError::literal(
                StatusCode::CONFLICT,
                "Time entry already stopped",
            ));
        }
        // It may be before the start, if the clock was ahead that started it.
        let stop = whole_seconds(stop);
        entry.stop = Some(stop);
        entry.duration = stop.as_second() - entry.start.as_second();
        entry.at = at;
        let entry = entry.clone();
        self.emit_entry(origin, &entry, Action::Updated);
        Ok(entry)
    }

    /// Edits an entry.
    pub fn edit_entry(
        &mut self,
        origin: &Origin,
        entry_id: i64,
        edit: EntryEdit,
    ) -> Result<TimeEntry, ApiError> {
        let at = self.now();
        let mut entry = self.live_entry(entry_id)?.clone();
        let task_id = match edit.project_id {
            // A task belongs to its project: moving the entry away drops it.
            Some(project_id) if project_id != entry.project_id => edit.task_id.unwrap_or(None),
            _ => edit.task_id.unwrap_or(entry.task_id),
        };
        let project_id = edit.project_id.unwrap_or(entry.project_id);
        (entry.project_id, entry.task_id) =
            self.check_project(entry.workspace_id, project_id, task_id)?;
        entry.description = edit.description.or(entry.description);
        entry.billable = edit.billable.unwrap_or(entry.billable);
        apply_times(&mut entry, edit.start, edit.stop, edit.duration)?;
        if edit.tags.is_some() || edit.tag_ids.is_some() {
            let mut given =
                self.tag_ids(origin, entry.workspace_id, &edit.tags.unwrap_or_default());
            given.extend(edit.tag_ids.unwrap_or_default().into_iter().filter(|id| {
                self.tags
                    .get(id)
                    .is_some_and(|tag| tag.workspace_id == entry.workspace_id)
            }));
            entry.tag_ids = match edit.tag_action {
                None => given,
                Some(TagAction::Add) => entry
                    .tag_ids
                    .iter()
                    .copied()
                    .filter(|id| !given.contains(id))
                    .chain(given.iter().copied())
                    .collect(),
                Some(TagAction::Delete) => entry
                    .tag_ids
                    .iter()
                    .copied()
                    .filter(|id| !given.contains(id))
                    .collect(),
            };
        }
        entry.at = at;
        self.entries.insert(entry_id, entry.clone());
        self.emit_entry(origin, &entry, Action::Updated);
        Ok(entry)
    }

    /// Deletes an entry: it stays, marked, as `since` listings show it.
    pub fn delete_entry(&mut self, origin: &Origin, entry_id: i64) -> Result<TimeEntry, ApiError> {
        let at = self.now();
        let entry = self.live_entry(entry_id)?;
        entry.at = at;
        entry.deleted_at = Some(at);
        let entry = entry.clone();
        self.emit_entry(origin, &entry, Action::Deleted);
        Ok(entry)
    }

    /// Whose an entry is, and in which workspace.
    pub fn entry_place(&self, entry_id: i64) -> Result<(i64, i64), ApiError> {
        let found = self
            .entries
            .get(&entry_id)
            .map(|entry| (entry.user_id, entry.workspace_id));
        found.ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Time entry not found"))
    }

    fn live_entry(&mut self, entry_id: i64) -> Result<&mut TimeEntry, ApiError> {
        self.entries
            .get_mut(&entry_id)
            .filter(|entry| entry.deleted_at.is_none())
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Time entry not found"))
    }

    /// A task implies its project; both must belong to the workspace.
    fn check_project(
        &self,
        workspace_id: i64,
        project_id: Option<i64>,
        task_id: Option<i64>,
    ) -> Result<(Option<i64>, Option<i64>), ApiError> {
        let task = match task_id {
            None => None,
            Some(id) => Some(
                self.tasks
                    .get(&id)
                    .filter(|task| {
                        task.workspace_id == workspace_id
                            && project_id.is_none_or(|project| project == task.project_id)
                    })
                    .ok_or_else(|| ApiError::bad_request("Task not found/accessible"))?,
            ),
        };
        let project_id = project_id.or(task.map(|task| task.project_id));
        if let Some(id) = project_id
            && self
                .projects
                .get(&id)
                .is_none_or(|project| project.workspace_id != workspace_id)
        {
            return Err(ApiError::bad_request("Project not found/accessible"));
        }
        Ok((project_id, task_id))
    }

    fn emit_entry(&mut self, origin: &Origin, entry: &TimeEntry, action: Action) {
        let payload = if action == Action::Deleted && self.behaviour.delete_payload_ids_only {
            shapes::entry_ids(entry)
        } else {
            shapes::entry_in_event(self, entry)
        };
        let project = entry
            .project_id
            .and_then(|id| self.projects.get(&id))
            .map(|project| (project.id, project.private));
        self.emit(
            origin,
            Change {
                entity: Entity::TimeEntry,
                action,
                workspace_id: entry.workspace_id,
                owner_id: entry.user_id,
                subject_id: entry.id,
                project,
                payload,
            },
        );
    }
}

/// Keeps start, stop and duration in agreement: a stop wins over a duration, a lone start keeps the stop.
fn apply_times(
    entry: &mut TimeEntry,
    start: Option<Timestamp>,
    stop: Option<Timestamp>,
    duration: Option<i64>,
) -> Result<(), ApiError> {
    let was_running = entry.is_running();
    entry.start = start.map(whole_seconds).unwrap_or(entry.start);
    match (stop.map(whole_seconds), duration) {
        (_, Some(seconds)) if seconds < 0 => {
            entry.stop = None;
            entry.duration = seconds;
        }
        (Some(stop), _) => entry.stop = Some(stop),
        (None, Some(seconds)) => entry.stop = plus_seconds(entry.start, seconds),
        (None, None) if was_running && start.is_some() => entry.duration = -entry.start.as_second(),
        (None, None) => {}
    }
    if let Some(stop) = entry.stop {
        if stop < entry.start {
            return Err(ApiError::bad_request("Stop time must be after start time"));
        }
        entry.duration = stop.as_second() - entry.start.as_second();
    }
    Ok(())
}
