//! The directory as one call sees it.

use std::sync::Arc;

use super::UserDirectory;
use crate::bindings::worksights::integration::user_directory::{Error, Host, User};

/// The most addresses one call may ask for at once.
const MAX_EMAILS: usize = 100_000;

/// The directory, lent to one call.
pub(crate) struct LentDirectory(pub(crate) Arc<dyn UserDirectory>);

impl Host for LentDirectory {
    async fn find_by_email(&mut self, emails: Vec<String>) -> Result<Vec<Vec<User>>, Error> {
        if emails.len() > MAX_EMAILS {
            return Err(Error::Unavailable(format!(
                "more than {MAX_EMAILS} addresses were asked for at once"
            )));
        }
        match self.0.find_by_email(&emails).await {
            Ok(found) => Ok(found
                .into_iter()
                .map(|users| users.into_iter().map(User::from).collect())
                .collect()),
            Err(error) => Err(Error::Unavailable(error.to_string())),
        }
    }
}
