//! The choice of what to connect.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::super::elements::{Field, Tone, badge, email_address, heading, problem, text_field};
use super::super::form::ConsoleForm;
use super::super::page::{Page, Section};
use super::super::problem::ConsoleError;
use super::super::viewer::Viewer;
use super::connect_form::{ConnectForm, Progress};
use super::drafts::{Draft, DraftId};
use super::offers::{Availability, Offer, connected, offers};
use super::secrets::unfit;
use super::start::title;
use crate::extract::ApiPath;
use crate::state::AppState;
use integration_host::{ConnectRequest, MAX_NAME_CHARACTERS, valid_name};
use integration_host_contract::Manifest;
use integration_host_contract::id::ScopeId;
use integration_host_contract::sentence::{capitalised, sentence};

/// The account, what it can connect, and what it cannot.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ConsoleError> {
    let id = DraftId::new(id);
    let manifest = state.service.manifest();
    let Some(draft) = state.console.drafts.open(&viewer.person.owner(), &id) else {
        return Ok(gone(manifest, &viewer));
    };
    let connections = connected(&state).await?;
    let choice = Choice {
        manifest,
        id: &id,
        draft: &draft,
        offers: &offers(&draft.report, &connections),
    };
    Ok(choice.page(&viewer, &Sent::default(), &Problems::default()))
}

/// What a person chose.
#[derive(Default, Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    name: String,
}

/// What is wrong with it.
#[derive(Default)]
struct Problems {
    scope: Option<String>,
    name: Option<String>,
}

/// Connects what was chosen. Who sends it twice joins the attempt that runs, or sees how it ended.
pub(super) async fn connect(
    State(state): State<AppState>,
    viewer: Viewer,
    ApiPath(id): ApiPath<String>,
    ConsoleForm(sent): ConsoleForm<Sent>,
) -> Result<Response, ConsoleError> {
    let id = DraftId::new(id);
    let manifest = state.service.manifest();
    let Some(draft) = state.console.drafts.open(&viewer.person.owner(), &id) else {
        return Ok(gone(manifest, &viewer));
    };
    let scope_id = ScopeId::new(&sent.scope);
    // Looked at before the connections: it may succeed in between.
    let earlier = draft.attempt(&scope_id).map(|attempt| attempt.progress());
    let connections = connected(&state).await?;
    let offers = offers(&draft.report, &connections);
    let name = Some(sent.name.trim()).filter(|name| !name.is_empty());
    let name_problem = name.and_then(|name| valid_name(name).err());
    let mut problems = Problems {
        scope: None,
        name: name_problem.map(|error| sentence(&error.message)),
    };
    let noun = &manifest.scope_noun.singular;
    let offer = offers.iter().find(|offer| offer.scope.id == scope_id);
    match offer.map(|offer| offer.availability) {
        Some(Availability::Connected(_)) if earlier.is_some() => {
            return Ok(viewer.see_other(&progress_target(&id, &scope_id)));
        }
        Some(Availability::Open) if problems.name.is_none() => {
            // It was disconnected since.
            if matches!(earlier, Some(Progress::Connected(_))) {
                draft.forget_attempt(&scope_id);
            }
            let request = ConnectRequest {
                secrets: draft.secrets.clone(),
                scope_id: scope_id.clone(),
                name: name.map(str::to_owned),
            };
            draft.attempt_once(&scope_id, || ConnectForm::start(state.clone(), request));
            return Ok(viewer.see_other(&progress_target(&id, &scope_id)));
        }
        Some(Availability::Open) => {}
        Some(Availability::Connected(_)) => {
            problems.scope = Some(format!("This {noun} was connected meanwhile."));
        }
        Some(Availability::Impossible(reason)) => problems.scope = Some(sentence(reason)),
        None => {
            let noun = manifest.scope_noun.with_article();
            problems.scope = Some(format!("Choose {noun}."));
        }
    }
    let choice = Choice {
        manifest,
        id: &id,
        draft: &draft,
        offers: &offers,
    };
    Ok(unfit(choice.page(&viewer, &sent, &problems)))
}

