//! Between the contract's types and the provider's.

use super::envelope::Envelope;
use crate::CallError;
use crate::bindings::sentence;
use crate::bindings::storage_provider::exports::worksights::integration::storage as wit;
use integration_host_storage::{Commit, StorageError, Write};

/// A write, which expires for the component in the first second in which it is expired throughout.
pub(super) fn wit_write(write: &Write) -> wit::Write {
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

pub(super) fn commit_outcome(outcome: wit::CommitOutcome) -> Commit {
    match outcome {
        wit::CommitOutcome::Committed => Commit::Committed,
        wit::CommitOutcome::Conflict => Commit::Conflict,
    }
}

/// A call without an answer. The engine has said so in the log.
pub(super) fn unavailable(error: CallError) -> StorageError {
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
