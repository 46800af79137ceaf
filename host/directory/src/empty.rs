//! No users: what there is when no directory is configured.

use async_trait::async_trait;

use super::{DirectoryError, UserDirectory};
use integration_host_contract::User;
use integration_host_contract::id::UserId;

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
