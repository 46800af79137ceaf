//! New secrets for a connection, such as an API token after the old one was replaced.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::super::connection::find;
use super::super::elements::heading;
use super::super::form::ConsoleForm;
use super::super::notice::Notice;
use super::super::page::{Page, Section};
use super::super::problem::ConsoleError;
use super::super::viewer::Viewer;
use super::secrets::{SentSecrets, secret_fields, unfit, while_asked};
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::Manifest;
use integration_host_ledger::Connection;

/// The form.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    Ok(page(state.service.manifest(), &viewer, &connection, None))
}

/// Replaces the secrets, if the new ones reach the same scope.
pub(super) async fn replace(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(SentSecrets(secrets)): ConsoleForm<SentSecrets>,
) -> Result<Response, ConsoleError> {
    let connection = find(&state, id).await?;
    let id = connection.id.clone();
    let replaced = state
        .complete(|service| async move { service.replace_secrets(&id, secrets).await })
        .await?;
    match replaced {
        Ok(connection) => {
            let target = Notice::SecretsReplaced.on(&target(&connection));
            Ok(viewer.see_other(&target))
        }
        Err(error) => {
            let manifest = state.service.manifest();
            Ok(unfit(page(manifest, &viewer, &connection, Some(&error))))
        }
    }
}

fn target(connection: &Connection) -> String {
    format!("connections/{}", connection.id)
}

fn page(
    manifest: &Manifest,
    viewer: &Viewer,
    connection: &Connection,
    error: Option<&HostError>,
) -> Response {
    let target = target(connection);
    let title = format!("New {}", manifest.secrets_name());
    let content = html! {
        div class="narrow" {
            nav class="trail" aria-label="Breadcrumb" {
                a href="./" { "Services" } span aria-hidden="true" { " › " }
                a href=(target) { (connection.name) } span aria-hidden="true" { " › " }
                span { (title) }
            }
            (heading(&title, Markup::default()))
            form method="post" action=(format!("{target}/token")) class="card stack" {
                p {
                    "It must reach the " (manifest.scope_noun.singular) " “" (connection.scope_name) "”. Everybody stays mapped, and "
                    "time that arrived stays here."
                }
                (secret_fields(manifest, error))
                div class="actions" {
                    button { "Replace" }
                    a class="button secondary" href=(target) { "Cancel" }
                }
                (while_asked(manifest))
            }
        }
    };
    Page::new(&title)
        .section(Section::Services)
        .script("connect.js")
        .render(viewer, content)
}
