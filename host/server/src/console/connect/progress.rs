//! What goes on while a scope is connected, and how it ended.

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::super::elements::{heading, problem};
use super::super::page::{Page, Section};
use super::super::problem::ConsoleError;
use super::super::viewer::Viewer;
use super::choice::gone;
use super::connect_form::{ConnectForm, Progress};
use super::drafts::{Draft, DraftId};
use super::offers::{connected, offers};
use crate::state::AppState;
use integration_host::{ConnectStep, HostError};
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_contract::sentence::sentence;
use integration_host_contract::{Manifest, Scope};
use integration_host_ledger::Connection;

/// How often a script asks how far connecting is.
const FOLLOW_MS: u32 = 300;

/// How often it asks whether names are complete. They come at the remote service's pace.
const FOLLOW_NAMES_MS: u32 = 2_000;

/// How often a browser without scripts loads the page again.
const RELOAD_SECONDS: u32 = 2;

/// The steps, and at their end what to do next.
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    Path((draft_id, scope_id)): Path<(String, String)>,
) -> Result<Response, ConsoleError> {
    let (draft_id, scope_id) = (DraftId::new(draft_id), ScopeId::new(scope_id));
    let manifest = state.service.manifest();
    let Some(draft) = state.console.drafts.open(&viewer.person.owner(), &draft_id) else {
        return Ok(gone(manifest, &viewer));
    };
    let found = (draft.scope(&scope_id), draft.attempt(&scope_id));
    let (Some(scope), Some(attempt)) = found else {
        return Ok(viewer.see_other(&draft_id.target()));
    };
    match attempt.progress() {
        Progress::Running(step) => Ok(running(&viewer, scope, step)),
        Progress::Connected(id) => succeeded(&state, &viewer, (&draft_id, &draft), &id).await,
        Progress::Failed(step, error) => {
            let failure = Failure {
                draft: &draft_id,
                scope,
                attempt: &attempt,
                step,
                error: &error,
            };
            Ok(failure.page(&viewer, manifest))
        }
    }
}

fn running(viewer: &Viewer, scope: &Scope, step: ConnectStep) -> Response {
    let title = format!("Connecting “{}”", scope.name);
    let said = format!("{}…", Step::of(step).name());
    let content = html! {
        div class="narrow" {
            (heading(&title, Markup::default()))
            section class="card" data-follow=(FOLLOW_MS) {
                p id="said" data-live role="status" { (said) }
                (steps(|one| one.compared_with(step, StepState::UnderWay)))
                p class="subtle" { "This goes on even if you leave this page." }
            }
        }
    };
    Page::new(&title)
        .section(Section::Services)
        .script("connect.js")
        .reload_without_scripts(RELOAD_SECONDS)
        .render(viewer, content)
}

async fn succeeded(
    state: &AppState,
    viewer: &Viewer,
    (draft_id, draft): (&DraftId, &Draft),
    id: &ConnectionId,
) -> Result<Response, ConsoleError> {
    let manifest = state.service.manifest();
    let connection = state.service.connection(id).await?;
    let names_load = state.service.names_are_loading(id);
    let connections = connected(state).await?;
    let has_more = offers(&draft.report, &connections)
        .iter()
        .any(|offer| offer.is_open());
    let target = format!("connections/{id}");
    let title = format!("“{}” is connected", connection.name);
    let content = html! {
        div class="narrow" {
            (heading(&title, Markup::default()))
            @if let Some(attention) = &connection.attention { (problem(&sentence(&attention.message))) }
            section class="card" data-follow=[names_load.then_some(FOLLOW_NAMES_MS)] {
                p { (team(&connection)) }
                (steps(|one| match one {
                    Step::Names if names_load => StepState::UnderWay,
                    _ => StepState::Done,
                }))
                p id="said" data-live class="subtle" role="status" {
                    @if names_load {
                        "Names go on loading by themselves. Time that is logged arrives from now on."
                    } @else {
                        "All names are loaded. Time that is logged arrives from now on."
                    }
                }
            }
            div class="actions" {
                a class="button" href=(format!("{target}/users")) { "Review users" }
                a class="button secondary" href="timeline" { "Open the timeline" }
                @if has_more {
                    a class="button secondary" href=(draft_id.target()) {
                        "Connect another " (manifest.scope_noun.singular) " with this " (manifest.secrets_name())
                    }
                }
            }
        }
    };
    Ok(Page::new(&title)
        .section(Section::Services)
        .script("connect.js")
        .render(viewer, content))
}

