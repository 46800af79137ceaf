//! `GET /subscriptions/{ws}/{id}/events`: a subscription's events with their failed deliveries (in the 2022-24 documentation only).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    outbox::{DeliveryRecord, DeliveryState},
    subscriptions::{find, membership},
};
use crate::{
    api_error::ApiError,
    call::Call,
    shapes::{milliseconds, nanoseconds},
    shared::Shared,
};

/// Events a page; Toggl does not say.
const PAGE: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Offset {
    #[serde(default)]
    offset: usize,
}

pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, subscription_id)): Path<(i64, i64)>,
    Query(query): Query<Offset>,
) -> Result<Json<Value>, ApiError> {
    shared.read(|world| {
        membership(world, workspace_id, call.user_id)?;
        find(world, workspace_id, subscription_id, call.user_id)?;
        let records: Vec<&DeliveryRecord> = world
            .outbox
            .records()
            .rev()
            .filter(|record| record.subscription_id == subscription_id)
            .collect();
        let events: Vec<Value> = records
            .iter()
            .skip(query.offset)
            .take(PAGE)
            .map(|record| shape(record))
            .collect();
        Ok(Json(json!({ "total": records.len(), "events": events })))
    })
}

fn shape(record: &DeliveryRecord) -> Value {
    let failed = record.attempts.iter().filter(|attempt| {
        !attempt
            .status
            .is_some_and(|status| (200..300).contains(&status))
    });
    let last_failure = failed.clone().next_back();
    json!({
        "event_id": record.event_id,
        "created_at": milliseconds(record.created_at),
        "creator_id": record.creator_id,
        "metadata": record.metadata,
        "payload": record.payload,
        "delivered": record.state == DeliveryState::Delivered,
        "last_delivery_attempt": record.attempts.last().map(|attempt| nanoseconds(attempt.at)),
        "last_delivery_error": last_failure.map(|attempt| match attempt.status {
            Some(status) => format!("responded with status {status} instead of 2xx"),
            None => attempt.error.clone().unwrap_or_default(),
        }),
        "failed_delivery_attempts": failed.count(),
    })
}
