//! Projects of a workspace.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::query::{Parameters, active, ids, number, page, since};
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes,
    shared::Shared,
    world::{
        ProjectEdit,
        model::{Member, Project},
    },
};

type Answer = Result<Json<Value>, ApiError>;

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

/// Private projects are for administrators; project membership is not modelled.
pub(super) fn visible(project: &Project, member: &Member) -> bool {
    !project.private || member.is_admin()
}
