//! Logging time as a member.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Control, ControlError, origin};
use crate::world::{EntryEdit, NewEntry, model::TimeEntry, whole_seconds};

/// A timer to start; it stops the member's running one first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartTimer {
    /// Workspace id.
    pub workspace_id: i64,
    /// Global user id of the member.
    pub user_id: i64,
    /// Description.
    pub description: Option<String>,
    /// Project id.
    pub project_id: Option<i64>,
    /// Task id.
    pub task_id: Option<i64>,
    /// Tag names.
    pub tags: Vec<String>,
    /// Billable; the project's default when absent.
    pub billable: Option<bool>,
    /// Start; now when absent.
    pub start: Option<Timestamp>,
}

/// A timer to stop: the entry named, or whatever the member has running.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopTimer {
    /// Global user id of the member.
    pub user_id: Option<i64>,
    /// Time entry id.
    pub entry_id: Option<i64>,
    /// Who stops it, if not its owner.
    pub acting_user_id: Option<i64>,
    /// Stop; now when absent.
    pub stop: Option<Timestamp>,
}

/// An entry to edit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EditEntry {
    /// Time entry id.
    pub entry_id: i64,
    /// Who edits it, if not its owner.
    pub acting_user_id: Option<i64>,
    /// The changes.
    #[serde(flatten)]
    pub edit: EntryEdit,
}

/// An entry to delete.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeleteEntry {
    /// Time entry id.
    pub entry_id: i64,
    /// Who deletes it, if not its owner.
    pub acting_user_id: Option<i64>,
}

impl Control {
    /// Starts a timer as a member.
    ///
    /// # Errors
    /// When the member, project or task does not exist or cannot be used.
    pub fn start_timer(&self, timer: StartTimer) -> Result<TimeEntry, ControlError> {
        self.shared.change(|world| {
            let start = whole_seconds(timer.start.unwrap_or_else(|| world.now()));
            let new = NewEntry {
                workspace_id: timer.workspace_id,
                user_id: timer.user_id,
                description: timer.description,
                project_id: timer.project_id,
                task_id: timer.task_id,
                billable: timer.billable,
                tags: timer.tags,
                start: Some(start),
                stop: None,
                duration: Some(-start.as_second()),
            };
            let origin = origin(
                timer.user_id,
                "POST",
                format!("/api/v9/workspaces/{}/time_entries", timer.workspace_id),
                &new,
            );
            Ok(world.create_entry(&origin, new)?)
        })
    }

    /// Stops a timer.
    ///
    /// # Errors
    /// When nothing runs.
    pub fn stop_timer(&self, timer: StopTimer) -> Result<TimeEntry, ControlError> {
        self.shared.change(|world| {
            let running = timer
                .user_id
                .and_then(|user_id| world.running_entry(user_id))
                .map(|entry| entry.id);
            let id = timer
                .entry_id
                .or(running)
                .ok_or_else(|| ControlError::Refused("nothing is running".to_owned()))?;
            let (owner, workspace_id) = world.entry_place(id)?;
            let path = format!("/api/v9/workspaces/{workspace_id}/time_entries/{id}/stop");
            let origin = origin(timer.acting_user_id.unwrap_or(owner), "PATCH", path, &"");
            let stop = timer.stop.unwrap_or_else(|| world.now());
            Ok(world.stop_entry_at(&origin, id, stop)?)
        })
    }

    /// Logs a finished entry (or any other form [`NewEntry`] allows).
    ///
    /// # Errors
    /// When the member, project or task does not exist or cannot be used, or the stop is before the start.
    pub fn log_time(&self, new: NewEntry) -> Result<TimeEntry, ControlError> {
        self.shared.change(|world| {
            let origin = origin(
                new.user_id,
                "POST",
                format!("/api/v9/workspaces/{}/time_entries", new.workspace_id),
                &new,
            );
            Ok(world.create_entry(&origin, new)?)
        })
    }

    /// Edits an entry.
    ///
    /// # Errors
    /// When it does not exist, or the changes do not fit together.
    pub fn edit_entry(&self, change: EditEntry) -> Result<TimeEntry, ControlError> {
        self.shared.change(|world| {
            let (owner, workspace_id) = world.entry_place(change.entry_id)?;
            let path = format!(
                "/api/v9/workspaces/{workspace_id}/time_entries/{}",
                change.entry_id
            );
            let origin = origin(
                change.acting_user_id.unwrap_or(owner),
                "PUT",
                path,
                &change.edit,
            );
            Ok(world.edit_entry(&origin, change.entry_id, change.edit)?)
        })
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn delete_entry(&self, entry: DeleteEntry) -> Result<TimeEntry, ControlError> {
        self.shared.change(|world| {
            let (owner, workspace_id) = world.entry_place(entry.entry_id)?;
            let path = format!(
                "/api/v9/workspaces/{workspace_id}/time_entries/{}",
                entry.entry_id
            );
            let origin = origin(entry.acting_user_id.unwrap_or(owner), "DELETE", path, &"");
            Ok(world.delete_entry(&origin, entry.entry_id)?)
        })
    }
}
