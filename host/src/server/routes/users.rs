//! Users of the platform, teams, and the mapping between them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::{MapRequest, MemberList, MemberView, UserList};
use crate::id::{ConnectionId, RemoteUserId, UserId};
use crate::server::error::ApiError;
use crate::server::extract::{ApiJson, ApiPath, ApiQuery};
use crate::server::openapi::Problems;
use crate::server::state::AppState;

/// Which users to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct UserQuery {
    /// Part of a name, e-mail address or id; case does not matter.
    #[serde(default)]
    query: String,
}

/// The platform's users.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "search_users", tag = "users", params(UserQuery),
    responses((status = 200, body = UserList), Problems))]
pub(in crate::server) async fn search(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<UserQuery>,
) -> Result<Json<UserList>, ApiError> {
    let users = state.service.search_users(&query.query).await?;
    Ok(Json(users.into()))
}

/// A connection's team and its mappings.
#[utoipa::path(get, path = "/api/v1/connections/{id}/users", operation_id = "list_team", tag = "users",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = MemberList), Problems))]
pub(in crate::server) async fn list(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<MemberList>, ApiError> {
    let members = state.service.users(&ConnectionId::new(id)).await?;
    Ok(Json(members.into()))
}

/// Imports the team again. What a person mapped stays.
#[utoipa::path(post, path = "/api/v1/connections/{id}/users/refresh", operation_id = "refresh_team", tag = "users",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = MemberList), Problems))]
pub(in crate::server) async fn refresh(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<MemberList>, ApiError> {
    let id = ConnectionId::new(id);
    let members = state
        .try_complete(|service| async move { service.refresh_users(&id).await })
        .await?;
    Ok(Json(members.into()))
}

/// Maps a member by hand, to a user or to nobody.
#[utoipa::path(put, path = "/api/v1/connections/{id}/users/{remote_id}", operation_id = "map_member", tag = "users",
    request_body = MapRequest,
    params(
        ("id" = String, Path, description = "The connection's id"),
        ("remote_id" = String, Path, description = "The member's id at the remote service")),
    responses((status = 200, body = MemberView), Problems))]
pub(in crate::server) async fn map(
    State(state): State<AppState>,
    ApiPath((id, remote_id)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<MapRequest>,
) -> Result<Json<MemberView>, ApiError> {
    let id = ConnectionId::new(id);
    let remote_id = RemoteUserId::new(remote_id);
    let user = request.user_id.map(UserId::new);
    let member = state
        .try_complete(
            |service| async move { service.map_user(&id, &remote_id, user.as_ref()).await },
        )
        .await?;
    Ok(Json(member.into()))
}
