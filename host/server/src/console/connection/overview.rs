//! Overview: how a connection is, what it is, and what can be done with it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::html;

use super::reconcile::RangeForm;
use super::{Tab, facts, find, frame, missing, rates, reconcile, rename, status};
use crate::console::elements::problem;
use crate::console::notice::NoticeQuery;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host_ledger::Connection;

/// The page.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ApiQuery(notice): ApiQuery<NoticeQuery>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    page(&state, &viewer, &connection, &notice, &Failure::None).await
}

/// What could not be done, and what somebody had typed.
pub(super) enum Failure {
    None,
    Check(String),
    Rename { name: String, problem: String },
    Reconcile { range: RangeForm, problem: String },
}

/// The page again, with what could not be done.
pub(super) async fn again(
    state: &AppState,
    viewer: &Viewer,
    connection: &Connection,
    failure: Failure,
) -> Result<Response, ConsoleError> {
    let page = page(state, viewer, connection, &NoticeQuery::default(), &failure).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn page(
    state: &AppState,
    viewer: &Viewer,
    connection: &Connection,
    notice: &NoticeQuery,
    failure: &Failure,
) -> Result<Response, ConsoleError> {
    let service = &state.service;
    let manifest = service.manifest();
    let remote = &manifest.name;
    let background = status::Background {
        names_are_loading: service.names_are_loading(&connection.id),
        gap_waits_for: service.gap_waits_for(connection).await?,
        unread: service.unread_time(&connection.id).await?,
    };
    let content = html! {
        (notice.show())
        @if let Failure::Check(message) = failure { (problem(message)) }
        (status::card(connection, remote, &background, viewer))
        (missing::card(state, connection, remote).await?)
        div class="columns even" {
            (facts::card(connection, manifest, viewer))
            (rates::card(state, connection, viewer).await?)
        }
        div class="columns even" {
            (rename::card(connection, failure))
            (reconcile::card(connection, remote, failure))
        }
        section class="card" aria-labelledby="end" {
            h2 id="end" { "Disconnect" }
            p class="subtle" { "Ends it here and at " (remote) ". Time that has arrived stays." }
            p { a class="button secondary" href=(format!("connections/{}/disconnect", connection.id)) { "Disconnect…" } }
        }
    };
    Ok(Page::new(&connection.name)
        .section(Section::Services)
        .render(viewer, frame(connection, Tab::Overview, content)))
}
