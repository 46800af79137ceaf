//! Webhooks API v1 (`/webhooks/api/v1`): subscriptions, their validation, and the deliveries they cause.

pub(crate) mod deliver;
pub(crate) mod event;
mod events_list;
pub(crate) mod outbox;
pub(crate) mod ping;
pub mod signature;
mod subscriptions;
mod validation;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post, put},
};
use serde_json::{Map, Value, json};

use crate::{
    api_error::ApiError,
    shared::Shared,
    world::{Action, Entity},
};

/// The routes below `/webhooks/api/v1`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/event_filters", get(event_filters))
        .route("/limits/{workspace}", get(limits))
        .route("/status", get(status))
        .route(
            "/subscriptions/{workspace}",
            get(subscriptions::list).post(subscriptions::create),
        )
        .route(
            "/subscriptions/{workspace}/{subscription}",
            put(subscriptions::update)
                .patch(subscriptions::set_enabled)
                .delete(subscriptions::delete),
        )
        .route(
            "/subscriptions/{workspace}/{subscription}/events",
            get(events_list::events),
        )
        .route(
            "/ping/{workspace}/{subscription}",
            post(ping::ping_on_request),
        )
        .route(
            "/validate/{workspace}/{subscription}/{code}",
            get(validation::validate),
        )
}

/// `GET /event_filters`: an object from entity to actions.
async fn event_filters() -> Json<Value> {
    let actions: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
    let filters: Map<String, Value> = Entity::ALL
        .iter()
        .map(|entity| (entity.as_str().to_owned(), json!(actions)))
        .collect();
    Json(Value::Object(filters))
}

/// `GET /limits/{ws}`.
async fn limits(
    State(shared): State<Arc<Shared>>,
    Path(workspace_id): Path<i64>,
) -> Result<Json<Value>, ApiError> {
    shared.read(|world| {
        let organization = world.organization_of(workspace_id).ok_or_else(|| {
            ApiError::literal(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                &format!("workspace {workspace_id} was not found"),
            )
        })?;
        let (webhooks, events) = organization.webhook_limits();
        Ok(Json(
            json!({ "max_webhooks": webhooks, "max_events_per_webhook": events }),
        ))
    })
}

/// `GET /status`.
async fn status() -> Json<Value> {
    Json(json!({ "status": "OK" }))
}
