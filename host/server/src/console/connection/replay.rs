//! Handling failed deliveries again.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::deliveries::{address, again, parse_status};
use super::find;
use crate::console::form::ConsoleForm;
use crate::console::notice::Notice;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host_contract::id::DeliveryId;

/// How many are handled again at one press of the button.
const AT_ONCE: usize = 1000;

/// What is sent: the outcome that the list shows, to come back to.
#[derive(Deserialize)]
pub(super) struct ReplayForm {
    #[serde(default)]
    status: String,
}

/// Handles one again.
pub(super) async fn one(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath((id, delivery)): ApiPath<(String, String)>,
    ConsoleForm(sent): ConsoleForm<ReplayForm>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let list = address(&connection, parse_status(&sent.status)?);
    let delivery = DeliveryId::new(delivery);
    let replayed = state
        .complete(|service| async move { service.replay(&delivery).await })
        .await?;
    match replayed {
        Ok(_) => Ok(viewer.see_other(&Notice::Replayed.on(&list))),
        Err(error) => again(&state, &viewer, connection, &sent.status, &error).await,
    }
}

/// Handles all of a connection again.
pub(super) async fn all(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(sent): ConsoleForm<ReplayForm>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let list = address(&connection, parse_status(&sent.status)?);
    let id = connection.id.clone();
    let replayed = state
        .complete(|service| async move { service.replay_failed(Some(&id), None, AT_ONCE).await })
        .await?;
    let notice = match replayed {
        Err(error) => return again(&state, &viewer, connection, &sent.status, &error).await,
        Ok(replayed) if replayed.failed > 0 => Notice::ReplayFailed,
        Ok(replayed) if replayed.remaining > 0 => Notice::ReplayUnfinished,
        Ok(_) => Notice::ReplayedAll,
    };
    Ok(viewer.see_other(&notice.on(&list)))
}
