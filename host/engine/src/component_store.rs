//! Storage in a component: a WebAssembly component that exports `worksights:integration/storage`. Each call runs
//! in an instance of its own, and what it returns is checked: it is trusted no more than an integration.

mod envelope;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use thiserror::Error;

use self::envelope::Envelope;
use crate::bindings::sentence;
use crate::bindings::storage_provider::exports::worksights::integration::storage as wit;
use crate::{CallError, StorageComponent, StorageContext};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Write, check_commit,
    check_key,
};

/// The component does not work, in a sentence.
#[derive(Debug, Error)]
#[error("the storage component does not work: {0}")]
pub struct UnusableComponent(StorageError);

/// A storage provider that is a component.
pub struct ComponentStore {
    component: StorageComponent,
    /// Keeps the buckets it is lent.
    buckets: Arc<dyn KeyValueStore>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl ComponentStore {
    /// Lends a component buckets, which `buckets` keeps, and calls it. A call takes no longer than
    /// `timeout`; `clock` tells what has expired.
    pub fn new(
        component: StorageComponent,
        buckets: Arc<dyn KeyValueStore>,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            component,
            buckets,
            timeout,
            clock,
        }
    }

    /// Reads once, so that one that cannot work is known at start.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn try_out(&self) -> Result<(), UnusableComponent> {
        self.get(&ConnectionId::new("start"), "start")
            .await
            .map(drop)
            .map_err(UnusableComponent)
    }

    /// Says in the log who broke the contract where, and what the caller is told.
    fn blame(
        &self,
        connection: &ConnectionId,
        export: &'static str,
        Breach(what): &Breach,
    ) -> StorageError {
        self.component.report_breach(connection, export, what);
        StorageError::Unavailable(format!("the storage component {what}"))
    }

    fn context(&self, connection: &ConnectionId) -> StorageContext {
        StorageContext {
            connection: connection.clone(),
            buckets: Arc::clone(&self.buckets),
            clock: Arc::clone(&self.clock),
            timeout: self.timeout,
        }
    }

    /// What it says of a key, expired or not.
    async fn find(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        let context = self.context(connection);
        let called = self.component.get(context, key.to_owned());
        let entry = answer(called.await)?;
        checked_entry(entry, key).map_err(|breach| self.blame(connection, "get", &breach))
    }

    /// What it lists, expired or not.
    async fn page(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let called = self.component.list(
            self.context(connection),
            prefix.to_owned(),
            after.map(str::to_owned),
            u32::try_from(limit).unwrap_or(u32::MAX),
        );
        let page = answer(called.await)?;
        checked_page(page, prefix, after, limit)
            .map_err(|breach| self.blame(connection, "list", &breach))
    }

    /// What became of a commit, by the component's view of what has expired.
    async fn try_commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        let expected = expected
            .iter()
            .map(|expectation| wit::Expectation {
                key: expectation.key.clone(),
                version: expectation.version.as_ref().map(Envelope::inner_version),
            })
            .collect();
        let writes = writes.iter().map(wit_write).collect();
        let context = self.context(connection);
        let called = self.component.commit(context, expected, writes);
        answer(called.await).map(commit_outcome)
    }

    /// Expectations of absence that hold, because the key has expired, although the component does not know
    /// so yet: it is told seconds. They become expectations of what is there. `None`: nothing is different.
    async fn see_expired(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        now: Timestamp,
    ) -> Result<Option<Vec<Expectation>>, StorageError> {
        let mut seen = expected.to_vec();
        let mut is_different = false;
        for expectation in seen.iter_mut().filter(|one| one.version.is_none()) {
            let found = self.find(connection, &expectation.key).await?;
            if let Some(entry) = found.filter(|entry| !is_present(entry, now)) {
                expectation.version = Some(entry.version);
                is_different = true;
            }
        }
        Ok(is_different.then_some(seen))
    }
}

