//! Storage as one call sees it: its unit of work.

use jiff::Timestamp;
use tracing::warn;

use crate::bindings::worksights::integration::storage as wit;
use integration_host_storage::unit_of_work::UnitOfWork;
use integration_host_storage::{Commit, Entry, Expectation, StorageError, Version, Write};

impl wit::Host for UnitOfWork {
    async fn get(&mut self, key: String) -> Result<Option<wit::Entry>, wit::Error> {
        let entry = UnitOfWork::get(self, &key).await;
        Ok(reported(self, entry)?.map(wit::Entry::from))
    }

    async fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<wit::Entry>, wit::Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = UnitOfWork::list(self, &prefix, after.as_deref(), limit).await;
        let entries = reported(self, entries)?;
        Ok(entries.into_iter().map(wit::Entry::from).collect())
    }

    async fn commit(
        &mut self,
        expected: Vec<wit::Expectation>,
        writes: Vec<wit::Write>,
    ) -> Result<wit::CommitOutcome, wit::Error> {
        let expected: Vec<_> = expected.into_iter().map(Expectation::from).collect();
        let writes = writes
            .into_iter()
            .map(Write::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let outcome = UnitOfWork::commit(self, &expected, &writes).await;
        match reported(self, outcome)? {
            Commit::Committed => Ok(wit::CommitOutcome::Committed),
            Commit::Conflict => Ok(wit::CommitOutcome::Conflict),
        }
    }
}

/// Says in the log, once a call, that what the integration asked for is out of bounds. The call's span
/// tells for which connection and in which function; the text names keys and is for the integration.
fn reported<T>(unit: &mut UnitOfWork, outcome: Result<T, StorageError>) -> Result<T, wit::Error> {
    if matches!(outcome, Err(StorageError::Invalid(_))) && unit.is_first_refusal() {
        warn!(
            limit = "storage_call",
            "refused what the integration asked of its storage"
        );
    }
    Ok(outcome?)
}

impl From<StorageError> for wit::Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Invalid(message) => Self::Invalid(message),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Entry> for wit::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            version: entry.version.0,
        }
    }
}

impl From<wit::Expectation> for Expectation {
    fn from(expectation: wit::Expectation) -> Self {
        Self {
            key: expectation.key,
            version: expectation.version.map(Version),
        }
    }
}

impl TryFrom<wit::Write> for Write {
    type Error = wit::Error;

    fn try_from(write: wit::Write) -> Result<Self, wit::Error> {
        let expires_at = write
            .expires_at_seconds
            .map(|seconds| {
                i64::try_from(seconds)
                    .ok()
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .ok_or_else(|| {
                        wit::Error::Invalid(format!("{seconds} is not a time a key can expire at"))
                    })
            })
            .transpose()?;
        Ok(Self {
            key: write.key,
            value: write.value,
            expires_at,
        })
    }
}
