//! Backups of a running host.

use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_ledger::{BackupFile, LedgerError};

impl Host {
    /// A copy of everything the host keeps, as it was at one moment: secrets, stored values and kept
    /// deliveries sealed, and without the key they are sealed with. Dropping the future ends the copying.
    ///
    /// # Errors
    /// `Conflict` if another copy is being made or if everything is in memory. `Unavailable` if there is no
    /// room for it.
    pub async fn backup(&self) -> Result<BackupFile, HostError> {
        let conflict = |message: &str| HostError::new(ErrorCode::Conflict, message);
        let Ok(_copying) = self.inner.copying.try_lock() else {
            return Err(conflict(
                "a backup is being made already; wait until that is done",
            ));
        };
        let nothing = || {
            conflict(
                "this host does not keep everything in one embedded database, so it cannot be backed up here; run it with --storage sqlite:PATH, or back up what --storage and --ledger name",
            )
        };
        let database = self.inner.parts.backup.as_ref().ok_or_else(nothing)?;
        let copy = database.copy().await.map_err(|error| {
            let error = match error {
                LedgerError::Unavailable(cause) => cause,
                error => error.to_string(),
            };
            HostError::new(
                ErrorCode::Unavailable,
                format!("the copy could not be made ({error}); make sure that beside the database there is room for another one"),
            )
        })?;
        copy.ok_or_else(nothing)
    }
}
