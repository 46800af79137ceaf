//! What is marked as deleted because the remote service does not list it any more, and taking that back.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::overview::{Failure, again};
use super::status::action_form;
use super::{Tab, find};
use crate::console::notice::Notice;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host::MissingState;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::Connection;

/// The card; empty where nothing is marked. `remote` is what the remote service is called.
pub(super) async fn card(
    state: &AppState,
    connection: &Connection,
    remote: &str,
) -> Result<Markup, ConsoleError> {
    let missing = state.service.missing(&connection.id).await?;
    let marked = missing
        .iter()
        .filter(|one| one.state == MissingState::Marked);
    let marks = match marked.count() {
        0 => return Ok(Markup::default()),
        1 => "One entry is marked".to_owned(),
        more => format!("{more} entries are marked"),
    };
    Ok(html! {
        section class="card" aria-labelledby="missing" {
            h2 id="missing" { "Marked as deleted" }
            p class="subtle" {
                (marks) " as deleted because " (remote) " does not list what it listed before, however often it is asked. "
                "The marks go by themselves when it does again. Taken back by hand, the entries stay until " (remote)
                " tells of their deletion."
            }
            (action_form(connection, "take-back", "Take the marks back", "secondary", "Taking back…"))
        }
    })
}

/// Takes all marks back.
pub(super) async fn take_back(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let id = connection.id.clone();
    let taken = state
        .complete(|service| async move { service.take_back(&id, None).await })
        .await?;
    match taken {
        Ok(_) => Ok(viewer.see_other(&Notice::TakenBack.on(&Tab::Overview.address(&connection)))),
        Err(error) => {
            let failure = Failure::Check(sentence(&error.message));
            again(&state, &viewer, &connection, failure).await
        }
    }
}
