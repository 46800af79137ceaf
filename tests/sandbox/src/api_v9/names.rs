//! Clients, projects, tasks and tags of a workspace.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Parameters, active, flag, ids, number, page, since};
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes,
    shared::Shared,
    world::{
        ClientEdit, ProjectEdit, TaskEdit, World,
        model::{Member, Project, Task},
    },
};

type Answer = Result<Json<Value>, ApiError>;

#[derive(Debug, Deserialize)]
struct TagPayload {
    #[serde(default)]
    name: String,
}

/// `GET /workspaces/{ws}/projects`: active ones by default, 151 a page, 200 at most.
pub(crate) async fn projects(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    shared.read(|world| {
        let member = world.access(workspace_id, call.user_id)?;
        let since = since(&query);
        let active = active(&query, if since.is_some() { None } else { Some(true) });
        let (wanted, clients) = (ids(&query, "project_ids"), ids(&query, "client_ids"));
        let name = query
            .get("name")
            .map(|name| name.to_lowercase())
            .unwrap_or_default();
        let mut rows: Vec<&Project> = world
            .projects
            .values()
            .filter(|project| project.workspace_id == workspace_id && visible(project, member))
            .filter(|project| active.is_none_or(|active| project.active == active))
            .filter(|project| since.is_none_or(|since| project.at >= since))
            .filter(|project| wanted.as_ref().is_none_or(|ids| ids.contains(&project.id)))
            .filter(|project| {
                clients
                    .as_ref()
                    .is_none_or(|ids| project.client_id.is_some_and(|id| ids.contains(&id)))
            })
            .filter(|project| project.name.to_lowercase().contains(&name))
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let per_page = number(&query, "per_page").unwrap_or(151).min(200);
        let rows = page(rows, number(&query, "page").unwrap_or(1), per_page);
        Ok(Json(Value::Array(
            rows.into_iter()
                .map(|project| shapes::project(world, project))
                .collect(),
        )))
    })
}

/// `GET /workspaces/{ws}/projects/{id}`.
pub(crate) async fn project(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Answer {
    shared.read(|world| {
        let member = world.access(workspace_id, call.user_id)?;
        let project = world.project(workspace_id, id)?;
        if !visible(project, member) {
            return Err(ApiError::no_access());
        }
        Ok(Json(shapes::project(world, project)))
    })
}

/// `POST /workspaces/{ws}/projects`.
pub(crate) async fn create_project(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    save_project(&shared, &call, workspace_id, None, &body)
}

/// `PUT /workspaces/{ws}/projects/{id}`.
pub(crate) async fn update_project(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    save_project(&shared, &call, workspace_id, Some(id), &body)
}

fn save_project(
    shared: &Shared,
    call: &Call,
    workspace_id: i64,
    id: Option<i64>,
    body: &Bytes,
) -> Answer {
    let edit: ProjectEdit = parse(body)?;
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        let project = world.save_project(&call.origin(body), workspace_id, id, edit)?;
        Ok(Json(shapes::project(world, &project)))
    })
}

/// `DELETE /workspaces/{ws}/projects/{id}`: answers the id.
pub(crate) async fn delete_project(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Answer {
    shared.change(|world| {
        world.admin_access(workspace_id, call.user_id)?;
        world.delete_project(&call.origin(&Bytes::new()), workspace_id, id)?;
        Ok(Json(json!(id)))
    })
}

/// `GET /workspaces/{ws}/clients`: active ones unless `status` says otherwise.
pub(crate) async fn clients(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    let archived = match query.get("status").map(String::as_str) {
        None | Some("active") => Some(false),
        Some("archived") => Some(true),
        Some("both") => None,
        Some(_) => return Err(ApiError::bad_request("Client status is invalid")),
    };
    let name = query
        .get("name")
        .map(|name| name.to_lowercase())
        .unwrap_or_default();
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        let rows = world
            .clients
            .values()
            .filter(|client| {
                client.workspace_id == workspace_id
                    && archived.is_none_or(|archived| client.archived == archived)
            })
            .filter(|client| client.name.to_lowercase().contains(&name));
        Ok(Json(Value::Array(rows.map(shapes::client).collect())))
    })
}

/// `GET /workspaces/{ws}/clients/{id}`.
pub(crate) async fn client(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Answer {
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        world
            .client(workspace_id, id)
            .map(|client| Json(shapes::client(client)))
    })
}