/// How the team was matched, in a sentence.
fn team(connection: &Connection) -> String {
    match (connection.users_mapped, connection.users_total) {
        (_, 0) => "The team is not imported yet. Import it on the page of users.".to_owned(),
        (mapped, total) if mapped == total => {
            format!("{mapped} of {total} mapped. Nothing is left to do.")
        }
        (mapped, total) => {
            format!("{mapped} of {total} mapped. Review the others, whose time stays unassigned.")
        }
    }
}

struct Failure<'a> {
    draft: &'a DraftId,
    scope: &'a Scope,
    attempt: &'a ConnectForm,
    step: ConnectStep,
    error: &'a HostError,
}

impl Failure<'_> {
    fn page(&self, viewer: &Viewer, manifest: &Manifest) -> Response {
        let title = format!("“{}” is not connected", self.scope.name);
        let content = html! {
            div class="narrow" {
                (heading(&title, Markup::default()))
                (problem(&sentence(&self.error.message)))
                section class="card" {
                    (steps(|one| one.compared_with(self.step, StepState::Failed)))
                }
                form class="actions" method="post" action=(self.draft.target()) {
                    input type="hidden" name="scope" value=(self.scope.id);
                    input type="hidden" name="name" value=(self.attempt.name);
                    button { "Try again" }
                    a class="button secondary" href=(self.draft.target()) { "Choose another " (manifest.scope_noun.singular) }
                    a class="button secondary" href="connect" { "Use another " (manifest.secrets_name()) }
                }
            }
        };
        Page::new(&title)
            .section(Section::Services)
            .render(viewer, content)
    }
}

/// What a person is told connecting consists of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Saving,
    Subscribing,
    ImportingTeam,
    /// Goes on in the background when the connection is made.
    Names,
}

#[derive(Clone, Copy)]
enum StepState {
    Waiting,
    UnderWay,
    Done,
    Failed,
}

impl Step {
    const ALL: [Self; 4] = [
        Self::Saving,
        Self::Subscribing,
        Self::ImportingTeam,
        Self::Names,
    ];

    fn of(step: ConnectStep) -> Self {
        match step {
            ConnectStep::Saving => Self::Saving,
            ConnectStep::Subscribing => Self::Subscribing,
            ConnectStep::ImportingTeam => Self::ImportingTeam,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Saving => "Saving the connection",
            Self::Subscribing => "Subscribing to the webhook",
            Self::ImportingTeam => "Importing the team",
            Self::Names => "Loading names",
        }
    }

    /// Where this step stands when the connection is at another, which itself stands so.
    fn compared_with(self, present: ConnectStep, there: StepState) -> StepState {
        match self.cmp(&Self::of(present)) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal => there,
            std::cmp::Ordering::Greater => StepState::Waiting,
        }
    }
}

fn steps(standing: impl Fn(Step) -> StepState) -> Markup {
    html! {
        ol class="steps" id="steps" data-live {
            @for step in Step::ALL {
                @let (class, word) = match standing(step) {
                    StepState::Waiting => ("step", "Waiting"),
                    StepState::UnderWay => ("step step-busy", "Running"),
                    StepState::Done => ("step step-done", "Done"),
                    StepState::Failed => ("step step-failed", "Failed"),
                };
                li class=(class) {
                    span { (step.name()) }
                    span class="step-word" { (word) }
                }
            }
        }
    }
}
