//! Letting in whoever carries the admin token or is signed in at the platform, and keeping out whoever guesses the token.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::admin_token::AdminToken;
use super::client::Source;
use super::error::ApiError;
use super::login_throttle::LoginThrottle;
use integration_host_contract::sentence::duration_in_words;

/// What somebody wanted to get in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// The admin token.
    AdminToken,
    /// A session's cookie.
    Session,
    /// The code of a link that signs in once.
    Link,
}

impl Credential {
    /// What it is called in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AdminToken => "admin token",
            Self::Session => "session",
            Self::Link => "sign-in link",
        }
    }
}

/// Who gets in.
#[derive(Clone)]
pub(super) struct Admission {
    token: Option<AdminToken>,
    authenticator: Option<Arc<dyn Authenticator>>,
    login_throttle: Arc<LoginThrottle>,
}

impl Admission {
    pub(super) fn new(
        token: Option<AdminToken>,
        authenticator: Option<Arc<dyn Authenticator>>,
        login_throttle: LoginThrottle,
    ) -> Self {
        Self {
            token,
            authenticator,
            login_throttle: Arc::new(login_throttle),
        }
    }

    /// Whoever the platform says sent a request.
    pub(super) async fn known_by_platform(&self, request: &Parts) -> Option<Identity> {
        match &self.authenticator {
            Some(authenticator) => authenticator.authenticate(request).await,
            None => None,
        }
    }

    /// Where somebody signs in, if that is at the platform.
    pub(super) fn sign_in_url(&self) -> Option<&str> {
        self.authenticator
            .as_ref()
            .map(|authenticator| authenticator.sign_in_url())
    }

    /// Lets in who gives the admin token, unless this source is locked out.
    pub(super) fn admit(&self, source: Source, given: &str, now: Instant) -> Result<(), ApiError> {
        self.ensure_not_locked_out(source, now)?;
        if self.is_admin_token(given) {
            self.login_throttle.forgive(source);
            return Ok(());
        }
        self.login_throttle
            .count(source, Credential::AdminToken.name(), now);
        Err(ApiError::unauthenticated(
            "the admin token is not the one of this host; it is in INTEGRATION_HOST_TOKEN or in the file admin-token of the host's data directory",
        ))
    }

    fn is_admin_token(&self, given: &str) -> bool {
        self.token
            .as_ref()
            .is_some_and(|token| token.matches(given))
    }

    /// Counts something else than an admin token that somebody made up, or that is good no longer: the same only once, as
    /// a browser sends a stale cookie with all that it loads.
    pub(super) fn refuse(&self, source: Source, what: Credential, given: &str, now: Instant) {
        self.login_throttle
            .count_once(source, what.name(), given, now);
    }

    /// Fails if nothing that this source gives is looked at now.
    pub(super) fn ensure_not_locked_out(
        &self,
        source: Source,
        now: Instant,
    ) -> Result<(), ApiError> {
        let Some(left) = self.login_throttle.lock_out(source, now) else {
            return Ok(());
        };
        let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        Err(ApiError::too_many(
            format!(
                "too many wrong admin tokens, sessions or links came from this address, so nothing from it is looked at for another {}; then try again",
                duration_in_words(left)
            ),
            seconds,
        ))
    }
}

/// Refuses a request of nobody known, and one that is more than somebody may do.
pub(super) async fn require_identity(
    State(admission): State<Admission>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let source = Source::noted(request.extensions());
    let now = Instant::now();
    let (mut parts, body) = request.into_parts();
    let given = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    // Whom the platform knows is not locked out for what others of the same address guess.
    let known = admission.known_by_platform(&parts).await;
    let role = match (known.map(|identity| identity.role), given) {
        (Some(Role::Admin), _) => Role::Admin,
        (Some(Role::Reader), None) => Role::Reader,
        (Some(Role::Reader), Some(given)) => match admission.admit(source, given, now) {
            Ok(()) => Role::Admin,
            Err(_) => Role::Reader,
        },
        (None, Some(given)) => {
            admission.admit(source, given, now)?;
            Role::Admin
        }
        (None, None) => {
            admission.ensure_not_locked_out(source, now)?;
            return Err(nobody(&admission));
        }
    };
    if !role.may(&parts.method) {
        return Err(only_looking());
    }
    parts.extensions.insert(role);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// That an admin asks, for a route that answers with more than there is to look at. It is below [`require_identity`].
pub(super) struct OnlyAdmin;

impl<S: Sync> FromRequestParts<S> for OnlyAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get() {
            Some(Role::Admin) => Ok(Self),
            Some(Role::Reader) | None => Err(only_looking()),
        }
    }
}

fn nobody(admission: &Admission) -> ApiError {
    match admission.sign_in_url() {
        Some(url) => ApiError::unauthenticated(format!("nobody is signed in; sign in at {url}")),
        None => ApiError::unauthenticated(
            "this needs the header “Authorization: Bearer ADMIN_TOKEN”; the token is in INTEGRATION_HOST_TOKEN or in the file admin-token of the host's data directory",
        ),
    }
}

/// What is answered to somebody who may look and wants to do more.
pub(super) fn only_looking() -> ApiError {
    ApiError::forbidden("you may look at this and not change it; ask somebody who may")
}

/// A platform's own sign-in, in place of the admin token or beside it.
///
/// API and console ask it for each request. Pages of other sites cannot use what it goes by, such as a cookie: a request of
/// theirs that would change something is refused before it is asked.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Who sent a request, or `None` for somebody unknown. What middleware of the platform put into its extensions is there.
    /// It answers soon: each page waits for it.
    async fn authenticate(&self, request: &Parts) -> Option<Identity>;

    /// Where somebody signs in: an address, or a path of the platform such as `/sign-in`.
    fn sign_in_url(&self) -> &str;
}

/// Somebody whom the platform knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// What they are called, the same each time: what one person has begun in the console is not shown to another. It is not
    /// logged.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

impl Identity {
    /// Somebody of this name who may do this.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        let name = name.into();
        Self { name, role }
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Look at everything except backups.
    Reader,
    /// Everything.
    Admin,
}

impl Role {
    /// Whether requests of this method are more than looking.
    pub(crate) fn may(self, method: &Method) -> bool {
        match self {
            Self::Admin => true,
            Self::Reader => [Method::GET, Method::HEAD].contains(method),
        }
    }
}
