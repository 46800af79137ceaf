//! User directory: the platform's users.
//!
//! Providers: [`FileDirectory`], [`sql::SqlDirectory`] and [`scim::ScimDirectory`]; [`EmptyDirectory`] stands
//! for none.

mod empty;
mod file;
mod host;
pub mod scim;
pub mod sql;
mod users;

use async_trait::async_trait;
use thiserror::Error;

pub use self::empty::EmptyDirectory;
pub use self::file::FileDirectory;
pub(crate) use self::host::LentDirectory;
use crate::contract::User;
use crate::id::UserId;

/// Why a directory could not answer. Trying again later may help.
#[derive(Debug, Error)]
#[error("the user directory is unavailable: {0}")]
pub struct DirectoryError(pub String);

/// A user directory.
#[async_trait]
pub trait UserDirectory: Send + Sync + 'static {
    /// For each e-mail address, in the order given, the users that have it. Case does not matter.
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError>;

    /// The user with this id.
    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError>;

    /// Users whose name, e-mail address or id contains `query`, case-insensitively, ordered by name;
    /// an empty query finds all. At most `limit`.
    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError>;

    /// How many users there are.
    async fn count(&self) -> Result<u64, DirectoryError>;
}
