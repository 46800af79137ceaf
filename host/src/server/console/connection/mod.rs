//! The pages of one connection.

mod users;

use axum::Router;
use maud::{Markup, html};

use super::elements::{connection_status, heading};
use crate::ledger::Connection;
use crate::server::state::AppState;

/// Their routes.
pub(super) fn routes() -> Router<AppState> {
    users::routes()
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
