//! Tasks: a paged object for the workspace, whole or as picked by id, and a plain list for a project.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    projects::visible,
    query::{Parameters, active, flag, ids, number, page, since},
};
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes,
    shared::Shared,
    world::{
        TaskEdit, World,
        model::{Member, Task},
    },
};

type Answer = Result<Json<Value>, ApiError>;

/// `GET /workspaces/{ws}/tasks`: an object with `data` and the paging (OpenAPI `task.Response`), 50 a page.
pub(crate) async fn tasks(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    list(&shared, &call, workspace_id, &query, "pid", None)
}

/// `GET /workspaces/{ws}/tasks/basic`: the same object, of the tasks with the ids asked for.
pub(crate) async fn basic_tasks(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    let wanted = ids(&query, "task_ids");
    list(&shared, &call, workspace_id, &query, "project_id", wanted)
}

fn list(
    shared: &Shared,
    call: &Call,
    workspace_id: i64,
    query: &Parameters,
    project: &str,
    wanted: Option<Vec<i64>>,
) -> Answer {
    shared.read(|world| {
        let member = world.access(workspace_id, call.user_id)?;
        let active = active(query, None);
        let (since, project_id) = (since(query), number(query, project));
        let search = query
            .get("search")
            .map(|text| text.to_lowercase())
            .unwrap_or_default();
        let mut rows: Vec<&Task> = world
            .tasks
            .values()
            .filter(|task| task.workspace_id == workspace_id && task_visible(world, task, member))
            .filter(|task| active.is_none_or(|active| task.active == active))
            .filter(|task| wanted.as_ref().is_none_or(|ids| ids.contains(&task.id)))
            .filter(|task| {
                since.is_none_or(|since| task.at >= since)
                    && project_id.is_none_or(|id| task.project_id == id)
            })
            .filter(|task| task.name.to_lowercase().contains(&search))
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let total_count = rows.len();
        let (number_of_page, per_page) = (
            number(query, "page").unwrap_or(1).max(1),
            number(query, "per_page").unwrap_or(50).max(1),
        );
        let data: Vec<Value> = page(rows, number_of_page, per_page)
            .into_iter()
            .map(|task| shapes::task(world, task))
            .collect();
        Ok(Json(json!({
            "data": data,
            "page": number_of_page,
            "per_page": per_page,
            "sort_field": "name",
            "sort_order": "ASC",
            "total_count": total_count,
        })))
    })
}

/// `GET /workspaces/{ws}/projects/{id}/tasks`: a plain array; all tasks unless `active=true`.
pub(crate) async fn project_tasks(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, project_id)): Path<(i64, i64)>,
    query: Parameters,
) -> Answer {
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        world.project(workspace_id, project_id)?;
        let rows = world.tasks.values().filter(|task| {
            task.project_id == project_id && (task.active || !flag(&query, "active"))
        });
        Ok(Json(Value::Array(
            rows.map(|task| shapes::task(world, task)).collect(),
        )))
    })
}

/// `GET /workspaces/{ws}/projects/{id}/tasks/{id}`.
pub(crate) async fn task(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, project_id, id)): Path<(i64, i64, i64)>,
) -> Answer {
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        world
            .task(workspace_id, project_id, id)
            .map(|task| Json(shapes::task(world, task)))
    })
}

/// `POST /workspaces/{ws}/projects/{id}/tasks`.
pub(crate) async fn create_task(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, project_id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    save_task(&shared, &call, workspace_id, project_id, None, &body)
}

/// `PUT /workspaces/{ws}/projects/{id}/tasks/{id}`.
pub(crate) async fn update_task(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, project_id, id)): Path<(i64, i64, i64)>,
    body: Bytes,
) -> Answer {
    save_task(&shared, &call, workspace_id, project_id, Some(id), &body)
}

fn save_task(
    shared: &Shared,
    call: &Call,
    workspace_id: i64,
    project_id: i64,
    id: Option<i64>,
    body: &Bytes,
) -> Answer {
    let edit: TaskEdit = parse(body)?;
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        let task = world.save_task(&call.origin(body), workspace_id, project_id, id, edit)?;
        Ok(Json(shapes::task(world, &task)))
    })
}

/// `DELETE /workspaces/{ws}/projects/{id}/tasks/{id}`.
pub(crate) async fn delete_task(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, project_id, id)): Path<(i64, i64, i64)>,
) -> Result<StatusCode, ApiError> {
    shared.change(|world| {
        world.admin_access(workspace_id, call.user_id)?;
        world
            .delete_task(&call.origin(&Bytes::new()), workspace_id, project_id, id)
            .map(|()| StatusCode::OK)
    })
}

fn task_visible(world: &World, task: &Task, member: &Member) -> bool {
    world
        .projects
        .get(&task.project_id)
        .is_some_and(|project| visible(project, member))
}
