//! Time entries, which look a little different in every place.

use serde_json::{Map, Value, json};

use super::{microseconds, seconds, seconds_with_offset};
use crate::world::{World, model::TimeEntry};

/// Which recorded answer an entry is shaped after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryForm {
    /// GET: times end in `+00:00`.
    Read,
    /// The answer to a change: times end in `Z`.
    Changed,
}

/// A time entry of API v9.
pub(crate) fn entry(world: &World, entry: &TimeEntry, form: EntryForm) -> Value {
    let (time, stop): (fn(jiff::Timestamp) -> String, _) = match form {
        EntryForm::Read => (seconds_with_offset, entry.effective_stop()),
        EntryForm::Changed => (seconds, entry.stop),
    };
    let mut shape = common(world, entry);
    shape.insert("start".to_owned(), time(entry.start).into());
    shape.insert("stop".to_owned(), stop.map(time).into());
    shape.insert("at".to_owned(), microseconds(entry.at).into());
    shape.insert("tag_ids".to_owned(), json!(entry.tag_ids));
    if let Some(task_id) = entry.task_id {
        shape.insert("tid".to_owned(), task_id.into());
    }
    Value::Object(shape)
}

/// A time entry in an event's payload: `at` has no fraction, and no tags are `null` in `tag_ids` but `[]` in `tags`.
pub(crate) fn entry_in_event(world: &World, entry: &TimeEntry) -> Value {
    let mut shape = common(world, entry);
    shape.insert("start".to_owned(), seconds(entry.start).into());
    shape.insert("stop".to_owned(), entry.stop.map(seconds).into());
    shape.insert("at".to_owned(), seconds_with_offset(entry.at).into());
    shape.insert(
        "tag_ids".to_owned(),
        if entry.tag_ids.is_empty() {
            Value::Null
        } else {
            json!(entry.tag_ids)
        },
    );
    Value::Object(shape)
}

/// What a `deleted` event may come down to.
pub(crate) fn entry_ids(entry: &TimeEntry) -> Value {
    json!({ "id": entry.id, "wid": entry.workspace_id, "uid": entry.user_id })
}

fn common(world: &World, entry: &TimeEntry) -> Map<String, Value> {
    let tags: Vec<&str> = entry
        .tag_ids
        .iter()
        .filter_map(|id| world.tags.get(id))
        .map(|tag| tag.name.as_str())
        .collect();
    let mut shape = Map::new();
    let mut put = |key: &str, value: Value| shape.insert(key.to_owned(), value);
    put("id", entry.id.into());
    put("workspace_id", entry.workspace_id.into());
    put("wid", entry.workspace_id.into());
    put("user_id", entry.user_id.into());
    put("uid", entry.user_id.into());
    put("project_id", entry.project_id.into());
    put("task_id", entry.task_id.into());
    put("billable", entry.billable.into());
    put("description", entry.description.clone().into());
    put("duration", entry.duration.into());
    put("duronly", true.into());
    put("tags", json!(tags));
    put(
        "server_deleted_at",
        entry.deleted_at.map(seconds_with_offset).into(),
    );
    if let Some(project_id) = entry.project_id {
        put("pid", project_id.into());
    }
    shape
}
