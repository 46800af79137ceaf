//! The integration's logic compiled natively, over the same storage as the component's.

use std::cell::RefCell;
use std::sync::Arc;

use futures_util::FutureExt as _;
use integration_host_contract::clock::{Clock as _, SystemClock};
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, INTEGRATION_AREA, KeyValueStore, UnitOfWork, Write as HostWrite,
};
use toggl_integration::capability::{
    Clock, Entry, Http, HttpError, HttpRequest, HttpResponse, Level, Log, Random, Storage,
    StorageError, UserDirectory, Write,
};
use toggl_integration::model::User;
use toggl_integration::time::Timestamp;

/// What the native twin is lent: a unit of work, and nothing a delivery does not use.
pub struct Native(RefCell<UnitOfWork>);

impl Native {
    pub fn new(store: Arc<dyn KeyValueStore>, connection: ConnectionId) -> Self {
        let clock = Arc::new(SystemClock);
        Self(RefCell::new(UnitOfWork::new(
            store,
            clock,
            connection,
            INTEGRATION_AREA,
        )))
    }

    /// Commits what was written, as the host does after a call.
    pub async fn finish(self) -> bool {
        matches!(self.0.into_inner().finish().await, Ok(Commit::Committed))
    }
}

/// Storage in memory answers at once.
fn at_once<T>(
    answer: impl Future<Output = Result<T, integration_host_storage::StorageError>>,
) -> Result<T, StorageError> {
    answer
        .now_or_never()
        .ok_or_else(|| StorageError::Unavailable("storage did not answer at once".into()))?
        .map_err(|error| StorageError::Unavailable(error.to_string()))
}

impl Storage for Native {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(at_once(self.0.borrow_mut().get(key))?.map(|entry| entry.value))
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StorageError> {
        let entries = at_once(self.0.borrow_mut().list(prefix, after, limit as usize))?;
        Ok(entries
            .into_iter()
            .map(|entry| Entry {
                key: entry.key,
                value: entry.value,
            })
            .collect())
    }

    fn write(&self, writes: Vec<Write>) -> Result<(), StorageError> {
        let writes: Vec<_> = writes
            .into_iter()
            .map(|write| HostWrite {
                key: write.key,
                value: write.value,
                expires_at: None,
            })
            .collect();
        at_once(self.0.borrow_mut().commit(&[], &writes)).map(drop)
    }
}

impl Http for Native {
    fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Unavailable("a delivery needs no request".into()))
    }

    fn quota_used_up(&self, _: &str, _: u32) {}

    fn quota_resets_in(&self, _: &str) -> Option<u32> {
        None
    }
}

impl UserDirectory for Native {
    fn find_by_email(&self, _: &[String]) -> Result<Vec<Vec<User>>, String> {
        Err("a delivery needs no directory".into())
    }
}

impl Clock for Native {
    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(SystemClock.now().as_millisecond())
    }
}

impl Random for Native {
    fn random_bytes(&self, length: usize) -> Vec<u8> {
        vec![0; length]
    }
}

impl Log for Native {
    fn log(&self, _: Level, _: &str) {}
}
