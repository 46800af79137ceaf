//! User directory: the platform's users.
//!
//! Providers: [`FileDirectory`], [`sql::SqlDirectory`] and [`scim::ScimDirectory`]; [`EmptyDirectory`] stands
//! for none. A platform that has its people in memory asks [`Users`]:
//!
//! ```
//! use integration_host_contract::User;
//! use integration_host_contract::id::UserId;
//! use integration_host_directory::Users;
//!
//! let ada = User {
//!     id: UserId::new("7"),
//!     name: "Ada".to_owned(),
//!     email: Some("Ada@example.com".to_owned()),
//! };
//! let found = Users::of([ada]).find_by_email(&["ada@example.com".to_owned()]);
//! assert_eq!(found[0][0].name, "Ada");
//! ```
#![deny(missing_docs)]

mod file;
#[cfg(feature = "scim")]
pub mod scim;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod users;

use async_trait::async_trait;
use auto_impl::auto_impl;
use thiserror::Error;

pub use self::file::FileDirectory;
pub use self::users::Users;
use integration_host_contract::User;
use integration_host_contract::deadline::Unanswered;
use integration_host_contract::id::UserId;

/// Why a directory could not answer. Trying again later may help.
#[derive(Debug, Error)]
#[error("the user directory is unavailable: {0}")]
pub struct DirectoryError(pub String);

impl Unanswered for DirectoryError {
    fn unanswered(why: String) -> Self {
        Self(why)
    }
}

/// A user directory: who is a user of the platform. It is only ever read.
///
/// This is the whole contract, and the conformance suite (`tests/conformance`) has a case for every sentence in the
/// lists below. [`FileDirectory`] is the shortest provider to look at.
///
/// # E-mail addresses
///
/// - Addresses are told apart without regard to upper and lower case.
/// - What cannot be seen in an address that is asked for, such as a zero-width space, does not count.
/// - Every address asked for is answered, in the order given, also one that is asked for twice.
/// - An address that several users have finds them all, one that nobody has nobody, and an empty one nobody.
/// - Ten thousand addresses, the members of a large team, are a question like any other.
///
/// # Ids
///
/// - An id is never empty, belongs to one user, stays the same, and finds that user and no other.
///
/// # Searches
///
/// - A search finds the users whose name or e-mail address contains the query without regard to upper and lower case,
///   or whose id contains it as it is written; no character of a query has a meaning.
/// - What is found is ordered by name, without regard to upper and lower case, and cut to the limit.
/// - An empty query finds everybody.
/// - A user without an e-mail address is found by id and by searches.
///
/// # Calls
///
/// - Calls may be under way at once, and each is answered as if it were alone.
///
/// A provider bounds its own time. A [`DirectoryError`] ends what was asked for and nothing else: members stay mapped as
/// they are, and whoever asked is told the sentence.
#[async_trait]
#[auto_impl(Arc)]
pub trait UserDirectory: Send + Sync + 'static {
    /// For each e-mail address, in the order given, the users that have it.
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError>;

    /// The user with this id.
    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError>;

    /// Users whose name, e-mail address or id contains `query`, ordered by name. At most `limit`.
    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError>;

    /// How many users there are. It is shown and decides nothing, so it may count some that are not found.
    async fn count(&self) -> Result<u64, DirectoryError>;
}

/// A directory without users.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyDirectory;

#[async_trait]
impl UserDirectory for EmptyDirectory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        Ok(vec![Vec::new(); emails.len()])
    }

    async fn find_by_id(&self, _id: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(None)
    }

    async fn search(&self, _query: &str, _limit: usize) -> Result<Vec<User>, DirectoryError> {
        Ok(Vec::new())
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        Ok(0)
    }
}
