//! Clients, projects, tasks and tags.

use serde_json::{Value, json};

use super::seconds_with_offset;
use crate::world::{
    World,
    model::{Client, Project, Tag, Task},
};

/// A project (recording of `GET /me?with_related_data=true`).
pub(crate) fn project(world: &World, project: &Project) -> Value {
    let tracked: i64 = world
        .entries
        .values()
        .filter(|entry| entry.project_id == Some(project.id) && entry.deleted_at.is_none())
        .map(|entry| entry.duration.max(0))
        .sum();
    let mut shape = json!({
        "id": project.id,
        "workspace_id": project.workspace_id,
        "wid": project.workspace_id,
        "client_id": project.client_id,
        "name": project.name,
        "is_private": project.private,
        "active": project.active,
        "at": seconds_with_offset(project.at),
        "created_at": seconds_with_offset(project.created_at),
        "server_deleted_at": null,
        "color": project.color,
        "billable": project.billable,
        "template": null,
        "auto_estimates": null,
        "estimated_hours": null,
        "estimated_seconds": null,
        "rate": null,
        "rate_last_updated": null,
        "currency": null,
        "recurring": false,
        "template_id": null,
        "recurring_parameters": null,
        "fixed_fee": null,
        "actual_hours": tracked / 3_600,
        "actual_seconds": tracked,
        "tasks_count": null,
        "can_track_time": true,
        "start_date": project.created_at.strftime("%Y-%m-%d").to_string(),
        "status": if project.active { "active" } else { "archived" },
        "is_shared": false,
        "pinned": false,
    });
    if let (Some(client_id), Some(shape)) = (project.client_id, shape.as_object_mut()) {
        shape.insert("cid".to_owned(), client_id.into());
        shape.insert(
            "client_name".to_owned(),
            world
                .clients
                .get(&client_id)
                .map(|client| client.name.clone())
                .into(),
        );
    }
    shape
}

/// A client (recording of `GET /me?with_related_data=true`).
pub(crate) fn client(client: &Client) -> Value {
    json!({
        "id": client.id,
        "wid": client.workspace_id,
        "archived": client.archived,
        "name": client.name,
        "at": seconds_with_offset(client.at),
        "creator_id": client.creator_id,
    })
}

/// A task (OpenAPI `models.Task`).
pub(crate) fn task(world: &World, task: &Task) -> Value {
    let project = world.projects.get(&task.project_id);
    let client = project
        .and_then(|project| project.client_id)
        .and_then(|id| world.clients.get(&id));
    json!({
        "id": task.id,
        "name": task.name,
        "workspace_id": task.workspace_id,
        "project_id": task.project_id,
        "user_id": null,
        "recurring": false,
        "active": task.active,
        "at": seconds_with_offset(task.at),
        "estimated_seconds": 0,
        "tracked_seconds": 0,
        "project_name": project.map(|project| &project.name),
        "project_color": project.map(|project| &project.color),
        "project_is_private": project.map(|project| project.private),
        "client_id": client.map(|client| client.id),
        "client_name": client.map(|client| &client.name),
    })
}

/// A tag (OpenAPI `models.Tag`).
pub(crate) fn tag(tag: &Tag) -> Value {
    json!({
        "id": tag.id,
        "workspace_id": tag.workspace_id,
        "name": tag.name,
        "at": super::microseconds(tag.at),
        "creator_id": tag.creator_id,
    })
}
