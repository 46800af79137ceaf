//! Signing in and out.

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;
use tokio::time::Instant;

use super::elements::{Field, text_field};
use super::form::ConsoleForm;
use super::page::{Page, forward};
use super::viewer::{Cookies, Place};
use crate::secret::Secret;
use crate::sentence::sentence;
use crate::server::client::Source;
use crate::server::extract::ApiQuery;
use crate::server::state::AppState;

#[derive(Deserialize)]
pub(super) struct SignInQuery {
    /// Of a link that signs in once.
    code: Option<String>,
    /// Where to go then, relative to the console's root.
    #[serde(default)]
    next: String,
}

/// The way in: the form, or what a link's code opens.
pub(super) async fn show(
    State(state): State<AppState>,
    place: Place,
    ApiQuery(query): ApiQuery<SignInQuery>,
    headers: HeaderMap,
) -> Response {
    if let Some(code) = &query.code {
        if state.sign_in_links.redeem(code) {
            return signed_in(&state, &place, "");
        }
        return form(&place, "", Some(EXPIRED_LINK));
    }
    if state.sessions.read(&Cookies(&headers)).is_some() {
        return place.see_other(own_target(&query.next));
    }
    form(&place, &query.next, None)
}

const EXPIRED_LINK: &str = "This link was used already or is older than 15 minutes. Sign in with the \
    admin token, or get a new link with “integration-host console”.";

#[derive(Deserialize)]
pub(super) struct SignInForm {
    token: String,
    #[serde(default)]
    next: String,
}

/// Takes the admin token.
pub(super) async fn sign_in(
    State(state): State<AppState>,
    place: Place,
    extensions: Extensions,
    ConsoleForm(sent): ConsoleForm<SignInForm>,
) -> Response {
    let token = Secret::new(sent.token);
    let source = Source::noted(&extensions);
    match state
        .admission
        .admit(source, token.expose().trim(), Instant::now())
    {
        Ok(()) => signed_in(&state, &place, own_target(&sent.next)),
        Err(error) => {
            let problem = error.problem();
            let page = form(&place, &sent.next, Some(&sentence(&problem.detail)));
            let mut response = error.into_response();
            let (parts, body) = page.into_parts();
            *response.body_mut() = body;
            response.headers_mut().extend(parts.headers);
            response
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(state): State<AppState>,
    place: Place,
    headers: HeaderMap,
) -> Response {
    let session = state.sessions.read(&Cookies(&headers));
    if let Some(session) = &session {
        state.drafts.forget(session.id());
    }
    let cookie = state.sessions.end(session);
    ([(SET_COOKIE, cookie)], place.see_other("sign-in")).into_response()
}

fn signed_in(state: &AppState, place: &Place, next: &str) -> Response {
    tracing::info!("somebody signed in to the console");
    ([(SET_COOKIE, state.sessions.begin())], forward(place, next)).into_response()
}

/// The target, if it leads to a page of this console.
fn own_target(next: &str) -> &str {
    let is_own = !next.starts_with(['/', '\\'])
        && !next.contains(|character: char| character.is_control())
        // A scheme would end with the first colon of the first segment.
        && !next.split(['/', '?', '#']).next().unwrap_or_default().contains(':');
    if is_own { next } else { "" }
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