/// `POST /workspaces/{ws}/clients`.
pub(crate) async fn create_client(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    save_client(&shared, &call, workspace_id, None, &body)
}

/// `PUT /workspaces/{ws}/clients/{id}`.
pub(crate) async fn update_client(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    save_client(&shared, &call, workspace_id, Some(id), &body)
}

fn save_client(
    shared: &Shared,
    call: &Call,
    workspace_id: i64,
    id: Option<i64>,
    body: &Bytes,
) -> Answer {
    let edit: ClientEdit = parse(body)?;
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        world
            .save_client(&call.origin(body), workspace_id, id, edit)
            .map(|client| Json(shapes::client(&client)))
    })
}

/// `DELETE /workspaces/{ws}/clients/{id}`: answers the id.
pub(crate) async fn delete_client(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Answer {
    shared.change(|world| {
        world.admin_access(workspace_id, call.user_id)?;
        world.delete_client(&call.origin(&Bytes::new()), workspace_id, id)?;
        Ok(Json(json!(id)))
    })
}

/// `GET /workspaces/{ws}/tasks`: an object with `data` and the paging (OpenAPI `task.Response`), 50 a page.
pub(crate) async fn tasks(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    shared.read(|world| {
        let member = world.access(workspace_id, call.user_id)?;
        let active = active(&query, None);
        let (since, project_id) = (since(&query), number(&query, "pid"));
        let search = query
            .get("search")
            .map(|text| text.to_lowercase())
            .unwrap_or_default();
        let mut rows: Vec<&Task> = world
            .tasks
            .values()
            .filter(|task| task.workspace_id == workspace_id && task_visible(world, task, member))
            .filter(|task| active.is_none_or(|active| task.active == active))
            .filter(|task| {
                since.is_none_or(|since| task.at >= since)
                    && project_id.is_none_or(|id| task.project_id == id)
            })
            .filter(|task| task.name.to_lowercase().contains(&search))
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let total_count = rows.len();
        let (number_of_page, per_page) = (
            number(&query, "page").unwrap_or(1).max(1),
            number(&query, "per_page").unwrap_or(50).max(1),
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

/// `GET /workspaces/{ws}/tags`.
pub(crate) async fn tags(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    let search = query
        .get("search")
        .map(|text| text.to_lowercase())
        .unwrap_or_default();
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        let rows: Vec<_> = world
            .tags
            .values()
            .filter(|tag| {
                tag.workspace_id == workspace_id && tag.name.to_lowercase().contains(&search)
            })
            .collect();
        let rows = match number(&query, "page") {
            Some(number_of_page) => page(
                rows,
                number_of_page,
                number(&query, "per_page").unwrap_or(50),
            ),
            None => rows,
        };
        Ok(Json(Value::Array(
            rows.into_iter().map(shapes::tag).collect(),
        )))
    })
}

/// `POST /workspaces/{ws}/tags`: answers an array, as the OpenAPI has it.
pub(crate) async fn create_tag(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    save_tag(&shared, &call, workspace_id, None, &body)
}

/// `PUT /workspaces/{ws}/tags/{id}`.
pub(crate) async fn update_tag(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    save_tag(&shared, &call, workspace_id, Some(id), &body)
}

fn save_tag(
    shared: &Shared,
    call: &Call,
    workspace_id: i64,
    id: Option<i64>,
    body: &Bytes,
) -> Answer {
    let payload: TagPayload = parse(body)?;
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        let tag = world.save_tag(&call.origin(body), workspace_id, id, &payload.name)?;
        Ok(Json(json!([shapes::tag(&tag)])))
    })
}

/// `DELETE /workspaces/{ws}/tags/{id}`.
pub(crate) async fn delete_tag(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, id)): Path<(i64, i64)>,
) -> Result<StatusCode, ApiError> {
    shared.change(|world| {
        world.access(workspace_id, call.user_id)?;
        world
            .delete_tag(&call.origin(&Bytes::new()), workspace_id, id)
            .map(|()| StatusCode::OK)
    })
}

/// Private projects are for administrators; project membership is not modelled.
fn visible(project: &Project, member: &Member) -> bool {
    !project.private || member.is_admin()
}

fn task_visible(world: &World, task: &Task, member: &Member) -> bool {
    world
        .projects
        .get(&task.project_id)
        .is_some_and(|project| visible(project, member))
}
