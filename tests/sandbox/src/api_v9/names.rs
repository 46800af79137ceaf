//! Clients and tags of a workspace.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Parameters, number, page};
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes,
    shared::Shared,
    world::ClientEdit,
};

type Answer = Result<Json<Value>, ApiError>;

#[derive(Debug, Deserialize)]
struct TagPayload {
    #[serde(default)]
    name: String,
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
