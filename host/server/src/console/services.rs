//! The services: what can be connected, and what is.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::elements::{connection_status, empty_state, heading, moment};
use super::notice::NoticeQuery;
use super::page::{Page, Section};
use super::problem::ConsoleError;
use super::told::told;
use super::viewer::Viewer;
use crate::extract::ApiQuery;
use crate::state::AppState;
use integration_host_contract::Noun;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::Connection;

/// Each integration and its connections.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiQuery(notice): ApiQuery<NoticeQuery>,
) -> Result<Response, ConsoleError> {
    let manifest = state.service.manifest();
    let noun = &manifest.scope_noun;
    let connections = state.service.connections().await?;
    let content = html! {
        (heading("Services", Markup::default()))
        (notice.show())
        section class="card" aria-labelledby="integration" {
            div class="card-head" {
                div {
                    h2 id="integration" { (manifest.name) }
                    p class="subtle" { (manifest.description) }
                }
                @if !connections.is_empty() {
                    a class="button" href="connect" { "Add another " (noun.singular) }
                }
            }
            @if connections.is_empty() {
                (empty_state("Nothing is connected yet", html! {
                    p { (connect_first(noun)) }
                    p { a class="button" href="connect" { "Connect" } }
                }))
            } @else {
                ul class="rows" {
                    @for connection in &connections { (row(connection, &viewer)) }
                }
            }
            p class="subtle small" { "Version " (manifest.version) }
        }
    };
    Ok(Page::new("Services")
        .section(Section::Services)
        .render(&viewer, content))
}

/// What to do where nothing is connected.
pub(super) fn connect_first(noun: &Noun) -> String {
    format!(
        "Connect {}, and the time its team logs arrives here as it is logged.",
        noun.with_article()
    )
}

fn row(connection: &Connection, viewer: &Viewer) -> Markup {
    html! {
        li class="row" {
            div class="row-main" {
                a class="row-title" href=(format!("connections/{}", connection.id)) { (connection.name) }
                p class="subtle" {
                    @if connection.name != connection.scope_name { (connection.scope_name) " · " }
                    (connection.users_mapped) " of " (connection.users_total) " mapped · "
                    @match connection.last_delivery_at {
                        Some(time) => { "last delivery " (moment(time, &viewer.zone)) }
                        None => { "no delivery yet" }
                    }
                }
                @if let Some(attention) = &connection.attention {
                    p class="row-problem" { (told(&sentence(&attention.message), &viewer.zone)) }
                }
            }
            (connection_status(connection))
        }
    }
}
