//! `/me`: the token's owner.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde_json::Value;

use super::query::{Parameters, flag, moment, since};
use crate::{
    api_error::ApiError,
    call::Call,
    shapes::{self, EntryForm},
    shared::Shared,
    world::{
        World,
        model::{User, Workspace},
    },
};

type Answer = Result<Json<Value>, ApiError>;

/// `GET /me`.
pub(crate) async fn me(State(shared): State<Arc<Shared>>, call: Call, query: Parameters) -> Answer {
    shared.read(|world| {
        let user = user(world, call.user_id)?;
        let mut shape = shapes::me(world, user);
        if flag(&query, "with_related_data")
            && let Some(shape) = shape.as_object_mut()
        {
            let own = |workspace_id| world.access(workspace_id, user.id).is_ok();
            let list = |rows: Vec<Value>| {
                if rows.is_empty() {
                    Value::Null
                } else {
                    Value::Array(rows)
                }
            };
            let put = |shape: &mut serde_json::Map<String, Value>, key: &str, rows: Vec<Value>| {
                shape.insert(key.to_owned(), list(rows))
            };
            put(
                shape,
                "workspaces",
                workspaces_of(world, user)
                    .map(|workspace| shapes::workspace(world, workspace, user))
                    .collect(),
            );
            put(
                shape,
                "clients",
                world
                    .clients
                    .values()
                    .filter(|client| own(client.workspace_id))
                    .map(shapes::client)
                    .collect(),
            );
            let projects = world
                .projects
                .values()
                .filter(|project| own(project.workspace_id));
            put(
                shape,
                "projects",
                projects
                    .map(|project| shapes::project(world, project))
                    .collect(),
            );
            put(
                shape,
                "tasks",
                world
                    .tasks
                    .values()
                    .filter(|task| own(task.workspace_id))
                    .map(|task| shapes::task(world, task))
                    .collect(),
            );
            put(
                shape,
                "tags",
                world
                    .tags
                    .values()
                    .filter(|tag| own(tag.workspace_id))
                    .map(shapes::tag)
                    .collect(),
            );
            let entries = world
                .entries
                .values()
                .filter(|entry| entry.user_id == user.id && entry.deleted_at.is_none());
            put(
                shape,
                "time_entries",
                entries
                    .map(|entry| shapes::entry(world, entry, EntryForm::Read))
                    .collect(),
            );
        }
        Ok(Json(shape))
    })
}

/// `GET /me/logged`: 200 and no body when the token works.
pub(crate) async fn logged(_call: Call) -> StatusCode {
    StatusCode::OK
}

/// `GET /me/id`.
pub(crate) async fn id(call: Call) -> Json<i64> {
    Json(call.user_id)
}

/// `GET /me/workspaces`; deleted ones appear only with `since`.
pub(crate) async fn workspaces(
    State(shared): State<Arc<Shared>>,
    call: Call,
    query: Parameters,
) -> Answer {
    shared.read(|world| {
        let user = user(world, call.user_id)?;
        let since = since(&query);
        let rows = workspaces_of(world, user)
            .filter(|workspace| match since {
                Some(since) => workspace.at >= since,
                None => workspace.deleted_at.is_none(),
            })
            .map(|workspace| shapes::workspace(world, workspace, user));
        Ok(Json(Value::Array(rows.collect())))
    })
}

/// `GET /me/organizations`.
pub(crate) async fn organizations(State(shared): State<Arc<Shared>>, call: Call) -> Answer {
    shared.read(|world| {
        let mine = |organization_id| {
            world.memberships(call.user_id).any(|member| {
                world
                    .organization_of(member.workspace_id)
                    .is_some_and(|it| it.id == organization_id)
            })
        };
        let rows = world
            .organizations
            .values()
            .filter(|organization| mine(organization.id));
        Ok(Json(Value::Array(
            rows.map(|organization| shapes::organization(world, organization, call.user_id))
                .collect(),
        )))
    })
}

/// `GET /me/quota`.
pub(crate) async fn quota(State(shared): State<Arc<Shared>>, call: Call) -> Json<Value> {
    Json(shared.read(|world| world.quota_report(call.user_id)))
}

/// `POST /me/reset_token`: the old token is dead at once.
pub(crate) async fn reset_token(State(shared): State<Arc<Shared>>, call: Call) -> Json<String> {
    let token = hex::encode(rand::random::<[u8; 16]>());
    shared.change(|world| world.set_token(call.user_id, token.clone()));
    Json(token)
}

/// `GET /me/time_entries`: own entries, newest start first; only `since` shows deleted ones.
pub(crate) async fn time_entries(
    State(shared): State<Arc<Shared>>,
    call: Call,
    query: Parameters,
) -> Answer {
    let get = |name: &str| query.get(name).map(String::as_str);
    // The real body of this refusal was recorded, quotes included.
    for (one, other) in [
        ("since", "before"),
        ("since", "start_date"),
        ("before", "start_date"),
    ] {
        if get(one).is_some() && get(other).is_some() {
            return Err(ApiError::bad_request(&format!(
                "'{one}' and '{other}' can not be present simultaneously"
            )));
        }
    }
    let time = |name: &str| get(name).and_then(moment);
    let (since, before, from, to) = (
        since(&query),
        time("before"),
        time("start_date"),
        time("end_date"),
    );
    Ok(Json(shared.read(|world| {
        let mut rows: Vec<_> = world
            .entries
            .values()
            .filter(|entry| entry.user_id == call.user_id)
            .filter(|entry| match since {
                Some(since) => entry.at >= since,
                None => entry.deleted_at.is_none(),
            })
            .filter(|entry| before.is_none_or(|before| entry.start < before))
            .filter(|entry| {
                from.is_none_or(|from| entry.start >= from) && to.is_none_or(|to| entry.start < to)
            })
            .collect();
        rows.sort_by_key(|entry| std::cmp::Reverse((entry.start, entry.id)));
        Value::Array(
            rows.into_iter()
                .take(1000)
                .map(|entry| shapes::entry(world, entry, EntryForm::Read))
                .collect(),
        )
    })))
}

/// `GET /me/time_entries/current`: `null` when nothing runs.
pub(crate) async fn current_time_entry(
    State(shared): State<Arc<Shared>>,
    call: Call,
) -> Json<Value> {
    Json(shared.read(|world| {
        world
            .running_entry(call.user_id)
            .map_or(Value::Null, |entry| {
                shapes::entry(world, entry, EntryForm::Read)
            })
    }))
}

/// `GET /me/time_entries/{id}`.
pub(crate) async fn time_entry(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(entry_id): Path<i64>,
) -> Answer {
    shared.read(|world| {
        let entry = world
            .entries
            .get(&entry_id)
            .filter(|entry| entry.user_id == call.user_id && entry.deleted_at.is_none());
        let entry = entry
            .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "Resource can not be found"))?;
        Ok(Json(shapes::entry(world, entry, EntryForm::Read)))
    })
}

fn user(world: &World, user_id: i64) -> Result<&User, ApiError> {
    world
        .users
        .get(&user_id)
        .ok_or_else(|| ApiError::literal(StatusCode::NOT_FOUND, "could not load user data"))
}

/// The workspaces a user belongs to; suspended ones included, so that a client can say why one cannot be used.
fn workspaces_of<'a>(world: &'a World, user: &'a User) -> impl Iterator<Item = &'a Workspace> {
    world
        .memberships(user.id)
        .filter(|member| member.has_access())
        .filter_map(|member| world.workspaces.get(&member.workspace_id))
}
