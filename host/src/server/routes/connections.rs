//! Test Connection, and connections.

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
    ConnectRequestBody, ConnectionList, ConnectionLog, ConnectionView, HealthView,
    ReconcileRequest, ReconcileResult, RenameRequest, ReplaceSecretsRequest, TestReportView,
    TestRequest,
};
use crate::id::{ConnectionId, ScopeId};
use crate::ledger::Connection;
use crate::server::error::ApiError;
use crate::server::extract::{ApiJson, ApiPath, ApiQuery};
use crate::server::openapi::Problems;
use crate::server::state::AppState;
use crate::service::{ConnectRequest, ServiceError};

/// Test Connection: whose secrets these are and what they could connect. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/test", operation_id = "test_connection", tag = "connections", request_body = TestRequest,
    responses((status = 200, body = TestReportView), Problems))]
pub(in crate::server) async fn test(
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
pub(in crate::server) async fn connect(
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
pub(in crate::server) async fn list(
    State(state): State<AppState>,
) -> Result<Json<ConnectionList>, ApiError> {
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
pub(in crate::server) async fn show(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<ConnectionView>, ApiError> {
    let connection = state.service.connection(&ConnectionId::new(id)).await?;
    Ok(view(&state, connection))
}

/// Which page of a log to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct LogQuery {
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
pub(in crate::server) async fn log(
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
pub(in crate::server) async fn rename(
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
pub(in crate::server) async fn replace_secrets(
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
/// connecting the scope again continues them.
#[utoipa::path(delete, path = "/api/v1/connections/{id}", operation_id = "disconnect", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 204, description = "Disconnected"), Problems))]
pub(in crate::server) async fn disconnect(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let id = ConnectionId::new(id);
    state
        .try_complete(|service| async move { service.disconnect(&id).await })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Compares a connection with the remote service and repairs what can be repaired. A connection with a
/// problem is a successful answer that names it.
#[utoipa::path(post, path = "/api/v1/connections/{id}/check", operation_id = "check_connection", tag = "connections",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = HealthView), Problems))]
pub(in crate::server) async fn check(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<HealthView>, ApiError> {
    let id = ConnectionId::new(id);
    let health = state
        .try_complete(|service| async move { service.check(&id).await })
        .await?;
    Ok(Json(health.into()))
}

/// Reads a range of activities from the remote service, to close a gap in deliveries.
#[utoipa::path(post, path = "/api/v1/connections/{id}/reconcile", operation_id = "reconcile_connection", tag = "connections",
    request_body = ReconcileRequest,
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, body = ReconcileResult), Problems))]
pub(in crate::server) async fn reconcile(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    ApiJson(request): ApiJson<ReconcileRequest>,
) -> Result<Json<ReconcileResult>, ApiError> {
    let field = |name: &'static str| move |what| ServiceError::invalid(format!("`{name}`: {what}"));
    let id = ConnectionId::new(id);
    let from = parse_from(&request.from).map_err(field("from"))?;
    let to = parse_to(&request.to).map_err(field("to"))?;
    if from >= to {
        return Err(ServiceError::invalid("`from` must be before `to`").into());
    }
    let applied = state
        .try_complete(|service| async move { service.reconcile(&id, from, to).await })
        .await?;
    Ok(Json(applied.into()))
}

fn view(state: &AppState, connection: Connection) -> Json<ConnectionView> {
    let callback_url = state.service.callback_url(&connection.hook);
    Json(ConnectionView::new(connection, callback_url))
}
