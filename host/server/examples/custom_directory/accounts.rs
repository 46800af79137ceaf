//! The platform's accounts as a user directory.

use async_trait::async_trait;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_directory::{DirectoryError, UserDirectory, Users};

/// Who has an account. A platform with many would ask its database instead.
pub struct Accounts(Users);

impl Accounts {
    /// Accounts, each with an id, a name and perhaps an e-mail address.
    pub fn new(accounts: impl IntoIterator<Item = User>) -> Self {
        Self(Users::of(accounts))
    }
}

#[async_trait]
impl UserDirectory for Accounts {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        Ok(self.0.find_by_email(emails))
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(self.0.find_by_id(id))
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        Ok(self.0.search(query, limit))
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        Ok(self.0.len() as u64)
    }
}
