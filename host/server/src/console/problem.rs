//! Failures as pages.

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::page::Page;
use super::viewer::Place;
use super::visitor::{Person, Visitor};
use crate::authentication::only_looking;
use crate::client::Source;
use crate::error::{ApiError, status_of};
use crate::state::AppState;
use integration_host::HostError;
use integration_host_contract::sentence::sentence;

/// Why a page cannot be shown or an action was not done. It becomes a page in [`frame`], which
/// knows the address.
#[derive(Clone, Debug)]
pub(super) struct ConsoleError {
    status: StatusCode,
    title: &'static str,
    message: String,
    retry_after_seconds: Option<u32>,
    sign_in: bool,
}

impl ConsoleError {
    /// The session ended while a form was open.
    pub(super) fn signed_out() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            title: "You are signed out",
            message: "Your session ended before this was sent, so nothing was changed. Sign in and do it again."
                .to_owned(),
            retry_after_seconds: None,
            sign_in: true,
        }
    }

    /// The page of a connection that somebody disconnected meanwhile, or that never was.
    pub(super) fn connection_gone() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "This connection is gone",
            message: "It was disconnected, or this address is not complete. Time that had arrived is kept. \
                The services show what is connected now."
                .to_owned(),
            retry_after_seconds: None,
            sign_in: false,
        }
    }
}

impl From<HostError> for ConsoleError {
    fn from(error: HostError) -> Self {
        let status = status_of(error.code);
        Self {
            status,
            title: title(status),
            message: sentence(&error.message),
            retry_after_seconds: error.retry_after_seconds,
            sign_in: false,
        }
    }
}

impl From<ApiError> for ConsoleError {
    fn from(error: ApiError) -> Self {
        let problem = error.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
        Self {
            status,
            title: title(status),
            message: sentence(&problem.detail),
            retry_after_seconds: problem.retry_after_seconds,
            sign_in: false,
        }
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "This is not here",
        StatusCode::CONFLICT => "Something else came first",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Not now",
        status if status.is_client_error() => "This could not be done",
        _ => "Something went wrong",
    }
}

impl IntoResponse for ConsoleError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_seconds {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether whoever asks would rather have a page than JSON.
pub(crate) fn is_for_a_person(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// The page for an address that leads nowhere.
pub(crate) fn no_page(request: &Request) -> Response {
    let error = HostError::not_found("there is no page at this address");
    let place = Place::of_request(request);
    (StatusCode::NOT_FOUND, render(&place, &error.into())).into_response()
}

/// The page for a request that is not answered because of where it seems to come from.
pub(crate) fn refusal(request: &Request, error: ApiError) -> Response {
    let place = Place::of_request(request);
    let error = ConsoleError::from(error);
    (error.status, render(&place, &error)).into_response()
}

/// Looks who is there, shows failures as pages, and prolongs the session of whoever is signed in.
pub(super) async fn frame(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let place = Place::of_request(&request);
    let source = Source::noted(request.extensions());
    let (mut parts, body) = request.into_parts();
    let visitor = Visitor::of(&state, source, &parts).await;
    parts.extensions.insert(visitor.clone());
    let request = Request::from_parts(parts, body);
    let may = match &visitor {
        Visitor::SignedIn(person) => person.role().may(request.method()),
        Visitor::Stranger { .. } | Visitor::Unknown(_) => true,
    };
    let mut response = match may {
        true => next.run(request).await,
        false => ConsoleError::from(only_looking()).into_response(),
    };
    if let Some(error) = response.extensions_mut().remove::<ConsoleError>() {
        let retry_after = response.headers_mut().remove(RETRY_AFTER);
        response = (error.status, render(&place, &error)).into_response();
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, retry_after);
        }
    }
    let cookie = match &visitor {
        Visitor::SignedIn(Person::Here(session)) => {
            state.console.sessions.renew(session, state.service.now())
        }
        Visitor::SignedIn(Person::AtPlatform(_)) => None,
        Visitor::Stranger { has_stale_cookie } => {
            has_stale_cookie.then(|| state.console.sessions.removal())
        }
        Visitor::Unknown(_) => None,
    };
    // Signing in and out set the cookie themselves.
    if !response.headers().contains_key(SET_COOKIE)
        && let Some(cookie) = cookie
        && let Ok(cookie) = HeaderValue::from_str(&cookie)
    {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn render(place: &Place, error: &ConsoleError) -> Response {
    let page = Page::new(error.title);
    page.render_bare(
        place,
        html! {
            div class="notice notice-bad" role="alert" { p { (error.message) } }
            p {
                @if error.sign_in {
                    a class="button" href="sign-in" { "Sign in" }
                } @else {
                    a class="button" href="./" { "To the services" }
                }
            }
        },
    )
}
