//! Disconnecting.

use tracing::{info, warn};

use super::{Service, ServiceError};
use crate::id::ConnectionId;
use crate::ledger::{ConnectionState, ConnectionUpdate, EventKind};

impl Service {
    /// Removes the webhook at the remote service and erases secrets and stored state. Activities and
    /// mappings are kept; connecting the scope again continues them.
    pub async fn disconnect(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        self.connection(id).await?;
        let turn = self.inner.leases.hold(id).await?;
        self.by_right_of(&turn).disconnect_in_turn(id).await
    }

    async fn disconnect_in_turn(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        // Another host may have come first.
        self.connection(id).await?;
        // If the host stops in the middle, the next start completes it, as it undoes an attempt to connect.
        self.change_state(id, ConnectionState::Connecting).await?;
        if let Err(error) = self.remove_traces(id).await {
            self.change_state(id, ConnectionState::Active).await?;
            self.begin_upkeep(id);
            return Err(error);
        }
        self.mark_disconnected(id).await?;
        info!(connection = %id, "disconnected");
        let message = "It was disconnected.".to_owned();
        self.record(id, EventKind::Disconnected, message).await;
        Ok(())
    }

    async fn change_state(
        &self,
        id: &ConnectionId,
        state: ConnectionState,
    ) -> Result<(), ServiceError> {
        let parts = &self.inner.parts;
        let update = ConnectionUpdate {
            state: Some(state),
            ..ConnectionUpdate::default()
        };
        self.ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        Ok(())
    }

    pub(super) async fn remove_traces(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let context = self.context(id);
        match self.inner.parts.integration.disconnect(&context).await {
            Ok(()) => {}
            // Erasing is then the only way out. A later connection takes over the webhook.
            Err(error) if self.is_unreadable(id).await => {
                warn!(connection = %id, %error, "the webhook stays at the remote service");
            }
            Err(error) => return Err(error.into()),
        }
        self.ensure_in_charge()?;
        self.inner.secrets.erase_everything(id).await?;
        self.scrub().await;
        Ok(())
    }

    async fn mark_disconnected(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let parts = &self.inner.parts;
        let update = ConnectionUpdate {
            state: Some(ConnectionState::Disconnected),
            attention: Some(None),
            subscription: Some(None),
            ..ConnectionUpdate::default()
        };
        self.ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        Ok(())
    }
}
