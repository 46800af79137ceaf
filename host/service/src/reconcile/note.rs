//! What reading back has to remember of a connection, over restarts and hosts: JSON in the ledger's notes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::super::{Host, HostError};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{ErrorCode, SoughtActivity};
use integration_host_ledger::LedgerActivity;

/// How often a change is tried while others change the same.
const TRIES: u32 = 8;

impl Host {
    /// The note with this name. One that cannot be read counts as none: it is only where something stopped, and that
    /// begins anew.
    pub(crate) async fn recall<T: DeserializeOwned>(
        &self,
        id: &ConnectionId,
        name: &str,
    ) -> Result<Option<T>, HostError> {
        let text = self.ledger.note(id, name).await?;
        Ok(text.as_deref().and_then(|text| parse(id, name, text)))
    }

    /// Keeps a note in the place of what it was; `None`: nothing.
    pub(crate) async fn keep_note<T: Serialize>(
        &self,
        id: &ConnectionId,
        name: &str,
        note: Option<&T>,
    ) -> Result<(), HostError> {
        let after = note.map(text_of).transpose()?;
        for _ in 0..TRIES {
            let before = self.ledger.note(id, name).await?;
            let (before, after) = (before.as_deref(), after.as_deref());
            if self.ledger.change_note(id, name, before, after).await? {
                return Ok(());
            }
        }
        Err(too_many_changes())
    }

    /// Changes a note that others may change at the same time. `change` may be called more than once.
    pub(super) async fn change_recalled<T: DeserializeOwned + Serialize + Default, R>(
        &self,
        id: &ConnectionId,
        name: &str,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<R, HostError> {
        for _ in 0..TRIES {
            let before = self.ledger.note(id, name).await?;
            let parsed = before.as_deref().and_then(|text| parse(id, name, text));
            let mut note: T = parsed.unwrap_or_default();
            let result = change(&mut note);
            let after = Some(text_of(&note)?);
            let (before, after) = (before.as_deref(), after.as_deref());
            if before == after || self.ledger.change_note(id, name, before, after).await? {
                return Ok(result);
            }
        }
        Err(too_many_changes())
    }
}

fn parse<T: DeserializeOwned>(id: &ConnectionId, name: &str, text: &str) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(note) => Some(note),
        Err(error) => {
            warn!(connection = %id, note = name, %error, "a note cannot be read, and what it was about begins anew");
            None
        }
    }
}

fn text_of<T: Serialize>(note: &T) -> Result<String, HostError> {
    serde_json::to_string(note).map_err(|error| {
        HostError::new(
            ErrorCode::Internal,
            format!("a note cannot be written: {error}"),
        )
    })
}

fn too_many_changes() -> HostError {
    HostError::new(
        ErrorCode::Unavailable,
        "others change the same at the same time; try again",
    )
}

/// What an activity is looked for by.
pub(super) fn sought(activity: &LedgerActivity) -> SoughtActivity {
    SoughtActivity {
        id: activity.entry_id.clone(),
        remote_user_id: activity.remote_user_id.clone(),
        start: activity.start,
        outdated: None,
    }
}
