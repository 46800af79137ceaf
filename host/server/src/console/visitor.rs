//! Who a request of a browser comes from, as the platform or the console's own cookies say.

use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use tokio::time::Instant;

use super::problem::ConsoleError;
use super::session::{Presented, Session};
use super::viewer::Cookies;
use crate::authentication::Credential;
use crate::client::Source;
use crate::state::AppState;
use crate::{Identity, Role};
use integration_host::HostError;
use integration_host_contract::id::SessionId;

/// Somebody who is signed in: here, or at the platform.
#[derive(Clone, Debug)]
pub(super) enum Person {
    /// With the admin token.
    Here(Session),
    /// As somebody the platform knows.
    AtPlatform(Identity),
}

impl Person {
    /// What they begin is theirs alone.
    pub(super) fn owner(&self) -> SessionId {
        match self {
            Self::Here(session) => session.id(),
            Self::AtPlatform(identity) => SessionId::new(format!("platform: {}", identity.name)),
        }
    }

    /// What they may do.
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Here(_) => Role::Admin,
            Self::AtPlatform(identity) => identity.role,
        }
    }
}

/// Who a request comes from.
#[derive(Clone, Debug)]
pub(super) enum Visitor {
    /// Somebody who is not signed in.
    Stranger {
        /// Whether their cookie is good for nothing, so that the browser may forget it.
        has_stale_cookie: bool,
    },
    /// Somebody who is signed in.
    SignedIn(Person),
    /// It could not be found out, or is not looked at.
    Unknown(ConsoleError),
}

impl Visitor {
    /// Looks who a request comes from. Cookies that somebody made up count as guesses of the admin token.
    pub(super) async fn of(state: &AppState, source: Source, request: &Parts) -> Self {
        if let Some(identity) = state.admission.known_by_platform(request).await {
            return Self::SignedIn(Person::AtPlatform(identity));
        }
        let presented = presented(state, &request.headers);
        if presented.sessions.is_empty() && presented.forged.is_empty() {
            return Self::STRANGER;
        }
        let now = Instant::now();
        if let Err(locked_out) = state.admission.ensure_not_locked_out(source, now) {
            return Self::Unknown(locked_out.into());
        }
        if presented.sessions.is_empty() {
            for forged in &presented.forged {
                let admission = &state.admission;
                admission.refuse(source, Credential::Session, forged, now);
            }
            return Self::Stranger {
                has_stale_cookie: true,
            };
        }
        match first_that_goes_on(state, presented).await {
            Ok(Some(session)) => Self::SignedIn(Person::Here(session)),
            Ok(None) => Self::Stranger {
                has_stale_cookie: true,
            },
            Err(error) => Self::Unknown(error.into()),
        }
    }

    /// What was found out about a request.
    pub(super) fn noted(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or(Self::STRANGER)
    }

    const STRANGER: Self = Self::Stranger {
        has_stale_cookie: false,
    };
}

/// Whether a request whose cookies were looked at before is still that of somebody who is signed in.
///
/// # Errors
/// The ledger does not answer.
pub(super) async fn is_still_signed_in(
    state: &AppState,
    request: &Parts,
) -> Result<bool, HostError> {
    if state.admission.known_by_platform(request).await.is_some() {
        return Ok(true);
    }
    let session = first_that_goes_on(state, presented(state, &request.headers)).await?;
    Ok(session.is_some())
}

fn presented(state: &AppState, headers: &HeaderMap) -> Presented {
    state
        .console
        .sessions
        .read(&Cookies(headers), state.service.now())
}

async fn first_that_goes_on(
    state: &AppState,
    presented: Presented,
) -> Result<Option<Session>, HostError> {
    for session in presented.sessions {
        let (epoch, id) = (session.epoch(), session.id());
        if !state.service.has_session_ended(epoch, &id).await? {
            return Ok(Some(session));
        }
    }
    Ok(None)
}
