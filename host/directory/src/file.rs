//! The platform's users from a file: CSV with the header `id,email,name`, separated by commas, semicolons or tabs, or a
//! JSON array of objects with these fields, each a text or a number.

mod parse;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::parse::FileError;
use super::users::Users;
use super::{DirectoryError, UserDirectory};
use integration_host_contract::User;
use integration_host_contract::clock::{Clock, SystemClock};
use integration_host_contract::id::UserId;

/// How often the file is looked at, at most.
const LOOK_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Lookups that run at the same time.
const AT_ONCE: usize = 8;

/// A user directory in a file, which is read again when it changes. When the new version has a
/// mistake, the old one stays in use and the log says why.
#[derive(Clone)]
pub struct FileDirectory(Arc<Shared>);

struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    permits: Arc<Semaphore>,
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
        let users = Arc::new(read(&path)?);
        let state = State {
            users,
            stamp,
            looked_at: clock.now(),
        };
        Ok(Self(Arc::new(Shared {
            path,
            clock,
            state: Mutex::new(state),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        })))
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.0.state.lock().users.len()
    }

    /// Whether there are no users.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs a lookup where it may block: it may read the file and search many users. Few at a time: where the file
    /// does not answer, they must not take the threads that others need.
    async fn look_up<T: Send + 'static>(
        &self,
        look_up: impl FnOnce(&Users) -> T + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let shared = Arc::clone(&self.0);
        let permit = Arc::clone(&shared.permits).acquire_owned().await;
        let permit = permit.map_err(|error| DirectoryError(error.to_string()))?;
        tokio::task::spawn_blocking(move || {
            let found = look_up(&shared.users());
            drop(permit);
            found
        })
        .await
        .map_err(|error| DirectoryError(format!("a defect ended the lookup: {error}")))
    }
}

impl Shared {
    /// The users, read again if the file has changed.
    fn users(&self) -> Arc<Users> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if now.duration_since(state.looked_at).abs() < LOOK_INTERVAL {
            return Arc::clone(&state.users);
        }
        state.looked_at = now;
        let stamp = Stamp::of(&self.path);
        if stamp != state.stamp {
            state.stamp = stamp;
            match read(&self.path) {
                Ok(users) => {
                    tracing::info!(path = %self.path.display(), users = users.len(), "read the user directory again");
                    state.users = Arc::new(users);
                }
                Err(error) => tracing::warn!(%error, "the user directory stays as it was"),
            }
        }
        Arc::clone(&state.users)
    }
}

/// Reads the file, and warns of addresses that match nobody because they cannot be any.
fn read(path: &Path) -> Result<Users, FileError> {
    let content = parse::read(path)?;
    let doubtful = content.doubtful;
    if doubtful.number > 0 {
        tracing::warn!(
            path = %path.display(),
            number = doubtful.number,
            first = doubtful.first,
            "the user directory has texts as e-mail addresses that cannot be any, so nobody is matched by them: correct them"
        );
    }
    Ok(Users::new(content.users))
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
        self.look_up(|users| users.len() as u64).await
    }
}

#[cfg(test)]
mod tests;
