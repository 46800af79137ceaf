//! The host's functions as capabilities.

use crate::time::Timestamp;

use super::generated::wasi::clocks::wall_clock;
use super::generated::wasi::logging::logging;
use super::generated::wasi::random::random;
use super::generated::worksights::integration::{http, storage, user_directory};
use crate::capability::{
    Clock, Entry, Http, HttpError, HttpRequest, HttpResponse, Level, Log, Random, Storage,
    StorageError, UserDirectory, Write,
};
use crate::model::User;

/// The context of every log line.
const LOG_CONTEXT: &str = "toggl";

/// The host this component runs in.
pub(super) struct Host;

impl Http for Host {
    fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = http::send(&request.into())?;
        Ok(response.into())
    }

    fn quota_used_up(&self, quota: &str, resets_in_seconds: u32) {
        http::quota_used_up(quota, resets_in_seconds);
    }

    fn quota_resets_in(&self, quota: &str) -> Option<u32> {
        http::quota_resets_in(quota)
    }
}

impl Storage for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(storage::get(key)?.map(|entry| entry.value))
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry>, StorageError> {
        let entries = storage::list(prefix, after, limit)?;
        Ok(entries.into_iter().map(Into::into).collect())
    }

    fn write(&self, writes: Vec<Write>) -> Result<(), StorageError> {
        let writes: Vec<storage::Write> = writes.into_iter().map(Into::into).collect();
        // The host guards what the call has read; there is nothing to expect beside that.
        match storage::commit(&[], &writes)? {
            storage::CommitOutcome::Committed => Ok(()),
            storage::CommitOutcome::Conflict => {
                Err(StorageError::Unavailable("another call was faster".into()))
            }
        }
    }
}

impl UserDirectory for Host {
    fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, String> {
        match user_directory::find_by_email(emails) {
            Ok(found) => Ok(found
                .into_iter()
                .map(|users| users.into_iter().map(Into::into).collect())
                .collect()),
            Err(user_directory::Error::Unavailable(why)) => Err(why),
        }
    }
}

impl Clock for Host {
    fn now(&self) -> Timestamp {
        let now = wall_clock::now();
        let seconds = i64::try_from(now.seconds).unwrap_or(i64::MAX);
        Timestamp::from_nanoseconds(
            Timestamp::from_seconds(seconds)
                .nanoseconds()
                .saturating_add(i64::from(now.nanoseconds)),
        )
    }
}

impl Random for Host {
    fn random_bytes(&self, length: usize) -> Vec<u8> {
        random::get_random_bytes(length as u64)
    }
}

impl Log for Host {
    fn log(&self, level: Level, message: &str) {
        logging::log(level.into(), LOG_CONTEXT, message);
    }
}
