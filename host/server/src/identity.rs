//! Who is there, where a platform has its own sign-in.

use async_trait::async_trait;
use axum::http::Method;
use axum::http::request::Parts;

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
