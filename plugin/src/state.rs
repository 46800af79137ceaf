//! What the connection remembers: JSON values under clear keys.
//!
//! | key | value |
//! |---|---|
//! | `connection` | [`Connection`] |
//! | `webhook` | [`Webhook`] |
//! | `announced` | [`Announced`] |
//! | `client/5`, `project/42`, `task/9` | a known name, see `names` |
//! | `missing/project/42` | a name to look for, see `names` |
//! | `names/progress` | how far the bulk refresh is |
//! | `quota/organization` | the last reading of the quota |

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Storage, StorageError, Write};
use crate::json::{self, Json, Read};
use crate::model::Error;

pub(crate) const CONNECTION: &str = "connection";
pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const ANNOUNCED: &str = "announced";
pub(crate) const NAMES_PROGRESS: &str = "names/progress";
pub(crate) const QUOTA: &str = "quota/organization";

/// The workspace the connection is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Connection {
    pub workspace_id: u64,
    pub workspace_name: String,
    pub organization_id: Option<u64>,
    pub account_id: u64,
}

/// What a delivery is checked against. It repeats the workspace so that a delivery reads one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Webhook {
    pub workspace_id: u64,
    /// The signing secret, as text: Toggl keys its HMAC with the text, not with what it encodes.
    pub secret: String,
    /// Accepted too until the subscription has the present secret.
    pub previous_secret: Option<String>,
    /// `None` until the subscription exists.
    pub subscription_id: Option<u64>,
    /// The callback the subscription was last given.
    pub callback_url: Option<String>,
}

/// A subscription that has pinged the callback and is not stored yet. Toggl pings before it answers
/// the request that creates a subscription, so this is known even if that answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Announced {
    pub subscription_id: u64,
}

impl Read for Announced {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            subscription_id: json.get("subscription_id").id()?,
        })
    }
}

impl Read for Connection {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            workspace_id: json.get("workspace_id").id()?,
            workspace_name: json.get("workspace_name").owned_text()?,
            organization_id: json.get("organization_id").id(),
            account_id: json.get("account_id").id()?,
        })
    }
}

impl Read for Webhook {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            workspace_id: json.get("workspace_id").id()?,
            secret: json.get("secret").owned_text()?,
            previous_secret: json.get("previous_secret").owned_text(),
            subscription_id: json.get("subscription_id").id(),
            callback_url: json.get("callback_url").owned_text(),
        })
    }
}

/// The connection's binding.
pub(crate) fn connection(storage: &(impl Storage + ?Sized)) -> Result<Connection, Error> {
    read(storage, CONNECTION)?.ok_or_else(not_connected)
}

pub(crate) fn not_connected() -> Error {
    Error::NotFound("This connection is not bound to a Toggl workspace. Connect it first.".into())
}

/// The value under a key that must be readable if it is there.
pub(crate) fn read<T: Read>(
    storage: &(impl Storage + ?Sized),
    key: &str,
) -> Result<Option<T>, Error> {
    let Some(value) = storage.get(key)? else {
        return Ok(None);
    };
    let state = json::read(&value).ok_or_else(|| {
        Error::Internal(format!(
            "The stored state “{key}” cannot be read. Disconnect and connect again."
        ))
    })?;
    Ok(Some(state))
}

/// The value under a key that can be had again: what cannot be read is absent.
pub(crate) fn recall<T: Read>(
    storage: &(impl Storage + ?Sized),
    key: &str,
) -> Result<Option<T>, Error> {
    let value = storage.get(key)?;
    Ok(value.and_then(|value| json::read(&value)))
}

/// The write that puts a value under a key.
pub(crate) fn put<T: Serialize>(key: impl Into<String>, value: &T) -> Result<Write, Error> {
    put_until(key, value, None)
}

/// The write that puts a value under a key for some time.
pub(crate) fn put_until<T: Serialize>(
    key: impl Into<String>,
    value: &T,
    expires_at: Option<Timestamp>,
) -> Result<Write, Error> {
    let key = key.into();
    let value = serde_json::to_vec(value).map_err(|error| {
        Error::Internal(format!("The state “{key}” cannot be written: {error}"))
    })?;
    Ok(Write {
        key,
        value: Some(value),
        expires_at,
    })
}

/// The write that removes a key.
pub(crate) fn delete(key: impl Into<String>) -> Write {
    Write {
        key: key.into(),
        value: None,
        expires_at: None,
    }
}

/// Removes everything.
pub(crate) fn clear(storage: &(impl Storage + ?Sized)) -> Result<(), Error> {
    const PAGE: u32 = 500;
    let mut after: Option<String> = None;
    loop {
        let entries = storage.list("", after.as_deref(), PAGE)?;
        let is_last = entries.len() < PAGE as usize;
        let last = entries.last().map(|entry| entry.key.clone());
        let writes: Vec<Write> = entries.into_iter().map(|entry| delete(entry.key)).collect();
        if !writes.is_empty() {
            storage.write(writes)?;
        }
        // Without a step forward another page would be the same one.
        if is_last || last <= after {
            return Ok(());
        }
        after = last;
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Invalid(why) => {
                Self::Internal(format!("The storage refused what was asked: {why}"))
            }
            StorageError::Unavailable(why) => {
                Self::Unavailable(format!("The storage did not answer: {why}"))
            }
        }
    }
}
