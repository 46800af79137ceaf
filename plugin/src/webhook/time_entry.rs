//! A time entry's event, made into an activity.

use crate::time::Timestamp;

use crate::model::{Activity, TimeLog};
use crate::names::Reference;
use crate::revision;

use super::Event;
use crate::json::Json;

/// A time entry as an event tells of it.
pub(super) struct TimeEntryEvent {
    pub activity: Activity,
    /// What it refers to.
    pub reference: Reference<'static>,
}

/// Reads the event, or says in a sentence why it tells nothing.
pub(super) fn read(
    event: &Event,
    metadata: &Json<'_>,
    entity: &Json<'_>,
) -> Result<TimeEntryEvent, &'static str> {
    // A deletion may come with an id only, or even without.
    let id = entity
        .get("id")
        .id()
        .or_else(|| metadata.get("time_entry_id").id());
    let id = id.ok_or("A time entry without an id was reported.")?;
    let at = entity.get("at").time();
    let deleted_at = entity.get("server_deleted_at").time();
    let deleted = metadata.get("action").text() == Some("deleted") || deleted_at.is_some();
    let told_at = if deleted { at.max(deleted_at) } else { at };
    let told_at = told_at
        .or(event.created_at)
        .ok_or("A time entry without a time of change was reported.")?;
    let created_at = event.created_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let reference = Reference {
        task: entity
            .get("task_id")
            .id()
            .or_else(|| entity.get("tid").id()),
        project: super::project(entity),
        ..Reference::default()
    };
    // Any action that comes with the whole entry tells its state, whatever the action is called.
    let content = content(metadata, entity, reference);
    if content.is_none() && !deleted {
        return Err("A time entry was reported without its owner or times.");
    }
    Ok(TimeEntryEvent {
        activity: Activity {
            id: id.to_string(),
            revision: revision::told(told_at, created_at, event.id.unwrap_or_default()),
            event_id: event.id.map(|id| id.to_string()),
            deleted,
            content,
        },
        reference,
    })
}

/// The deletion of an entry that is not here any more; `None`: it cannot be told which or when.
pub(super) fn gone(event: &Event, metadata: &Json<'_>, entity: &Json<'_>) -> Option<Activity> {
    let id = entity
        .get("id")
        .id()
        .or_else(|| metadata.get("time_entry_id").id())?;
    let at = entity.get("at").time().or(event.created_at)?;
    let created_at = event.created_at.unwrap_or(Timestamp::UNIX_EPOCH);
    Some(Activity {
        id: id.to_string(),
        revision: revision::told(at, created_at, event.id.unwrap_or_default()),
        event_id: event.id.map(|id| id.to_string()),
        deleted: true,
        content: None,
    })
}

fn content(metadata: &Json<'_>, entity: &Json<'_>, reference: Reference<'_>) -> Option<TimeLog> {
    // The owner, not whoever acted: an admin may edit for someone else.
    let owner = [
        entity.get("user_id"),
        entity.get("uid"),
        metadata.get("model_owner_id"),
    ]
    .into_iter()
    .find_map(|owner| owner.id())?;
    let start = entity.get("start").time()?;
    let stop = stop(
        start,
        entity.get("stop").time(),
        entity.get("duration").integer(),
    )?;
    Some(TimeLog {
        remote_user_id: owner.to_string(),
        subject: reference.subject(),
        description: entity.get("description").text().unwrap_or_default().into(),
        start,
        stop,
        billable: entity.get("billable").flag().unwrap_or(false),
        tags: entity.get("tags").texts(),
    })
}

/// When an entry stopped: `Some(None)` if it runs, `None` if that cannot be told.
///
/// A stop means that it is finished, whatever the duration says: stopped by a clock that is behind the one that
/// started it, an entry has a stop before its start and a negative duration. Without a stop it runs if its duration is
/// negative, and only then: one made without a duration has duration 0 and no stop, and did not run.
pub(crate) fn stop(
    start: Timestamp,
    stop: Option<Timestamp>,
    duration: Option<i64>,
) -> Option<Option<Timestamp>> {
    match (stop, duration) {
        (Some(stop), _) => Some(Some(stop)),
        (None, Some(duration)) if duration < 0 => Some(None),
        (None, Some(duration)) => Some(Some(start.after(duration))),
        (None, None) => None,
    }
}
