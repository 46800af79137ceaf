//! Giving a connection another name.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::overview::{Failure, again};
use super::{Tab, find};
use crate::console::elements::{Field, text_field};
use crate::console::form::ConsoleForm;
use crate::console::notice::Notice;
use crate::console::problem::ConsoleError;
use crate::console::viewer::Viewer;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host_contract::ErrorCode;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::Connection;

/// What is sent.
#[derive(Deserialize)]
pub(super) struct NameForm {
    #[serde(default)]
    name: String,
}

/// The card with the form.
pub(super) fn card(connection: &Connection, failure: &Failure) -> Markup {
    let (value, problem) = match failure {
        Failure::Rename { name, problem } => (name.as_str(), Some(problem.as_str())),
        _ => (connection.name.as_str(), None),
    };
    html! {
        section class="card" aria-labelledby="rename" {
            h2 id="rename" { "Rename" }
            form class="stack" method="post" action=(format!("connections/{}/name", connection.id)) {
                (text_field(&Field {
                    name: "name",
                    label: "Name",
                    value,
                    help: Some("What the connection is called here. It changes nothing elsewhere."),
                    problem,
                    autofocus: problem.is_some(),
                    ..Field::default()
                }))
                button class="secondary" { "Save the name" }
            }
        }
    }
}

/// Takes the name.
pub(super) async fn save(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(sent): ConsoleForm<NameForm>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    match state.service.rename(&connection.id, &sent.name).await {
        Ok(connection) => {
            Ok(viewer.see_other(&Notice::Renamed.on(&Tab::Overview.address(&connection))))
        }
        Err(error) if error.code == ErrorCode::InvalidInput => {
            let failure = Failure::Rename {
                name: sent.name,
                problem: sentence(&error.message),
            };
            again(&state, &viewer, &connection, failure).await
        }
        Err(error) => Err(error.into()),
    }
}
