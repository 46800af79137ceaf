//! The user directory of the settings.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::config::{DirectoryChoice, Settings};
#[cfg(feature = "scim")]
use integration_host_directory::scim::ScimDirectory;
use integration_host_directory::sql::SqlDirectory;
use integration_host_directory::{EmptyDirectory, FileDirectory, UserDirectory};
#[cfg(feature = "scim")]
use integration_host_http::{CONNECT_TIMEOUT, ReqwestClient};

/// Opens a user directory, and makes sure that users can be looked up in it.
///
/// # Errors
/// A sentence that names it and says what helps.
pub(super) async fn open(settings: &Settings) -> Result<Arc<dyn UserDirectory>> {
    let Some(choice) = &settings.directory else {
        return Ok(Arc::new(EmptyDirectory));
    };
    let timeout = settings.limits.directory_timeout;
    let named = || format!("the user directory {choice} cannot be used");
    Ok(match choice {
        DirectoryChoice::File(path) => Arc::new(FileDirectory::load(path)?),
        DirectoryChoice::Sqlite(path, selection) => {
            let directory = SqlDirectory::sqlite(path, selection, timeout).await;
            Arc::new(directory.with_context(named)?)
        }
        #[cfg(feature = "postgres")]
        DirectoryChoice::Postgres(address, selection) => {
            let directory = SqlDirectory::postgres(address, selection, timeout).await;
            Arc::new(directory.with_context(named)?)
        }
        #[cfg(feature = "scim")]
        DirectoryChoice::Scim(url, token) => {
            let proxy = settings.hosts.proxy.clone();
            let http = Arc::new(ReqwestClient::with_proxy(CONNECT_TIMEOUT, proxy)?);
            let directory = ScimDirectory::connect(http, url.clone(), token.clone(), timeout).await;
            Arc::new(directory.with_context(named)?)
        }
    })
}