#[async_trait]
impl KeyValueStore for ComponentStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let now = self.clock.now();
        let entry = self.find(connection, key).await?;
        Ok(entry.filter(|entry| is_present(entry, now)))
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let (limit, now) = (limit.min(MAX_LIST), self.clock.now());
        let mut entries: Vec<Entry> = Vec::new();
        let mut cursor = after.map(str::to_owned);
        // Once, except where something expired within this second, which the component still lists.
        while entries.len() < limit {
            let wanted = limit - entries.len();
            let page = self
                .page(connection, prefix, cursor.as_deref(), wanted)
                .await?;
            let is_last = page.len() < wanted;
            cursor = page.last().map(|entry| entry.key.clone());
            entries.extend(page.into_iter().filter(|entry| is_present(entry, now)));
            if is_last {
                break;
            }
        }
        Ok(entries)
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let now = self.clock.now();
        let has_expired = |expectation: &Expectation| {
            let version = expectation.version.as_ref();
            version.is_some_and(|version| Envelope::has_expired(version, now))
        };
        if expected.iter().any(has_expired) {
            return Ok(Commit::Conflict);
        }
        let commit = self.try_commit(connection, expected, writes).await?;
        if commit == Commit::Committed {
            return Ok(commit);
        }
        match self.see_expired(connection, expected, now).await? {
            Some(seen) => self.try_commit(connection, &seen, writes).await,
            None => Ok(commit),
        }
    }

    async fn scrub(&self) {
        self.buckets.scrub().await;
    }
}

fn is_present(entry: &Entry, now: Timestamp) -> bool {
    entry.expires_at.is_none_or(|expires_at| now < expires_at)
}

/// What a call returned, unless it failed, or the component says that it cannot answer.
fn answer<T>(called: Result<Result<T, wit::Error>, CallError>) -> Result<T, StorageError> {
    called.map_err(unavailable)?.map_err(StorageError::from)
}

/// How a component breaks the contract.
struct Breach(&'static str);

/// What it says of a key, if it may.
fn checked_entry(entry: Option<wit::Entry>, key: &str) -> Result<Option<Entry>, Breach> {
    let entry = entry.map(Envelope::open).transpose()?;
    if entry.as_ref().is_some_and(|entry| entry.key != key) {
        return Err(Breach("answers with another key than it was asked for"));
    }
    Ok(entry)
}

/// What it lists, if it may.
fn checked_page(
    page: Vec<wit::Entry>,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Entry>, Breach> {
    if page.len() > limit {
        return Err(Breach("lists more than it was asked for"));
    }
    let page = page
        .into_iter()
        .map(Envelope::open)
        .collect::<Result<Vec<_>, _>>()?;
    let mut last = after;
    for entry in &page {
        let key = entry.key.as_str();
        if !key.starts_with(prefix) || last.is_some_and(|last| key <= last) {
            return Err(Breach(
                "lists keys that it was not asked for, or not in order",
            ));
        }
        last = Some(key);
    }
    Ok(page)
}

/// A write, which expires for the component in the first second in which it is expired throughout.
fn wit_write(write: &Write) -> wit::Write {
    let expires_at_seconds = write.expires_at.map(|expires_at| {
        let milliseconds = u64::try_from(expires_at.as_millisecond()).unwrap_or_default();
        milliseconds.div_ceil(1_000)
    });
    wit::Write {
        key: write.key.clone(),
        value: Envelope::close(write),
        expires_at_seconds,
    }
}

fn commit_outcome(outcome: wit::CommitOutcome) -> Commit {
    match outcome {
        wit::CommitOutcome::Committed => Commit::Committed,
        wit::CommitOutcome::Conflict => Commit::Conflict,
    }
}

/// A call without an answer. The engine has said so in the log.
fn unavailable(error: CallError) -> StorageError {
    let text = match error {
        CallError::Trap { export, cause } | CallError::Stopped { export, cause, .. } => {
            format!("the storage component failed in `{export}`: {cause}")
        }
        CallError::TimedOut { export, time } => {
            format!("the storage component did not finish `{export}` within {time:?}")
        }
        CallError::Busy => "too many calls of the storage component at once".to_owned(),
        error => error.to_string(),
    };
    StorageError::Unavailable(text)
}

impl From<wit::Error> for StorageError {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Invalid(message) => Self::Invalid(sentence(message)),
            wit::Error::Unavailable(message) => Self::Unavailable(sentence(message)),
        }
    }
}
