//! Signing in and out.

use axum::extract::State;
use axum::http::Extensions;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use tokio::time::Instant;

use super::elements::{Field, text_field};
use super::form::ConsoleForm;
use super::page::{Page, forward};
use super::problem::ConsoleError;
use super::viewer::{Place, Viewer};
use super::visitor::{Person, Visitor};
use crate::authentication::Credential;
use crate::client::Source;
use crate::extract::ApiQuery;
use crate::state::AppState;
use integration_host_contract::sentence::sentence;
use integration_host_seal::secret::Secret;

#[derive(Deserialize)]
pub(super) struct SignInQuery {
    /// Of a link that signs in once.
    code: Option<String>,
    /// Where to go then, relative to the console's root.
    #[serde(default)]
    next: String,
}

/// The way in: the form, or what a link leads to. Whoever merely looks at a link, as the scanner of a mailbox does, uses
/// nothing up.
pub(super) async fn show(
    place: Place,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<SignInQuery>,
    extensions: Extensions,
) -> Response {
    if let Some(code) = &query.code {
        return link_page(&place, code);
    }
    if matches!(Visitor::noted(&extensions), Visitor::SignedIn(_)) {
        return place.see_other(own_target(&query.next));
    }
    if let Some(url) = state.admission.sign_in_url() {
        return Redirect::to(url).into_response();
    }
    form(&place, &query.next, None)
}

const EXPIRED_LINK: &str = "This link was used already or is older than 15 minutes. Sign in with the \
    admin token, or get a new link with “integration-host console”.";

#[derive(Deserialize)]
pub(super) struct SignInForm {
    token: Option<String>,
    /// Of a link that signs in once.
    code: Option<String>,
    #[serde(default)]
    next: String,
}

/// Takes the admin token, or what a link carries.
pub(super) async fn sign_in(
    State(state): State<AppState>,
    place: Place,
    extensions: Extensions,
    ConsoleForm(sent): ConsoleForm<SignInForm>,
) -> Result<Response, ConsoleError> {
    let (source, now) = (Source::noted(&extensions), Instant::now());
    let next = own_target(&sent.next);
    if let Some(code) = sent.code {
        state.admission.ensure_not_locked_out(source, now)?;
        if state.console.sign_in_links.redeem(&code) {
            return signed_in(&state, &place, "", source, Credential::Link).await;
        }
        state.admission.refuse(source, Credential::Link, &code, now);
        return Ok(form(&place, "", Some(EXPIRED_LINK)));
    }
    let token = Secret::new(sent.token.unwrap_or_default());
    match state.admission.admit(source, token.expose().trim(), now) {
        Ok(()) => signed_in(&state, &place, next, source, Credential::AdminToken).await,
        Err(error) => {
            let problem = error.problem();
            let page = form(&place, &sent.next, Some(&sentence(&problem.detail)));
            let mut response = error.into_response();
            let (parts, body) = page.into_parts();
            *response.body_mut() = body;
            response.headers_mut().extend(parts.headers);
            Ok(response)
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(state): State<AppState>,
    place: Place,
    extensions: Extensions,
) -> Result<Response, ConsoleError> {
    if let Visitor::SignedIn(Person::Here(session)) = Visitor::noted(&extensions) {
        state.service.end_session(&session.id()).await?;
        state.console.drafts.forget(&session.id());
        tracing::info!(source = %Source::noted(&extensions), "somebody signed out of the console");
    }
    Ok(signed_out(&state, &place))
}

/// Ends all sessions.
pub(super) async fn sign_out_everywhere(
    State(state): State<AppState>,
    viewer: Viewer,
    extensions: Extensions,
) -> Result<Response, ConsoleError> {
    state.service.end_all_sessions().await?;
    state.console.drafts.forget_all();
    tracing::info!(source = %Source::noted(&extensions), "somebody signed everybody out of the console");
    Ok(signed_out(&state, &viewer.place))
}

fn signed_out(state: &AppState, place: &Place) -> Response {
    let cookie = state.console.sessions.removal();
    ([(SET_COOKIE, cookie)], place.see_other("sign-in")).into_response()
}

async fn signed_in(
    state: &AppState,
    place: &Place,
    next: &str,
    source: Source,
    with: Credential,
) -> Result<Response, ConsoleError> {
    let epoch = state.service.session_epoch().await?;
    let cookie = state.console.sessions.begin(epoch, state.service.now());
    tracing::info!(%source, with = with.name(), "somebody signed in to the console");
    Ok(([(SET_COOKIE, cookie)], forward(place, next)).into_response())
}

/// The target, if it leads to a page of this console.
fn own_target(next: &str) -> &str {
    let is_own = !next.starts_with(['/', '\\'])
        && !next.contains(|character: char| character.is_control())
        // A scheme would end with the first colon of the first segment.
        && !next.split(['/', '?', '#']).next().unwrap_or_default().contains(':');
    if is_own { next } else { "" }
}

/// What a link leads to. Only the button uses it up.
fn link_page(place: &Place, code: &str) -> Response {
    Page::new("Sign in").render_bare(
        place,
        html! {
            p { "This link opens the console once. It shows and changes what the host does." }
            form method="post" action="sign-in" class="stack" {
                input type="hidden" name="code" value=(code);
                button autofocus { "Sign in" }
            }
        },
    )
}

fn form(place: &Place, next: &str, problem: Option<&str>) -> Response {
    Page::new("Sign in").render_bare(
        place,
        html! {
            p { "This console shows and changes what the host does. It opens with the host's admin token." }
            form method="post" action="sign-in" class="stack" {
                @if !next.is_empty() { input type="hidden" name="next" value=(next); }
                (text_field(&Field {
                    name: "token",
                    label: "Admin token",
                    kind: "password",
                    help: Some("It is in INTEGRATION_HOST_TOKEN, or in the file admin-token of the host's data directory."),
                    problem,
                    autocomplete: "current-password",
                    autofocus: true,
                    ..Field::default()
                }))
                button { "Sign in" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::own_target;

    #[test]
    fn nobody_is_led_away_after_signing_in() {
        for own in [
            "",
            "timeline",
            "timeline?from=2026-03-01T00:00Z",
            "connections/a/users",
        ] {
            assert_eq!(own_target(own), own);
        }
        for foreign in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
        ] {
            assert_eq!(own_target(foreign), "", "{foreign}");
        }
    }
}
