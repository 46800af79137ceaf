//! Comparing a connection with the remote service now.

use axum::extract::State;
use axum::response::Response;

use super::overview::{Failure, again};
use super::{Tab, find};
use crate::sentence::sentence;
use crate::server::console::notice::Notice;
use crate::server::console::problem::ConsoleError;
use crate::server::console::viewer::Viewer;
use crate::server::extract::ApiPath;
use crate::server::state::AppState;

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
    // The check has changed it.
    let connection = find(&state, id.as_str()).await?;
    let message = match health {
        Ok(health) => health.problem.map(|problem| problem.error.message),
        Err(error) => Some(error.message),
    };
    match message {
        None => Ok(viewer.see_other(&Notice::Checked.on(&Tab::Overview.address(&connection)))),
        Some(message) => {
            let message = format!("The check found a problem. {}", sentence(&message));
            again(&state, &viewer, &connection, Failure::Check(message)).await
        }
    }
}
