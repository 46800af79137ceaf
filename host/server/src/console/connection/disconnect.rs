//! Disconnecting, which asks for the name.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::html;
use serde::Deserialize;

use super::{Tab, find};
use crate::console::elements::{Field, busy, heading, problem, text_field};
use crate::console::form::ConsoleForm;
use crate::console::notice::Notice;
use crate::console::page::{Page, Section};
use crate::console::problem::ConsoleError;
use crate::console::told::told;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host_contract::ErrorCode;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::Connection;

/// What is sent.
#[derive(Deserialize)]
pub(super) struct ConfirmationForm {
    #[serde(default)]
    name: String,
}

/// Why it was not done.
enum Failure {
    OtherName(String),
    Impossible(String),
}

/// What it means, and the form.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    Ok(page(&state, &viewer, &connection, None))
}

/// Disconnects if the name is the right one.
pub(super) async fn disconnect(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(sent): ConsoleForm<ConfirmationForm>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let id = connection.id.clone();
    let failure = if as_shown(&sent.name) == as_shown(&connection.name) {
        let done = state
            .complete(|service| async move { service.disconnect(&id).await })
            .await?;
        match done {
            Ok(None) => return Ok(viewer.see_other(&Notice::Disconnected.on("./"))),
            Ok(Some(stays)) => return Ok(what_stays(&viewer, &connection, &stays)),
            Err(error) => Failure::Impossible(sentence(&error.message)),
        }
    } else {
        Failure::OtherName(sent.name)
    };
    let page = page(&state, &viewer, &connection, Some(failure));
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The end of a connection of which something is left at the remote service.
fn what_stays(viewer: &Viewer, connection: &Connection, stays: &str) -> Response {
    let content = html! {
        div class="narrow" {
            (heading(&format!("“{}” was disconnected", connection.name), html! {}))
            div class="notice notice-busy" role="status" { p { (told(stays, &viewer.zone)) } }
            p { "The token was erased here, and no more time arrives. Time that has arrived stays." }
            p class="actions" {
                a class="button" href="connect" { "Connect it again" }
                a class="button secondary" href="./" { "To the services" }
            }
        }
    };
    Page::new("Disconnected")
        .section(Section::Services)
        .render(viewer, content)
}

/// Pages show runs of spaces as one.
fn as_shown(name: &str) -> Vec<&str> {
    name.split_whitespace().collect()
}

fn page(
    state: &AppState,
    viewer: &Viewer,
    connection: &Connection,
    failure: Option<Failure>,
) -> Response {
    let remote = &state.service.manifest().name;
    let overview = Tab::Overview.address(connection);
    let is_refused = (connection.attention.as_ref())
        .is_some_and(|attention| attention.code == ErrorCode::Unauthorized.as_str());
    let (typed, wrong) = match &failure {
        Some(Failure::OtherName(typed)) => (
            typed.as_str(),
            Some("This is not its name, so nothing was done. Type it as it stands above."),
        ),
        _ => ("", None),
    };
    let content = html! {
        div class="narrow" {
            nav class="trail" aria-label="Breadcrumb" {
                a href="./" { "Services" } span aria-hidden="true" { " › " }
                a href=(overview) { (connection.name) } span aria-hidden="true" { " › " }
                span { "Disconnect" }
            }
            (heading(&format!("Disconnect “{}”?", connection.name), html! {}))
            @if let Some(Failure::Impossible(message)) = &failure { (problem(message)) }
            div class="notice" {
                p {
                    "Is it only about the token? "
                    a href=(format!("connections/{}/token", connection.id)) { "Give a new token instead" }
                    ": the webhook goes on, and nothing is missed."
                    @if is_refused {
                        " " (remote) " refuses the present one, so that disconnecting could not delete the webhook there."
                    }
                }
            }
            section class="card" aria-labelledby="gone" {
                h2 id="gone" { "What will be deleted" }
                ul class="bullets" {
                    li { "The webhook at " (remote) ": no more time arrives." }
                    li { "The token and everything the integration has stored for this connection." }
                }
                h2 { "What stays" }
                ul class="bullets" {
                    li { "All time that has arrived, and who is mapped to whom." }
                    li { "Everything at " (remote) " except the webhook." }
                }
                p class="subtle" {
                    "Connecting " (connection.scope_name) " again continues where this ends. Timers that run now stop counting here until then. "
                    "Time logged in between is read only if somebody asks for it."
                }
            }
            form class="card stack" method="post" action=(format!("connections/{}/disconnect", connection.id)) {
                p { "To make sure that it is the right one, type its name: " strong { (connection.name) } }
                (text_field(&Field {
                    name: "name",
                    label: "Name of the connection",
                    value: typed,
                    problem: wrong,
                    autofocus: wrong.is_some(),
                    ..Field::default()
                }))
                div class="actions" {
                    button class="danger" { "Disconnect" }
                    a class="button secondary" href=(overview) { "Keep it" }
                }
                (busy("Disconnecting…"))
            }
        }
    };
    Page::new("Disconnect")
        .section(Section::Services)
        .render(viewer, content)
}
