//! The platform's users from a file: CSV with the header `id,email,name`, or a JSON array of
//! objects with these fields.

mod parse;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use self::parse::FileError;
use super::users::Users;
use super::{DirectoryError, UserDirectory};
use crate::clock::{Clock, SystemClock};
use crate::contract::User;
use crate::id::UserId;

/// How often the file is looked at, at most.
const LOOK_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// A user directory in a file, which is read again when it changes. When the new version has a
/// mistake, the old one stays in use and the log says why.
#[derive(Clone)]
pub struct FileDirectory(Arc<Shared>);

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    users: Arc<Users>,
    /// What the file looked like when it was last read.
    stamp: Option<Stamp>,
    looked_at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl FileDirectory {
    /// Reads the file. The error is a sentence that names the file, the line and what helps.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, FileError> {
        Self::load_with_clock(path, Arc::new(SystemClock))
    }

    /// [`load`](Self::load) with a clock, which tells when to look at the file again.
    pub fn load_with_clock(
        path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FileError> {
        let path = path.into();
        // Before reading: a change while it is read is noticed later.
        let stamp = Stamp::of(&path);
        let users = Arc::new(Users::new(parse::read(&path)?));
        let state = State {
            users,
            stamp,
            looked_at: clock.now(),
        };
        Ok(Self(Arc::new(Shared {
            path,
            clock,
            state: Mutex::new(state),
        })))
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.0
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .users
            .len()
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs a lookup where it may block: it may read the file and search many users.
    async fn look_up<T: Send + 'static>(
        &self,
        look_up: impl FnOnce(&Users) -> T + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || look_up(&shared.users()))
            .await
            .map_err(|error| DirectoryError(format!("a defect ended the lookup: {error}")))
    }
}

impl Shared {
    /// The users, read again if the file has changed.
    fn users(&self) -> Arc<Users> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(state.looked_at).abs() < LOOK_INTERVAL {
            return Arc::clone(&state.users);
        }
        state.looked_at = now;
        let stamp = Stamp::of(&self.path);
        if stamp != state.stamp {
            state.stamp = stamp;
            match parse::read(&self.path) {
                Ok(users) => {
                    tracing::info!(path = %self.path.display(), users = users.len(), "read the user directory again");
                    state.users = Arc::new(Users::new(users));
                }
                Err(error) => tracing::warn!(%error, "the user directory stays as it was"),
            }
        }
        Arc::clone(&state.users)
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
        })
    }
}

#[async_trait]
impl UserDirectory for FileDirectory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        let emails = emails.to_vec();
        self.look_up(move |users| users.find_by_email(&emails))
            .await
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        let id = id.clone();
        self.look_up(move |users| users.find_by_id(&id)).await
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        let query = query.to_owned();
        self.look_up(move |users| users.search(&query, limit)).await
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        Ok(self.len() as u64)
    }
}

#[cfg(test)]
mod tests;
