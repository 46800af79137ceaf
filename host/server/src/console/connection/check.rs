//! Comparing a connection with the remote service now.

use axum::extract::State;
use axum::response::Response;

use super::overview::{Failure, again};
use super::{Tab, find};
use crate::console::notice::Notice;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::Health;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;

/// Checks, and says what was found.
pub(super) async fn check(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let id = find(&state, id).await?.id;
    let checked = id.clone();
    let health = state
        .complete(|service| async move { service.check(&checked).await })
        .await?;
    told(&state, &viewer, &id, health).await
}

/// Takes the webhook over from another copy of this host.
pub(super) async fn take_over(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let id = find(&state, id).await?.id;
    let taken = id.clone();
    let health = state
        .complete(|service| async move { service.take_over(&taken).await })
        .await?;
    told(&state, &viewer, &id, health).await
}

/// Gives the connection a webhook of its own beside that of another copy of this host.
pub(super) async fn separate(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let id = find(&state, id).await?.id;
    let separated = id.clone();
    let health = state
        .complete(|service| async move { service.separate(&separated).await })
        .await?;
    told(&state, &viewer, &id, health).await
}

async fn told(
    state: &AppState,
    viewer: &Viewer,
    id: &ConnectionId,
    health: Result<Health, HostError>,
) -> Result<Response, ConsoleError> {
    // The check has changed it.
    let connection = find(state, id.as_str()).await?;
    let message = match health {
        Ok(health) => health.problem.map(|problem| problem.error.message),
        Err(error) => Some(error.message),
    };
    match message {
        None => Ok(viewer.see_other(&Notice::Checked.on(&Tab::Overview.address(&connection)))),
        Some(message) => {
            let message = format!("The check found a problem. {}", sentence(&message));
            again(state, viewer, &connection, Failure::Check(message)).await
        }
    }
}
