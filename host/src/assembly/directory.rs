//! The user directory of the settings.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::CONNECT_TIMEOUT;
use crate::capability::http::ReqwestClient;
use crate::capability::user_directory::scim::ScimDirectory;
use crate::capability::user_directory::sql::SqlDirectory;
use crate::capability::user_directory::{EmptyDirectory, FileDirectory, UserDirectory};
use crate::config::DirectoryChoice;
use crate::limits::Limits;

/// Opens a user directory, and makes sure that users can be looked up in it.
///
/// # Errors
/// A sentence that names it and says what helps.
pub(super) async fn open(
    choice: Option<&DirectoryChoice>,
    limits: &Limits,
) -> Result<Arc<dyn UserDirectory>> {
    let Some(choice) = choice else {
        return Ok(Arc::new(EmptyDirectory));
    };
    let timeout = limits.directory_timeout();
    let named = || format!("the user directory {choice} cannot be used");
    Ok(match choice {
        DirectoryChoice::File(path) => Arc::new(FileDirectory::load(path)?),
        DirectoryChoice::Sqlite(path, selection) => {
            let directory = SqlDirectory::sqlite(path, selection, timeout).await;
            Arc::new(directory.with_context(named)?)
        }
        DirectoryChoice::Postgres(address, selection) => {
            let directory = SqlDirectory::postgres(address, selection, timeout).await;
            Arc::new(directory.with_context(named)?)
        }
        DirectoryChoice::Scim(url, token) => {
            let http = Arc::new(ReqwestClient::new(CONNECT_TIMEOUT)?);
            let directory = ScimDirectory::connect(http, url.clone(), token.clone(), timeout).await;
            Arc::new(directory.with_context(named)?)
        }
    })
}
