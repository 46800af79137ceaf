//! Sessions of the console, as far as all hosts must agree on them.

use std::sync::Arc;

use super::{Host, HostError};
use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_seal::SealingKeys;

impl Host {
    /// The sealing keys, which other keys can be derived from that all hosts have.
    pub fn keys(&self) -> &Arc<SealingKeys> {
        &self.inner.parts.keys
    }

    /// The epoch that sessions which begin now belong to.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn session_epoch(&self) -> Result<SessionEpoch, HostError> {
        Ok(self.ledger.session_epoch().await?)
    }

    /// Whether somebody ended a session, at whichever host.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn has_session_ended(
        &self,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool, HostError> {
        Ok(self.ledger.has_session_ended(epoch, id).await?)
    }

    /// Ends a session at all hosts.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn end_session(&self, id: &SessionId) -> Result<(), HostError> {
        Ok(self.ledger.end_session(id).await?)
    }

    /// Ends all sessions at all hosts.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn end_all_sessions(&self) -> Result<(), HostError> {
        Ok(self.ledger.end_all_sessions().await?)
    }
}
