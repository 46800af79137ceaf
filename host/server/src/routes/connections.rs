//! What can be connected, Test Connection, and connections.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{given, parse_limit};
use crate::api::time::{parse_from, parse_to};
use crate::api::{
    ConnectRequestBody, ConnectionList, ConnectionLog, ConnectionView, DisconnectedView,
    HealthView, IntegrationView, MissingList, ReconcileRequest, ReconcileResult, RenameRequest,
    ReplaceSecretsRequest, TakeBackRequest, TakenBack, TestReportView, TestRequest,
};
use crate::error::ApiError;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host::{ConnectRequest, HostError};
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_ledger::Connection;

/// The integration: the secrets it asks for, and what it calls things.
#[utoipa::path(get, path = "/api/v1/integration", operation_id = "show_integration", tag = "connections",
    responses((status = 200, body = IntegrationView), Problems))]
pub(crate) async fn integration(
    State(state): State<AppState>,
) -> Result<Json<IntegrationView>, ApiError> {
    Ok(Json(state.service.manifest().into()))
}

/// Test Connection: whose secrets these are and what they could connect. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/test", operation_id = "test_connection", tag = "connections", request_body = TestRequest,
    responses((status = 200, body = TestReportView), Problems))]
pub(crate) async fn test(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<TestRequest>,
) -> Result<Json<TestReportView>, ApiError> {
    let report = state.service.test(request.secrets.0).await?;
    Ok(Json(report.into()))
}

/// Connects a scope, subscribes to its webhook and imports its team. If any of it fails, nothing is left
/// behind. This may take a minute. A scope that is connected already is a conflict.
#[utoipa::path(post, path = "/api/v1/connections", operation_id = "connect", tag = "connections", request_body = ConnectRequestBody,
    responses(
        (status = 201, body = ConnectionView, headers(("location", description = "The connection's address"))),
        Problems))]
pub(crate) async fn connect(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<ConnectRequestBody>,
) -> Result<Response, ApiError> {
    let request = ConnectRequest {
        secrets: request.secrets.0,
        scope_id: ScopeId::new(request.scope_id),
        name: request.name,
    };
    let connection = state
        .try_complete(|service| async move { service.connect(request).await })
        .await?;
    let location = HeaderValue::try_from(format!("/api/v1/connections/{}", connection.id))
        .map_err(|_| ApiError::defect())?;
    let body = view(&state, connection);
    Ok((StatusCode::CREATED, [(LOCATION, location)], body).into_response())
}

/// All connections, oldest first.
#[utoipa::path(get, path = "/api/v1/connections", operation_id = "list_connections", tag = "connections",
    responses((status = 200, body = ConnectionList), Problems))]
pub(crate) async fn list(State(state): State<AppState>) -> Result<Json<ConnectionList>, ApiError> {
    let connections = state.service.connections().await?;
    Ok(Json(ConnectionList {
        connections: connections
            .into_iter()
            .map(|connection| view(&state, connection).0)
            .collect(),
    }))
}

/// One connection.
#[utoipa::path(get, path = "/api/v1/connections/{id}", operation_id = "show_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionView), Problems))]
pub(crate) async fn show(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<ConnectionView>, ApiError> {
    let service = &state.service;
    let connection = service.connection(&ConnectionId::new(id)).await?;
    let unread = service.unread_time(&connection.id).await?;
    let wait = service.gap_waits_for(&connection).await?;
    let Json(mut view) = view(&state, connection);
    view.unread = unread.map(Into::into);
    if let Some(gap) = &mut view.gap {
        gap.waits_for = wait.map(Into::into);
    }
    Ok(Json(view))
}

/// Which page of a log to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// At most so many, 100 unless given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What happened to a connection, newest first: gaps, repairs, what a person had to do.
#[utoipa::path(get, path = "/api/v1/connections/{id}/log", operation_id = "read_connection_log", tag = "connections",
    params(("id" = String, Path, description = "The connection's id"), LogQuery),
    responses((status = 200, body = ConnectionLog), Problems))]
pub(crate) async fn log(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiQuery(query): ApiQuery<LogQuery>,
) -> Result<Json<ConnectionLog>, ApiError> {
    let limit = parse_limit(query.limit.as_deref())?;
    let cursor = given(query.cursor.as_deref());
    let id = ConnectionId::new(id);
    let page = state.service.events(&id, cursor, limit).await?;
    Ok(Json(page.into()))
}

/// Renames a connection.
#[utoipa::path(patch, path = "/api/v1/connections/{id}", operation_id = "rename_connection", tag = "connections", request_body = RenameRequest,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionView), Problems))]
pub(crate) async fn rename(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<RenameRequest>,
) -> Result<Json<ConnectionView>, ApiError> {
    let id = ConnectionId::new(id);
    let connection = state.service.rename(&id, &request.name).await?;
    Ok(view(&state, connection))
}

/// Replaces a connection's secrets, after making sure that they reach the same scope. Mappings are kept.
#[utoipa::path(put, path = "/api/v1/connections/{id}/secrets", operation_id = "replace_secrets", tag = "connections",
    request_body = ReplaceSecretsRequest,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ConnectionView), Problems))]
