//! Pings: what a callback must answer before Toggl trusts it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    deliver::post,
    event,
    outbox::Attempt,
    subscriptions::{find, membership},
};
use crate::{api_error::ApiError, call::Call, shared::Shared};

/// Pings a subscription's callback; an answer that echoes the validation code validates it.
///
/// # Errors
/// What the callback did instead of answering 2xx, in the words of Toggl's 400s.
pub(crate) async fn ping(
    shared: &Shared,
    subscription_id: i64,
    expected: &str,
) -> Result<(), String> {
    let prepared = shared.read(|world| {
        let subscription = world.subscriptions.get(&subscription_id)?;
        let body = event::ping_body(subscription, world.now(), &shared.base_url);
        Some((subscription.clone(), body, world.delivery.timeout_ms))
    });
    let Some((subscription, body, timeout_ms)) = prepared else {
        return Ok(());
    };
    let attempt = post(shared, &subscription, body, timeout_ms).await;
    let url = &subscription.url_callback;
    match attempt {
        Attempt {
            status: Some(200..=299),
            answer,
            ..
        } => {
            let echoed = serde_json::from_str::<Value>(&answer).ok();
            let code = echoed
                .as_ref()
                .and_then(|answer| answer.get("validation_code"))
                .and_then(Value::as_str);
            if code == Some(subscription.validation_code.as_str()) {
                shared.change(|world| {
                    let now = world.now();
                    if let Some(subscription) = world.subscriptions.get_mut(&subscription_id) {
                        subscription.validated_at.get_or_insert(now);
                    }
                });
            }
            Ok(())
        }
        Attempt {
            status: Some(status),
            ..
        } => Err(format!(
            "URL endpoint {url} responded with status {status} instead of {expected}"
        )),
        Attempt { error, .. } => Err(format!(
            "URL endpoint {url} request failed with error: {}",
            error.unwrap_or_default()
        )),
    }
}

/// `POST /ping/{ws}/{id}`: also works on subscriptions that are disabled or not validated.
///
/// What the real API says when the callback fails is not documented; here the reason stands in `status`.
pub(crate) async fn ping_on_request(
    State(shared): State<Arc<Shared>>,
    call: Call,
    Path((workspace_id, subscription_id)): Path<(i64, i64)>,
) -> Result<Json<Value>, ApiError> {
    shared.read(|world| {
        membership(world, workspace_id, call.user_id)?;
        find(world, workspace_id, subscription_id, call.user_id).map(|_| ())
    })?;
    let status = ping(&shared, subscription_id, "2xx")
        .await
        .err()
        .unwrap_or_else(|| "OK".to_owned());
    Ok(Json(json!({ "status": status })))
}
