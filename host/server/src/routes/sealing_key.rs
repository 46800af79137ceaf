//! Sealing keys.

use axum::Json;
use axum::extract::State;

use crate::api::{RotationView, SealingKeyView};
use crate::error::ApiError;
use crate::openapi::Problems;
use crate::state::AppState;

/// Which sealing keys there are, by their ids, and how far a rotation is.
#[utoipa::path(get, path = "/api/v1/sealing-key", operation_id = "show_sealing_key", tag = "operations",
    responses((status = 200, body = SealingKeyView), Problems))]
pub(crate) async fn show_sealing_key(State(state): State<AppState>) -> Json<SealingKeyView> {
    Json(state.service.sealing_key().into())
}

/// Seals everything again with another key while the host works: with a new one, or with the first of
/// those there are if an earlier rotation, or whoever keeps the keys, left that to do. This may take long.
#[utoipa::path(post, path = "/api/v1/sealing-key/rotate", operation_id = "rotate_sealing_key", tag = "operations",
    responses((status = 200, body = RotationView), Problems))]
pub(crate) async fn rotate_sealing_key(
    State(state): State<AppState>,
) -> Result<Json<RotationView>, ApiError> {
    let rotation = state
        .try_complete(|service| async move { service.rotate_sealing_key().await })
        .await?;
    Ok(Json(rotation.into()))
}
