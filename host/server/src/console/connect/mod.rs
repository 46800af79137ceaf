//! Connecting: the secrets, Test Connection, the choice of what to connect, and what goes on until it
//! is connected. Also new secrets for what is connected.

mod choice;
mod connect_form;
mod drafts;
mod offers;
mod progress;
mod secrets;
mod start;
mod token;

use axum::Router;
use axum::routing::get;

pub use self::drafts::Drafts;
use crate::state::AppState;

/// The pages of connecting.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/connect", get(start::show))
        // Reloading the answer of a failed test leads back to the form.
        .route("/connect/test", get(start::again).post(start::test))
        .route("/connect/{draft}", get(choice::show).post(choice::connect))
        .route("/connect/{draft}/{scope}", get(progress::show))
        .route(
            "/connections/{id}/token",
            get(token::show).post(token::replace),
        )
}