/// The page that follows the attempt to connect a scope.
pub(super) fn progress_target(draft: &DraftId, scope: &ScopeId) -> String {
    let scope = utf8_percent_encode(scope.as_str(), NON_ALPHANUMERIC);
    format!("{}/{scope}", draft.target())
}

/// What the page shows.
struct Choice<'a> {
    manifest: &'a Manifest,
    id: &'a DraftId,
    draft: &'a Draft,
    offers: &'a [Offer<'a>],
}

impl Choice<'_> {
    fn page(&self, viewer: &Viewer, sent: &Sent, problems: &Problems) -> Response {
        let title = title(self.manifest);
        let content = html! {
            div class="narrow" {
                (heading(&title, Markup::default()))
                (self.account())
                section class="card" aria-labelledby="scope" {
                    h2 id="scope" { "2. Choose the " (self.manifest.scope_noun.singular) }
                    (self.form(sent, problems))
                }
            }
        };
        Page::new(&title)
            .section(Section::Services)
            .render(viewer, content)
    }

    fn account(&self) -> Markup {
        let account = &self.draft.report.account;
        html! {
            section class="card" aria-labelledby="secrets" {
                div class="card-head" {
                    h2 id="secrets" { "1. Test the connection" }
                    (badge(Tone::Good, "Passed"))
                }
                p {
                    "The " (self.manifest.secrets_name()) " belongs to " strong { (account.name) }
                    @if let Some(email) = &account.email { " (" (email_address(email)) ")" }
                    "."
                }
                div { a class="button secondary" href="connect" { "Use another one" } }
            }
        }
    }

    fn form(&self, sent: &Sent, problems: &Problems) -> Markup {
        let open = self.offers.iter().filter(|offer| offer.is_open()).count();
        let noun = &self.manifest.scope_noun.singular;
        let cards = html! {
            ul class="choices" {
                @for (index, offer) in self.offers.iter().enumerate() {
                    (offer.card(index, open == 1 || offer.scope.id.as_str() == sent.scope))
                }
            }
        };
        html! {
            @if let Some(scope) = &problems.scope { (problem(scope)) }
            @if open == 0 {
                p id="locked" { (self.nothing_open()) }
                (cards)
                div { button disabled aria-describedby="locked" { "Connect" } }
            } @else {
                form method="post" action=(self.id.target()) class="stack" {
                    fieldset class="field" {
                        legend class="unseen" { (capitalised(noun)) }
                        (cards)
                    }
                    (text_field(&Field {
                        name: "name",
                        label: "Name here (optional)",
                        value: &sent.name,
                        help: Some(&format!("Left empty, it is called like the {noun}.")),
                        problem: problems.name.as_deref(),
                        max_length: Some(MAX_NAME_CHARACTERS),
                        optional: true,
                        ..Field::default()
                    }))
                    button { "Connect" }
                }
            }
        }
    }

    /// Why nothing can be connected, and what helps.
    fn nothing_open(&self) -> String {
        let name = self.manifest.secrets_name();
        let noun = &self.manifest.scope_noun.singular;
        let is_any_connected = self
            .offers
            .iter()
            .any(|offer| matches!(offer.availability, Availability::Connected(_)));
        if self.offers.is_empty() {
            format!(
                "This account has no {noun}. Use the {name} of an account that belongs to the {noun}."
            )
        } else if is_any_connected {
            format!(
                "There is nothing left to connect with this {name}. Another account may reach more."
            )
        } else {
            format!("None of these can be connected with this {name}. Each says what would help.")
        }
    }
}

/// The page for a draft that is no longer kept.
pub(super) fn gone(manifest: &Manifest, viewer: &Viewer) -> Response {
    let name = manifest.secrets_name();
    let title = format!("Paste the {name} again");
    let content = html! {
        div class="narrow" {
            (heading(&title, Markup::default()))
            section class="card" {
                p {
                    "What passes the test is kept for 15 minutes, until you sign out or the host "
                    "restarts. That time is over. What was connected before stays connected."
                }
                div class="actions" {
                    a class="button" href="connect" { "Connect " (manifest.name) }
                    a class="button secondary" href="./" { "To the services" }
                }
            }
        }
    };
    let page = Page::new(&title)
        .section(Section::Services)
        .render(viewer, content);
    (StatusCode::GONE, page).into_response()
}
