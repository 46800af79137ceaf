//! The pages of one connection.

mod activity;
mod check;
mod deliveries;
mod delivery_row;
mod disconnect;
mod facts;
mod missing;
mod overview;
mod paging;
mod rates;
mod reconcile;
mod rename;
mod replay;
mod status;
mod users;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::elements::{connection_status, heading};
use super::problem::ConsoleError;
use super::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::Connection;

/// The pages of a connection.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/connections/{id}", get(overview::show))
        .route(
            "/connections/{id}/name",
            post(rename::save).get(to_overview),
        )
        .route(
            "/connections/{id}/check",
            post(check::check).get(to_overview),
        )
        .route(
            "/connections/{id}/take-over",
            post(check::take_over).get(to_overview),
        )
        .route(
            "/connections/{id}/separate",
            post(check::separate).get(to_overview),
        )
        .route(
            "/connections/{id}/reconcile",
            post(reconcile::reconcile).get(to_overview),
        )
        .route(
            "/connections/{id}/take-back",
            post(missing::take_back).get(to_overview),
        )
        .route(
            "/connections/{id}/read-unread",
            post(reconcile::unread).get(to_overview),
        )
        .route(
            "/connections/{id}/read-gap",
            post(reconcile::gap).get(to_overview),
        )
        .route(
            "/connections/{id}/disconnect",
            get(disconnect::show).post(disconnect::disconnect),
        )
        .route("/connections/{id}/activity", get(activity::show))
        .route("/connections/{id}/deliveries", get(deliveries::show))
        .route(
            "/connections/{id}/deliveries/replay",
            post(replay::all).get(to_deliveries),
        )
        .route(
            "/connections/{id}/deliveries/{delivery}/replay",
            post(replay::one).get(to_deliveries_from_one),
        )
        .merge(users::routes())
}

/// The connection, which somebody may have disconnected while its page was open.
pub(super) async fn find(
    state: &AppState,
    id: impl Into<String>,
) -> Result<Connection, ConsoleError> {
    match state.service.connection(&ConnectionId::new(id)).await {
        Err(error) if error.code == ErrorCode::NotFound => Err(ConsoleError::connection_gone()),
        found => Ok(found?),
    }
}

/// What is shown of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Users,
    Activity,
    Deliveries,
}

impl Tab {
    const ALL: [Self; 4] = [
        Self::Overview,
        Self::Users,
        Self::Activity,
        Self::Deliveries,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Users => "Users",
            Self::Activity => "Activity",
            Self::Deliveries => "Deliveries",
        }
    }

    /// Its address, relative to the console's root.
    pub(super) fn address(self, connection: &Connection) -> String {
        let id = &connection.id;
        match self {
            Self::Overview => format!("connections/{id}"),
            Self::Users => format!("connections/{id}/users"),
            Self::Activity => format!("connections/{id}/activity"),
            Self::Deliveries => format!("connections/{id}/deliveries"),
        }
    }
}

/// What stands above every page of a connection: the way back, its name and status, the tabs.
pub(super) fn frame(connection: &Connection, tab: Tab, content: Markup) -> Markup {
    html! {
        nav class="trail" aria-label="Breadcrumb" {
            a href="./" { "Services" } span aria-hidden="true" { " › " } span { (connection.name) }
        }
        (heading(&connection.name, connection_status(connection)))
        nav class="tabs" aria-label="Connection" {
            @for one in Tab::ALL {
                a href=(one.address(connection)) aria-current=[(one == tab).then_some("page")] { (one.name()) }
            }
        }
        (content)
    }
}

/// Whoever comes back to the address of an action sees what it was about.
async fn to_overview(viewer: Viewer, ApiPath(id): ApiPath<String>) -> Response {
    viewer.see_other(&format!("connections/{id}"))
}

async fn to_deliveries(viewer: Viewer, ApiPath(id): ApiPath<String>) -> Response {
    viewer.see_other(&format!("connections/{id}/deliveries"))
}

async fn to_deliveries_from_one(
    viewer: Viewer,
    ApiPath((id, _)): ApiPath<(String, String)>,
) -> Response {
    viewer.see_other(&format!("connections/{id}/deliveries"))
}
