//! Users of the platform, teams, and the mapping between them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{given, parse_count, parse_flag, parse_limit};
use crate::api::{
    Earlier, ImportedTeam, MapRequest, MatchedByView, MemberList, MemberView, UserList,
};
use crate::error::ApiError;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};
use integration_host_contract::sentence::shorten;
use integration_host_ledger::{ImportLimits, MatchedBy, MemberFilter};

/// Which users to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// Part of a name, e-mail address or id; case does not matter.
    #[serde(default)]
    query: String,
}

/// The platform's users.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "search_users", tag = "users", params(UserQuery),
    responses((status = 200, body = UserList), Problems))]
pub(crate) async fn search(
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
pub(crate) struct TeamQuery {
    /// Part of a member's name or e-mail address, or of the name of the user they are mapped to; case does
    /// not matter.
    query: Option<String>,
    /// `true`: only members who are mapped to nobody.
    #[param(value_type = Option<bool>)]
    unmapped: Option<String>,
    /// Only members whose mapping was decided so.
    #[param(value_type = Option<MatchedByView>)]
    matched_by: Option<String>,
    /// `true`: only members whose mapping should be looked at: those with a `doubt`.
    #[param(value_type = Option<bool>)]
    in_doubt: Option<String>,
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
            in_doubt: parse_flag("in_doubt", self.in_doubt.as_deref())?.unwrap_or_default(),
        })
    }
}

/// A connection's team and its mappings.
#[utoipa::path(get, path = "/api/v1/connections/{id}/users", operation_id = "list_team", tag = "users",
    params(("id" = String, Path, description = "The connection's id"), TeamQuery),
    responses((status = 200, body = MemberList), Problems))]
pub(crate) async fn list(
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

/// How many mappings that earlier imports made may be changed.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// At most so many members are given to the users who have their addresses now; if there are more, none is. A few
    /// unless said.
    #[param(value_type = Option<u64>)]
    moves: Option<String>,
    /// At most so many mappings are removed that no address confirms any more; if there are more, none is. None unless
    /// said.
    #[param(value_type = Option<u64>)]
    removals: Option<String>,
}

impl ImportQuery {
    fn limits(&self) -> Result<ImportLimits, ApiError> {
        let usual = ImportLimits::default();
        Ok(ImportLimits {
            moves: parse_count("moves", self.moves.as_deref())?.unwrap_or(usual.moves),
            removals: parse_count("removals", self.removals.as_deref())?.unwrap_or(usual.removals),
        })
    }
}

/// Imports the team again. What a person mapped stays; what earlier imports mapped is changed within limits, and what is
/// beyond them is asked about.
#[utoipa::path(post, path = "/api/v1/connections/{id}/users/refresh", operation_id = "refresh_team", tag = "users",
    params(("id" = String, Path, description = "The connection's id"), ImportQuery),
    responses((status = 200, body = ImportedTeam), Problems))]
pub(crate) async fn refresh(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<ImportQuery>,
) -> Result<Json<ImportedTeam>, ApiError> {
    let id = ConnectionId::new(id);
    let limits = query.limits()?;
    let imported = state
        .try_complete(|service| async move {
            let changes = service.refresh_users(&id, &limits).await?;
            let everybody = service.all_users(&id, &MemberFilter::default()).await?;
            Ok(ImportedTeam {
                team: MemberList::new(&service.connection(&id).await?, everybody),
                import: changes.into(),
            })
        })
        .await?;
    Ok(Json(imported))
}

/// Maps a member by hand, to a user or to nobody.
#[utoipa::path(put, path = "/api/v1/connections/{id}/users/{remote_id}", operation_id = "map_member", tag = "users",
    request_body = MapRequest,
    params(
        ("id" = String, Path, description = "The connection's id"),
        ("remote_id" = String, Path, description = "The member's id at the remote service")),
    responses((status = 200, body = MemberView), Problems))]
pub(crate) async fn map(
    State(state): State<AppState>,
    ApiPath((id, remote_id)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<MapRequest>,
) -> Result<Json<MemberView>, ApiError> {
    let id = ConnectionId::new(id);
    let remote_id = RemoteUserId::new(remote_id);
    let user = request.user_id.map(UserId::new);
    let keeps_earlier = request.earlier == Earlier::Stays;
    let member = state
        .try_complete(|service| async move {
            let user = user.as_ref();
            (service.map_user(&id, &remote_id, user, keeps_earlier)).await
        })
        .await?;
    Ok(Json(member.into()))
}
