//! What the connection remembers: JSON values under clear keys.
//!
//! | key | value |
//! |---|---|
//! | `connection` | [`Connection`] |
//! | `webhook` | [`Webhook`] |
//! | `announced` | [`Announced`] |
//! | `replaced` | [`Replaced`] |
//! | `client/5`, `project/42`, `task/9` | a known name, see `names` |
//! | `missing/project/42` | a name to look for, see `names` |
//! | `names/progress` | how far the bulk refresh is |
//! | `quota/organization` | the last reading of the quota |
//! | `quota/organization/total` | [`Allowance`] |

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Storage, StorageError, Write};
use crate::json::{self, Json, Read};
use crate::model::Error;
use crate::toggl::{EventFilter, read_list};

pub(crate) const CONNECTION: &str = "connection";
pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const ANNOUNCED: &str = "announced";
pub(crate) const REPLACED: &str = "replaced";
pub(crate) const NAMES_PROGRESS: &str = "names/progress";
pub(crate) const QUOTA: &str = "quota/organization";
pub(crate) const ALLOWANCE: &str = "quota/organization/total";

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
    /// The description and filters it had then, as Toggl told them. `None`: it was made by an older version.
    pub description: Option<String>,
    pub events: Option<Vec<EventFilter>>,
}

/// A subscription that has pinged the callback and is not stored yet. Toggl pings before it answers
/// the request that creates a subscription, so this is known even if that answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Announced {
    pub subscription_id: u64,
}

/// How many requests the organisation has an hour. Toggl tells it where it lists quotas, and answers to other requests
/// only tell how many are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Allowance {
    pub total: u32,
}

impl Read for Allowance {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            total: json.get("total").count()?,
        })
    }
}

impl Read for Announced {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            subscription_id: json.get("subscription_id").id()?,
        })
    }
}

/// Where a copy of this host had a subscription call before this host took it back. Another host answers there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Replaced {
    /// The newest last.
    pub holders: Vec<ReplacedHolder>,
}

/// One such copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ReplacedHolder {
    pub callback_url: String,
    pub holder: Option<String>,
    /// When the subscription was last seen to be there, apart from what was under way then.
    pub at_seconds: i64,
    /// How often it was there again although this host had taken it back.
    pub came_back: u32,
}

impl Read for Replaced {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            holders: read_list(json.get("holders"))?,
        })
    }
}

impl Read for ReplacedHolder {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            callback_url: json.get("callback_url").owned_text()?,
            holder: json.get("holder").owned_text(),
            at_seconds: json.get("at_seconds").integer()?,
            // A former version did not count.
            came_back: json.get("came_back").count().unwrap_or_default(),
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

impl Webhook {
    /// The members of its JSON that are secrets. The manifest names them, so that the host can verify
    /// deliveries with what is stored.
    pub(crate) const SECRETS: [&'static str; 2] = ["secret", "previous_secret"];
}

impl Read for Webhook {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            workspace_id: json.get("workspace_id").id()?,
            secret: json.get("secret").owned_text()?,
            previous_secret: json.get("previous_secret").owned_text(),
            subscription_id: json.get("subscription_id").id(),
            callback_url: json.get("callback_url").owned_text(),
            description: json.get("description").owned_text(),
            events: match json.get("events") {
                events @ Json::List(_) => Some(read_list(events)?),
                _ => None,
            },
        })
    }
}

/// The connection's binding.
pub(crate) fn connection(storage: &(impl Storage + ?Sized)) -> Result<Connection, Error> {
    read(storage, CONNECTION)?.ok_or_else(not_connected)
}

pub(crate) fn not_connected() -> Error {
    Error::NotFound(
        "Nothing is stored of this connection: it was never connected, or its storage was lost. Give the API token again."
            .into(),
    )
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
