//! Time entries of a workspace: create, edit, stop, delete, edit in bulk.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes::{self, EntryForm},
    shared::Shared,
    world::{EntryEdit, NewEntry, TagAction},
};

type Answer = Result<Json<Value>, ApiError>;

/// The body of a creation, as OpenAPI's `timeentry.Payload`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    created_with: Option<String>,
    description: Option<String>,
    billable: Option<bool>,
    duration: Option<i64>,
    start: Option<Timestamp>,
    stop: Option<Timestamp>,
    tags: Option<Vec<String>>,
    tag_ids: Option<Vec<i64>>,
    project_id: Option<i64>,
    pid: Option<i64>,
    task_id: Option<i64>,
    tid: Option<i64>,
    user_id: Option<i64>,
    uid: Option<i64>,
}

/// `POST /workspaces/{ws}/time_entries`; only administrators may log time for others.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    let payload: Payload = parse(&body)?;
    if payload
        .created_with
        .as_deref()
        .unwrap_or_default()
        .is_empty()
    {
        return Err(ApiError::bad_request(
            "created_with needs to be provided an a valid string",
        ));
    }
    let Some(start) = payload.start else {
        return Err(ApiError::bad_request("start needs to be provided"));
    };
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        let user_id = payload.user_id.or(payload.uid).unwrap_or(call.user_id);
        if user_id != call.user_id {
            world.admin_access(workspace_id, call.user_id)?;
        }
        let by_id = payload
            .tag_ids
            .unwrap_or_default()
            .into_iter()
            .filter_map(|id| world.tag(workspace_id, id).ok());
        let tags = by_id
            .map(|tag| tag.name.clone())
            .chain(payload.tags.unwrap_or_default())
            .collect();
        let new = NewEntry {
            workspace_id,
            user_id,
            description: payload.description,
            project_id: payload.project_id.or(payload.pid),
            task_id: payload.task_id.or(payload.tid),
            billable: payload.billable,
            tags,
            start: Some(start),
            stop: payload.stop,
            duration: payload.duration,
        };
        let entry = world.create_entry(&call.origin(&body), new)?;
        Ok(Json(shapes::entry(world, &entry, EntryForm::Changed)))
    })
}

/// `PUT /workspaces/{ws}/time_entries/{id}`; fields left out stay as they are.
pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, entry_id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let edit = edit_from(parse(&body)?)?;
    shared.change(|world| {
        world.editable_entry(workspace_id, entry_id, call.user_id)?;
        let entry = world.edit_entry(&call.origin(&body), entry_id, edit)?;
        Ok(Json(shapes::entry(world, &entry, EntryForm::Changed)))
    })
}

/// `PATCH /workspaces/{ws}/time_entries/{id}/stop`.
pub(crate) async fn stop(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, entry_id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    shared.change(|world| {
        world.editable_entry(workspace_id, entry_id, call.user_id)?;
        let entry = world.stop_entry(&call.origin(&body), entry_id)?;
        Ok(Json(shapes::entry(world, &entry, EntryForm::Changed)))
    })
}

/// `DELETE /workspaces/{ws}/time_entries/{id}`: 200 and nothing else.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, entry_id)): Path<(i64, i64)>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    shared.change(|world| {
        world.editable_entry(workspace_id, entry_id, call.user_id)?;
        world
            .delete_entry(&call.origin(&body), entry_id)
            .map(|_| StatusCode::OK)
    })
}

/// One operation of a bulk edit (OpenAPI `timeentry.PatchInput`).
#[derive(Debug, Deserialize)]
struct PatchOperation {
    op: String,
    path: String,
    #[serde(default)]
    value: Value,
}

/// `PATCH /workspaces/{ws}/time_entries/{id,id,…}`: JSON-patch operations on up to 100 entries, each for itself.
pub(crate) async fn bulk_edit(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, ids)): Path<(i64, String)>,
    body: Bytes,
) -> Answer {
    let operations: Vec<PatchOperation> = parse(&body)?;
    let ids: Vec<i64> = ids
        .split(',')
        .filter_map(|id| id.trim().parse().ok())
        .collect();
    if ids.is_empty() || ids.len() > 100 {
        return Err(ApiError::bad_request(
            "Between 1 and 100 time entry ids must be given",
        ));
    }
    let edit = edit_from_operations(operations)?;
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        let origin = call.origin(&body);
        let (mut success, mut failure) = (Vec::new(), Vec::new());
        for id in ids {
            let edited = world
                .editable_entry(workspace_id, id, call.user_id)
                .map(|_| ())
                .and_then(|()| world.edit_entry(&origin, id, edit.clone()));
            match edited {
                Ok(_) => success.push(id),
                Err(refusal) => failure.push(json!({ "id": id, "message": refusal.message() })),
            }
        }
        Ok(Json(json!({ "success": success, "failure": failure })))
    })
}

fn edit_from_operations(operations: Vec<PatchOperation>) -> Result<EntryEdit, ApiError> {
    let mut fields = Map::new();
    for operation in operations {
        let field = operation.path.trim_start_matches('/').to_owned();
        let about_tags = field == "tags" || field == "tag_ids";
        match operation.op.as_str() {
            "replace" => {}
            "add" | "remove" if about_tags => {
                let action = if operation.op == "add" {
                    TagAction::Add
                } else {
                    TagAction::Delete
                };
                fields.insert("tag_action".to_owned(), json!(action));
            }
            "add" => {}
            "remove" => {
                fields.insert(field, Value::Null);
                continue;
            }
            other => {
                return Err(ApiError::bad_request(&format!(
                    "Invalid operation '{other}'"
                )));
            }
        }
        fields.insert(field, operation.value);
    }
    edit_from(fields)
}

/// Accepts the legacy names `pid` and `tid` beside today's.
fn edit_from(mut fields: Map<String, Value>) -> Result<EntryEdit, ApiError> {
    for (legacy, name) in [("pid", "project_id"), ("tid", "task_id")] {
        if let Some(value) = fields.remove(legacy)
            && !fields.contains_key(name)
        {
            fields.insert(name.to_owned(), value);
        }
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|_| ApiError::bad_request("Invalid JSON input"))
}
