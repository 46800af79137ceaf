//! A user directory within its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use integration_host_contract::User;
use integration_host_contract::deadline::{GRACE, within};
use integration_host_contract::id::UserId;
use integration_host_contract::limits::Limits;
use integration_host_directory::{DirectoryError, UserDirectory};

/// One answer may take a provider several questions to the service behind it.
const QUESTIONS: u32 = 3;

/// A user directory each of whose calls ends.
pub(crate) struct BoundedDirectory {
    directory: Arc<dyn UserDirectory>,
    time: Duration,
    /// For the members of a whole team, for which a provider may have to read everybody.
    team_time: Duration,
}

impl BoundedDirectory {
    pub(crate) fn new(directory: Arc<dyn UserDirectory>, limits: &Limits) -> Self {
        let time = limits.directory_timeout.saturating_mul(QUESTIONS);
        Self {
            directory,
            time: time.saturating_add(GRACE),
            team_time: time.max(limits.call_timeout).saturating_add(GRACE),
        }
    }
}

#[async_trait]
impl UserDirectory for BoundedDirectory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        within(self.team_time, self.directory.find_by_email(emails)).await
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        within(self.time, self.directory.find_by_id(id)).await
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        within(self.time, self.directory.search(query, limit)).await
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        within(self.time, self.directory.count()).await
    }
}
