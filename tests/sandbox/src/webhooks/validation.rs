//! `GET /validate/{ws}/{id}/{code}`: validation by link, without credentials.

use std::sync::Arc;

use axum::extract::{Path, State};

use crate::{api_error::ApiError, shared::Shared};

pub(crate) async fn validate(
    State(shared): State<Arc<Shared>>,
    Path((workspace_id, subscription_id, code)): Path<(i64, i64, String)>,
) -> Result<&'static str, ApiError> {
    shared.change(|world| {
        let now = world.now();
        let subscription = world
            .subscriptions
            .get_mut(&subscription_id)
            .filter(|subscription| subscription.workspace_id == workspace_id && subscription.validation_code == code)
            .ok_or_else(|| {
                let text = format!("subscription {subscription_id} for workspace {workspace_id} and validation code '{code}' was not found");
                ApiError::bad_request(&text)
            })?;
        if subscription.validated_at.is_some() {
            return Err(ApiError::bad_request(&format!("subscription {subscription_id} has already been validated")));
        }
        subscription.validated_at = Some(now);
        Ok("OK")
    })
}
