//! The delivery log.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{given, parse_limit};
use crate::api::{DeliveryList, DeliveryStatusView, DeliveryView, ReplayRequest, ReplayResult};
use crate::error::ApiError;
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_contract::sentence::shorten;
use integration_host_ledger::{DeliveryStatus, MAX_PAGE};

/// Which deliveries to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Of this connection only.
    connection: Option<String>,
    /// With this outcome only.
    #[param(value_type = Option<DeliveryStatusView>)]
    status: Option<String>,
    /// At most so many, 100 unless given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The delivery log, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", operation_id = "list_deliveries", tag = "deliveries", params(DeliveryQuery),
    responses((status = 200, body = DeliveryList), Problems))]
pub(crate) async fn list(
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<DeliveryQuery>,
) -> Result<Json<DeliveryList>, ApiError> {
    let connection = given(query.connection.as_deref()).map(ConnectionId::new);
    let status = given(query.status.as_deref())
        .map(parse_status)
        .transpose()?;
    let limit = parse_limit(query.limit.as_deref())?;
    let cursor = given(query.cursor.as_deref());
    let page = state
        .service
        .deliveries(connection.as_ref(), status, cursor, limit)
        .await?;
    Ok(Json(page.into()))
}

fn parse_status(name: &str) -> Result<DeliveryStatus, ApiError> {
    DeliveryStatus::from_name(name).ok_or_else(|| {
        ApiError::malformed(format!(
            "`status` is “{}”; it must be one of {}",
            shorten(name),
            DeliveryStatus::ALL.map(DeliveryStatus::as_str).join(", ")
        ))
    })
}

/// Handles a failed delivery again.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/replay", operation_id = "replay_delivery", tag = "deliveries",
    params(("id" = String, Path, description = "The delivery's id in this host's log")),
    responses((status = 200, body = DeliveryView), Problems))]
pub(crate) async fn replay(
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<DeliveryView>, ApiError> {
    let id = DeliveryId::new(id);
    let delivery = state
        .try_complete(|service| async move { service.replay(&id).await })
        .await?;
    Ok(Json(delivery.into()))
}

/// Handles failed deliveries again, those that were tried the least often first. It ends after some
/// seconds even if there are more; ask again until none remain.
#[utoipa::path(post, path = "/api/v1/deliveries/replay", operation_id = "replay_deliveries", tag = "deliveries",
    request_body = ReplayRequest,
    responses((status = 200, body = ReplayResult), Problems))]
pub(crate) async fn replay_failed(
    State(state): State<AppState>,
    ApiJson(request): ApiJson<ReplayRequest>,
) -> Result<Json<ReplayResult>, ApiError> {
    let limit = usize::from(request.limit.unwrap_or(100));
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::malformed(format!(
            "`limit` is {limit}; it must be a number from 1 to {MAX_PAGE}"
        )));
    }
    let connection = request.connection.map(ConnectionId::new);
    let replayed = state
        .try_complete(|service| async move {
            service
                .replay_failed(connection.as_ref(), request.before, limit)
                .await
        })
        .await?;
    Ok(Json(replayed.into()))
}
