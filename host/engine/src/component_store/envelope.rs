//! What a component is given as value and version. It is told when an entry expires in seconds, and never
//! tells it back; so the exact time stands before the value, and in the version that the host sees.

use jiff::Timestamp;

use super::Breach;
use crate::bindings::storage_provider::exports::worksights::integration::storage as wit;
use integration_host_storage::{Entry, MAX_STORED_BYTES, Version, Write};

/// The longest version a component may give, in bytes.
const MAX_VERSION_BYTES: usize = 256;

/// Says that an entry never expires.
const NEVER: i64 = i64::MAX;

/// Values and versions as the host puts them.
pub(super) struct Envelope;

impl Envelope {
    /// A value with its expiry before it.
    pub(super) fn close(write: &Write) -> Option<Vec<u8>> {
        let expires_at = write.expires_at.map_or(NEVER, Timestamp::as_millisecond);
        let value = write.value.as_ref()?;
        Some([expires_at.to_be_bytes().as_slice(), value].concat())
    }

    /// An entry as the component returned it.
    pub(super) fn open(entry: wit::Entry) -> Result<Entry, Breach> {
        let unknown = || Breach("returns a value that it was not given");
        let (expires_at, value) = entry.value.split_first_chunk().ok_or_else(unknown)?;
        if value.len() > MAX_STORED_BYTES || entry.version.len() > MAX_VERSION_BYTES {
            return Err(unknown());
        }
        let milliseconds = i64::from_be_bytes(*expires_at);
        let expires_at = match milliseconds {
            NEVER => None,
            // What no timestamp can say is beyond all times.
            at => Some(Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)),
        };
        Ok(Entry {
            version: Version(format!("{milliseconds} {}", entry.version)),
            key: entry.key,
            value: value.to_vec(),
            expires_at,
        })
    }

    /// The version as the component knows it. One that was never given out is none of its own either.
    pub(super) fn inner_version(version: &Version) -> String {
        let (_, inner) = version.0.split_once(' ').unwrap_or_default();
        inner.to_owned()
    }

    /// Whether an entry with this version has expired, or never was.
    pub(super) fn has_expired(version: &Version, now: Timestamp) -> bool {
        let expires_at = version
            .0
            .split_once(' ')
            .and_then(|(at, _)| at.parse::<i64>().ok());
        expires_at.is_none_or(|at| at != NEVER && at <= now.as_millisecond())
    }
}