pub(crate) async fn replace_secrets(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<ReplaceSecretsRequest>,
) -> Result<Json<ConnectionView>, ApiError> {
    let id = ConnectionId::new(id);
    let secrets = request.secrets.0;
    let connection = state
        .try_complete(|service| async move { service.replace_secrets(&id, secrets).await })
        .await?;
    Ok(view(&state, connection))
}

/// Removes the webhook at the remote service and erases secrets. Activities and mappings are kept;
/// connecting the scope again continues them. If the secrets give no access to the webhook any more, it stays, and the answer
/// says where to delete it.
#[utoipa::path(delete, path = "/api/v1/connections/{id}", operation_id = "disconnect", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses(
        (status = 204, description = "Disconnected, and nothing of it is left at the remote service"),
        (status = 200, body = DisconnectedView, description = "Disconnected, but something stays at the remote service"),
        Problems))]
pub(crate) async fn disconnect(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ApiError> {
    let id = ConnectionId::new(id);
    let stays = state
        .try_complete(|service| async move { service.disconnect(&id).await })
        .await?;
    Ok(match stays {
        Some(stays) => Json(DisconnectedView { stays }).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Compares a connection with the remote service and repairs what can be repaired. A connection with a
/// problem is a successful answer that names it.
#[utoipa::path(post, path = "/api/v1/connections/{id}/check", operation_id = "check_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = HealthView), Problems))]
pub(crate) async fn check(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<HealthView>, ApiError> {
    let id = ConnectionId::new(id);
    let health = state
        .try_complete(|service| async move { service.check(&id).await })
        .await?;
    Ok(Json(health.into()))
}

/// Has the gap of a connection read at once, also with the requests that are kept for people. It is read in the background.
#[utoipa::path(post, path = "/api/v1/connections/{id}/gap/read", operation_id = "read_gap", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 202, description = "It is being read"), Problems))]
pub(crate) async fn read_gap(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    state.service.read_gap_now(&ConnectionId::new(id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Takes a connection's webhook over from another copy of this host, and checks the connection.
#[utoipa::path(post, path = "/api/v1/connections/{id}/take-over", operation_id = "take_over_webhook", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = HealthView), Problems))]
pub(crate) async fn take_over(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<HealthView>, ApiError> {
    let id = ConnectionId::new(id);
    let health = state
        .try_complete(|service| async move { service.take_over(&id).await })
        .await?;
    Ok(Json(health.into()))
}

/// Gives a connection of a copied host a hook and a webhook of its own, beside those of the other copy, and checks it.
#[utoipa::path(post, path = "/api/v1/connections/{id}/separate", operation_id = "separate_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = HealthView), Problems))]
pub(crate) async fn separate(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<HealthView>, ApiError> {
    let id = ConnectionId::new(id);
    let health = state
        .try_complete(|service| async move { service.separate(&id).await })
        .await?;
    Ok(Json(health.into()))
}

/// Reads a range of activities from the remote service, to close a gap in deliveries.
#[utoipa::path(post, path = "/api/v1/connections/{id}/reconcile", operation_id = "reconcile_connection", tag = "connections",
    request_body = ReconcileRequest,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ReconcileResult), Problems))]
pub(crate) async fn reconcile(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<ReconcileRequest>,
) -> Result<Json<ReconcileResult>, ApiError> {
    let field = |name: &'static str| move |what| HostError::invalid(format!("`{name}`: {what}"));
    let id = ConnectionId::new(id);
    let from = parse_from(&request.from).map_err(field("from"))?;
    let to = parse_to(&request.to).map_err(field("to"))?;
    if from >= to {
        return Err(HostError::invalid("`from` must be before `to`").into());
    }
    let applied = state
        .try_complete(|service| async move { service.reconcile(&id, from, to).await })
        .await?;
    Ok(Json(applied.into()))
}

/// Activities that the remote service does not list any more, and what was concluded from that.
#[utoipa::path(get, path = "/api/v1/connections/{id}/missing", operation_id = "list_missing", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = MissingList), Problems))]
pub(crate) async fn missing(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<MissingList>, ApiError> {
    let missing = state.service.missing(&ConnectionId::new(id)).await?;
    Ok(Json(missing.into()))
}

/// Takes back that activities were marked as deleted because the remote service does not list them.
#[utoipa::path(post, path = "/api/v1/connections/{id}/missing/take-back", operation_id = "take_back_missing", tag = "connections",
    request_body = TakeBackRequest,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = TakenBack), Problems))]
pub(crate) async fn take_back(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<TakeBackRequest>,
) -> Result<Json<TakenBack>, ApiError> {
    let id = ConnectionId::new(id);
    let entries = request.entry_ids;
    let taken_back = state
        .try_complete(|service| async move { service.take_back(&id, entries.as_deref()).await })
        .await?;
    Ok(Json(TakenBack { taken_back }))
}

fn view(state: &AppState, connection: Connection) -> Json<ConnectionView> {
    let callback_url = state.service.callback_url(&connection.hook);
    Json(ConnectionView::new(connection, callback_url))
}
