//! All users of a service, read once and kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::client::{ScimClient, ScimError};
use super::listing;
use crate::users::Users;

/// How long users stay as they were read.
const FRESH: Duration = Duration::from_secs(60);
/// How long reading all users may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// All users, as they were a moment ago.
#[derive(Default)]
pub(super) struct UserCache(Mutex<Option<(Instant, Arc<Users>)>>);

impl UserCache {
    /// The users. Whoever asks meanwhile waits for the same reading.
    pub(super) async fn read(&self, client: &ScimClient) -> Result<Arc<Users>, ScimError> {
        let mut kept = self.0.lock().await;
        if let Some((read_at, users)) = kept.as_ref()
            && read_at.elapsed() < FRESH
        {
            return Ok(Arc::clone(users));
        }
        let listed = tokio::time::timeout(READ_TIMEOUT, listing::all(client, None))
            .await
            .map_err(|_| ScimError::TooSlow {
                place: client.place(),
                seconds: READ_TIMEOUT.as_secs(),
            })?
            .map_err(|error| match error {
                ScimError::Unsupported => ScimError::Refusing {
                    place: client.place(),
                    source_name: client.source_name(),
                },
                error => error,
            })?;
        let users = Arc::new(Users::new(listed));
        *kept = Some((Instant::now(), Arc::clone(&users)));
        Ok(users)
    }

    /// Has them read anew.
    #[cfg(test)]
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
