//! The Users tab: a connection's team and whom its members are mapped to.

mod change;
mod list;
mod member;
mod outcome;
mod view;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use maud::Markup;
use serde::Deserialize;

use self::outcome::OutcomeQuery;
use self::view::View;
use super::{Tab, find, frame};
use crate::console::elements::problem;
use crate::console::form::ConsoleForm;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::error::status_of;
use crate::extract::{ApiPath, ApiQuery};
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::{ImportLimits, Member, MemberFilter};

/// Members on one page.
const PAGE: usize = 50;

/// The tab's pages.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/connections/{id}/users", get(show).post(import))
        .route(
            "/connections/{id}/users/{remote}",
            get(member::show).post(change::change),
        )
}

async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ApiQuery(view): ApiQuery<View>,
    ApiQuery(outcome): ApiQuery<OutcomeQuery>,
) -> Result<Response, ConsoleError> {
    let id = ConnectionId::new(id);
    let message = outcome::show(&state.service, &id, &view, &outcome).await?;
    page(&state, &viewer, &id, &view, message).await
}

/// What a person confirms who imports the team again: as many as the page said.
#[derive(Debug, Deserialize)]
struct ImportForm {
    moves: Option<u64>,
    removals: Option<u64>,
}

/// Imports the team again.
async fn import(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ApiQuery(view): ApiQuery<View>,
    ConsoleForm(form): ConsoleForm<ImportForm>,
) -> Result<Response, ConsoleError> {
    let id = ConnectionId::new(id);
    let connection = id.clone();
    let usual = ImportLimits::default();
    let limits = ImportLimits {
        moves: form.moves.unwrap_or(usual.moves),
        removals: form.removals.unwrap_or(usual.removals),
    };
    let imported = state
        .complete(|service| async move { service.refresh_users(&connection, &limits).await })
        .await?;
    match imported {
        Ok(changes) => Ok(viewer.see_other(&outcome::imported(&changes).on(&view, &id))),
        Err(error) => failed(&state, &viewer, &id, &view, &error).await,
    }
}

/// The list again, with what went wrong.
async fn failed(
    state: &AppState,
    viewer: &Viewer,
    id: &ConnectionId,
    view: &View,
    error: &HostError,
) -> Result<Response, ConsoleError> {
    let message = problem(&sentence(&error.message));
    let page = page(state, viewer, id, view, message).await?;
    Ok((status_of(error.code), page).into_response())
}

async fn page(
    state: &AppState,
    viewer: &Viewer,
    id: &ConnectionId,
    view: &View,
    message: Markup,
) -> Result<Response, ConsoleError> {
    let service = &state.service;
    let connection = find(state, id.as_str()).await?;
    let members = service
        .users(id, &view.filter(), view.cursor(), PAGE)
        .await?;
    let in_doubt = MemberFilter {
        in_doubt: true,
        ..MemberFilter::default()
    };
    let in_doubt = service.users(id, &in_doubt, None, 1).await?.matching;
    let title = format!("Users of {}", connection.name);
    let content = list::render(&connection, view, &members, in_doubt, message);
    Ok(Page::new(&title)
        .section(Section::Services)
        .script("users.js")
        .render(viewer, frame(&connection, Tab::Users, content)))
}

/// What to call a member.
fn name(member: &Member) -> &str {
    let remote_user = &member.remote_user;
    if remote_user.name.trim().is_empty() {
        remote_user.id.as_str()
    } else {
        &remote_user.name
    }
}
