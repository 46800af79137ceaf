//! The directory as one call sees it.

use std::sync::Arc;

use tracing::warn;

use crate::bindings::worksights::integration::user_directory::{Error, Host, User};
use integration_host_directory::UserDirectory;

/// The most addresses one call may ask for.
const MAX_EMAILS: usize = 100_000;

/// How often one call may ask.
const MAX_LOOKUPS: u32 = 1_000;

/// The directory, lent to one call.
pub(crate) struct CallDirectory {
    directory: Arc<dyn UserDirectory>,
    emails_left: usize,
    lookups_left: u32,
    is_exhausted: bool,
}

impl CallDirectory {
    /// Lends the directory to a call.
    pub(crate) fn new(directory: Arc<dyn UserDirectory>) -> Self {
        Self {
            directory,
            emails_left: MAX_EMAILS,
            lookups_left: MAX_LOOKUPS,
            is_exhausted: false,
        }
    }

    fn count(&mut self, emails: usize) -> Option<()> {
        self.lookups_left = self.lookups_left.checked_sub(1)?;
        self.emails_left = self.emails_left.checked_sub(emails)?;
        Some(())
    }
}

impl Host for CallDirectory {
    async fn find_by_email(&mut self, emails: Vec<String>) -> Result<Vec<Vec<User>>, Error> {
        if self.count(emails.len()).is_none() {
            // Reported once: who floods this host must not flood its log.
            if !std::mem::replace(&mut self.is_exhausted, true) {
                warn!(
                    limit = "directory_lookups",
                    "the integration asks the user directory too much"
                );
            }
            return Err(Error::Unavailable(format!(
                "a call asked more than {MAX_LOOKUPS} times, or for more than {MAX_EMAILS} addresses"
            )));
        }
        match self.directory.find_by_email(&emails).await {
            Ok(found) => Ok(found
                .into_iter()
                .map(|users| users.into_iter().map(User::from).collect())
                .collect()),
            Err(error) => Err(Error::Unavailable(error.to_string())),
        }
    }
}
