//! Users of the platform, teams, and the mapping between them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{given, parse_flag, parse_limit};
use crate::api::{MapRequest, MatchedByView, MemberList, MemberView, UserList};
use crate::id::{ConnectionId, RemoteUserId, UserId};
use crate::ledger::{MatchedBy, MemberFilter};
use crate::sentence::shorten;
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

/// Which members of a team to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct TeamQuery {
    /// Part of a member's name or e-mail address, or of the name of the user they are mapped to; case does
    /// not matter.
    query: Option<String>,
    /// `true`: only members who are mapped to nobody.
    #[param(value_type = Option<bool>)]
    unmapped: Option<String>,
    /// Only members whose mapping was decided so.
    #[param(value_type = Option<MatchedByView>)]
    matched_by: Option<String>,
    /// At most so many; all unless this or a cursor is given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl TeamQuery {
    fn filter(&self) -> Result<MemberFilter, ApiError> {
        let matched_by = match given(self.matched_by.as_deref()) {
            None => None,
            Some("email") => Some(MatchedBy::Email),
            Some("manual") => Some(MatchedBy::Manual),
            Some(other) => {
                return Err(ApiError::malformed(format!(
                    "`matched_by` is “{}”; it must be email or manual",
                    shorten(other)
                )));
            }
        };
        Ok(MemberFilter {
            query: self.query.clone(),
            unmapped: parse_flag("unmapped", self.unmapped.as_deref())?.unwrap_or_default(),
            matched_by,
        })
    }
}

/// A connection's team and its mappings.
#[utoipa::path(get, path = "/api/v1/connections/{id}/users", operation_id = "list_team", tag = "users",
    params(("id" = String, Path, description = "The connection's id"), TeamQuery),
    responses((status = 200, body = MemberList), Problems))]
pub(in crate::server) async fn list(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<TeamQuery>,
) -> Result<Json<MemberList>, ApiError> {
    let id = ConnectionId::new(id);
    let filter = query.filter()?;
    let service = &state.service;
    let page = match (
        given(query.limit.as_deref()),
        given(query.cursor.as_deref()),
    ) {
        (None, None) => service.all_users(&id, &filter).await?,
        (limit, cursor) => {
            let limit = parse_limit(limit)?;
            service.users(&id, &filter, cursor, limit).await?
        }
    };
    Ok(Json(MemberList::new(&service.connection(&id).await?, page)))
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
    let list = state
        .try_complete(|service| async move {
            service.refresh_users(&id).await?;
            let everybody = service.all_users(&id, &MemberFilter::default()).await?;
            Ok(MemberList::new(&service.connection(&id).await?, everybody))
        })
        .await?;
    Ok(Json(list))
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
