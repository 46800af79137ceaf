//! The beginning: the secrets, and Test Connection.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::super::elements::heading;
use super::super::form::ConsoleForm;
use super::super::page::{Page, Section};
use super::super::problem::ConsoleError;
use super::super::viewer::Viewer;
use super::secrets::{SentSecrets, secret_fields, unfit, while_asked};
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::Manifest;

/// The form.
pub(super) async fn show(State(state): State<AppState>, viewer: Viewer) -> Response {
    page(state.service.manifest(), &viewer, None)
}

/// Leads back to the form.
pub(super) async fn again(viewer: Viewer) -> Response {
    viewer.see_other("connect")
}

/// Test Connection. What passes is kept as a draft.
pub(super) async fn test(
    State(state): State<AppState>,
    viewer: Viewer,
    ConsoleForm(SentSecrets(secrets)): ConsoleForm<SentSecrets>,
) -> Result<Response, ConsoleError> {
    match state.service.test(secrets.clone()).await {
        Ok(report) => {
            let id = state
                .console
                .drafts
                .keep(viewer.person.owner(), secrets, report);
            Ok(viewer.see_other(&id.target()))
        }
        Err(error) => {
            let page = page(state.service.manifest(), &viewer, Some(&error));
            Ok(unfit(page))
        }
    }
}

fn page(manifest: &Manifest, viewer: &Viewer, error: Option<&HostError>) -> Response {
    let content = html! {
        div class="narrow" {
            (heading(&title(manifest), Markup::default()))
            section class="card" aria-labelledby="secrets" {
                h2 id="secrets" { "1. Test the connection" }
                form method="post" action="connect/test" class="stack" {
                    (secret_fields(manifest, error))
                    button { "Test Connection" }
                    (while_asked(manifest))
                }
            }
            section class="card" aria-labelledby="scope" {
                h2 id="scope" { "2. Choose the " (manifest.scope_noun.singular) }
                p class="subtle" id="locked" {
                    "This opens when the test has passed."
                }
                div { button disabled aria-describedby="locked" { "Connect" } }
            }
        }
    };
    Page::new(&title(manifest))
        .section(Section::Services)
        .script("connect.js")
        .render(viewer, content)
}

/// The heading of the form and of the choice.
pub(super) fn title(manifest: &Manifest) -> String {
    format!("Connect {}", manifest.name)
}
