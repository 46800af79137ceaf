//! A workspace and the people in it.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    response::IntoResponse,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::query::{Parameters, flag, number, page};
use crate::{
    api_error::ApiError,
    call::{Call, parse},
    shapes,
    shared::Shared,
    world::World,
};

type Answer = Result<Json<Value>, ApiError>;

/// `GET /workspaces/{ws}`.
pub(crate) async fn workspace(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
) -> Answer {
    shared.read(|world| {
        world.access(workspace_id, call.user_id)?;
        let found = world
            .workspaces
            .get(&workspace_id)
            .zip(world.users.get(&call.user_id))
            .ok_or_else(ApiError::no_access)?;
        Ok(Json(shapes::workspace(world, found.0, found.1)))
    })
}

/// `GET /workspaces/{ws}/users`: `id` is the global user id. `exclude_deleted` leaves out deactivated members.
pub(crate) async fn users(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    query: Parameters,
) -> Answer {
    shared.read(|world| {
        let with_email = listing_rights(world, workspace_id, call.user_id)?;
        let rows = world
            .members_of(workspace_id)
            .filter(|member| !(flag(&query, "exclude_deleted") && member.inactive));
        Ok(Json(Value::Array(
            rows.map(|member| shapes::simple_user(world, member, with_email))
                .collect(),
        )))
    })
}

/// `POST /workspaces/{ws}/users/data`: the same rows for up to 150 ids, sent as `{"user_ids":[…]}` or a bare array.
pub(crate) async fn users_data(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
    body: Bytes,
) -> Answer {
    let given: Value = parse(&body)?;
    let ids = given
        .get("user_ids")
        .unwrap_or(&given)
        .as_array()
        .cloned()
        .unwrap_or_default();
    if ids.is_empty() {
        return Err(ApiError::bad_request("user_ids must not be empty"));
    }
    if ids.len() > 150 {
        return Err(ApiError::bad_request(
            "user_ids must not contain more than 150 elements",
        ));
    }
    shared.read(|world| {
        let with_email = listing_rights(world, workspace_id, call.user_id)?;
        let rows = world
            .members_of(workspace_id)
            .filter(|member| ids.iter().any(|id| id.as_i64() == Some(member.user_id)));
        Ok(Json(Value::Array(
            rows.map(|member| shapes::simple_user(world, member, with_email))
                .collect(),
        )))
    })
}

/// `GET /workspaces/{ws}/workspace_users`: `id` is the membership's id, `uid` the global user id.
pub(crate) async fn workspace_users(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(workspace_id): Path<i64>,
) -> Answer {
    shared.read(|world| {
        let with_email = listing_rights(world, workspace_id, call.user_id)?;
        Ok(Json(Value::Array(
            world
                .members_of(workspace_id)
                .map(|member| shapes::workspace_user(world, member, with_email))
                .collect(),
        )))
    })
}

/// `GET /organizations/{org}/users`, for the owner only; pagination is in the headers.
pub(crate) async fn organization_users(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path(organization_id): Path<i64>,
    query: Parameters,
) -> Result<impl IntoResponse, ApiError> {
    let (number_of_page, per_page) = (
        number(&query, "page").unwrap_or(1),
        number(&query, "per_page").unwrap_or(50),
    );
    if number_of_page < 1 {
        return Err(ApiError::bad_request(
            "page parameter must contain values greater than 0",
        ));
    }
    shared.read(|world| {
        let refused = || {
            ApiError::literal(
                StatusCode::FORBIDDEN,
                "User is not authorized to list the organization users",
            )
        };
        let organization = world
            .organizations
            .get(&organization_id)
            .filter(|it| it.owner_id == call.user_id)
            .ok_or_else(refused)?;
        let mut users: Vec<i64> = world
            .members
            .values()
            .filter(|member| {
                world
                    .organization_of(member.workspace_id)
                    .is_some_and(|it| it.id == organization_id)
            })
            .filter(|member| status_wanted(&query, member.joined, member.inactive))
            .map(|member| member.user_id)
            .collect();
        users.sort_unstable();
        users.dedup();
        let filter = query
            .get("filter")
            .map(|text| text.to_lowercase())
            .unwrap_or_default();
        users.retain(|id| {
            world.users.get(id).is_some_and(|user| {
                user.name.to_lowercase().contains(&filter)
                    || user
                        .email
                        .as_deref()
                        .unwrap_or_default()
                        .to_lowercase()
                        .contains(&filter)
            })
        });
        let records = users.len();
        let per = usize::try_from(per_page.max(1)).unwrap_or(50);
        let rows = page(users, number_of_page, per_page)
            .into_iter()
            .map(|id| shapes::organization_user(world, organization, id))
            .collect();
        let headers = [
            (
                HeaderName::from_static("x-page"),
                HeaderValue::from(number_of_page),
            ),
            (
                HeaderName::from_static("x-page-size"),
                HeaderValue::from(per_page),
            ),
            (
                HeaderName::from_static("x-pages"),
                HeaderValue::from(records.div_ceil(per)),
            ),
            (
                HeaderName::from_static("x-records"),
                HeaderValue::from(records),
            ),
            (
                HeaderName::from_static("x-sort-order"),
                HeaderValue::from_static("asc"),
            ),
        ];
        Ok((headers, Json(Value::Array(rows))))
    })
}

/// Whether the caller may list the team, and whether with e-mail addresses; Toggl documents neither for ordinary members.
fn listing_rights(world: &World, workspace_id: i64, user_id: i64) -> Result<bool, ApiError> {
    let admin = world.access(workspace_id, user_id)?.is_admin();
    if !admin && !world.behaviour.non_admins_list_users {
        return Err(ApiError::no_access());
    }
    Ok(admin || world.behaviour.non_admins_see_emails)
}

fn status_wanted(query: &Parameters, joined: bool, inactive: bool) -> bool {
    let status = if !joined {
        "invited"
    } else if inactive {
        "inactive"
    } else {
        "active"
    };
    query
        .get("active_status")
        .is_none_or(|wanted| wanted.split(',').any(|one| one.trim() == status))
}
