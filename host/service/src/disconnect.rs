//! Disconnecting.

use std::time::Duration;

use tracing::{info, warn};

use super::background::policy::{needs_a_person, next_look};
use super::lease::Fenced;
use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;
use integration_host_engine::CallError;
use integration_host_ledger::{Connection, ConnectionState, ConnectionUpdate, EventKind};

impl Host {
    /// Removes the webhook at the remote service and erases secrets and stored state, or does that within a day if the
    /// remote service never said what became of a webhook it was asked for. Activities and
    /// mappings are kept; connecting the scope again continues them. A webhook that the secrets no longer reach does not
    /// keep from it; then this tells in a sentence what stays at the remote service, and what a person does about it.
    pub async fn disconnect(&self, id: &ConnectionId) -> Result<Option<String>, HostError> {
        self.connection(id).await?;
        let guard = self.inner.leases.hold(id).await?;
        let service = self.for_person().fenced_by(&guard);
        service.disconnect_in_turn(id).await
    }

    /// Binds a connection again of which storage has lost something, so that its webhook is found by its callback URL; not
    /// if only a person can help.
    async fn found_again(&self, connection: &Connection) -> Result<bool, HostError> {
        let id = &connection.id;
        if !self.holds_secrets(id).await? {
            return Ok(false);
        }
        let integration = &self.inner.parts.integration;
        let context = self.context(id);
        let bound = integration.connect(&context, &connection.scope_id).await;
        match bound.map_err(HostError::from) {
            Ok(_) => Ok(true),
            Err(error) if needs_a_person(error.code) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Fenced {
    async fn disconnect_in_turn(&self, id: &ConnectionId) -> Result<Option<String>, HostError> {
        // Another host may have come first.
        let connection = self.connection(id).await?;
        // What is not stored any more cannot be removed at the remote service.
        let is_lost = self.has_lost(id).await? && !self.found_again(&connection).await?;
        // If the host stops in the middle, the next start completes it, as it undoes an attempt to connect.
        self.change_state(id, ConnectionState::Connecting).await?;
        let ended = async {
            let stays = self.remove_webhook(id).await?;
            Ok((stays, self.forget(id).await?))
        };
        let (stays, wait) = match ended.await {
            Ok(ended) => ended,
            Err(error) => {
                self.change_state(id, ConnectionState::Active).await?;
                self.begin_upkeep(id);
                return Err(error);
            }
        };
        self.mark_disconnected(id).await?;
        if let Some(wait) = wait {
            self.inner.background.undo_later(id, wait);
        }
        info!(connection = %id, "disconnected");
        let stays = stays.or_else(|| {
            is_lost.then(|| webhook_stays("what was stored of the connection was lost"))
        });
        let message = match &stays {
            Some(stays) => {
                warn!(connection = %id, "the webhook stays at the remote service: {stays}");
                format!("It was disconnected. {stays}")
            }
            None => "It was disconnected.".to_owned(),
        };
        self.record(id, EventKind::Disconnected, message).await;
        Ok(stays)
    }

    /// Undoes what a failed or interrupted attempt to connect has done, or looks once more for the webhook of one. Returns
    /// after which time to look again. The caller holds the lease.
    pub(super) async fn abandon(&self, id: &ConnectionId) -> Result<Option<Duration>, HostError> {
        let undone = async {
            let hook = self.ledger.connection(id).await?.map(|found| found.hook);
            self.remove_webhook(id).await?;
            // Another attempt may have begun meanwhile, and waits for the lease.
            match self.ledger.connection(id).await?.map(|found| found.hook) {
                now if now != hook => Ok(None),
                _ => self.forget(id).await,
            }
        };
        undone.await.inspect_err(|error| {
            warn!(connection = %id, %error, "undoing an unfinished connection did not succeed");
        })
    }

    /// Erases secrets and stored state of a connection whose webhook was removed, unless another webhook may still come into
    /// being: then they are kept to remove that one too, and this is in how long to look for it. Meanwhile the connection is
    /// disconnected, so that nobody is answered at its hook.
    async fn forget(&self, id: &ConnectionId) -> Result<Option<Duration>, HostError> {
        let Some(connection) = self.ledger.connection(id).await? else {
            return Ok(None);
        };
        if let Some(since) = connection.unsettled_since {
            let now = self.now();
            // A clock that was ahead must not make this last for ever.
            if since > now {
                self.note_unsettled(&connection, Some(now)).await?;
            }
            if let Some(wait) = next_look(since.min(now), now, self.schedule()) {
                if connection.state != ConnectionState::Disconnected {
                    self.change_state(id, ConnectionState::Disconnected).await?;
                }
                info!(connection = %id, "a webhook may still come into being at the remote service; it is looked for again");
                return Ok(Some(wait));
            }
        }
        self.ensure_in_charge()?;
        self.inner.secrets.erase_everything(id).await?;
        self.scrub().await;
        if connection.unsettled_since.is_some() {
            self.note_unsettled(&connection, None).await?;
        }
        // One that was connected before keeps its history.
        self.ledger.remove_connection(id).await?;
        Ok(None)
    }

    /// Removes the webhook at the remote service; or says what stays there, because nothing gives access to it any more.
    async fn remove_webhook(&self, id: &ConnectionId) -> Result<Option<String>, HostError> {
        let Some(connection) = self.ledger.connection(id).await? else {
            return Ok(None);
        };
        if connection.subscription.is_none() && connection.unsettled_since.is_none() {
            // An attempt that ended before it asked for one.
            return Ok(None);
        }
        let context = self.context(id);
        let callback = self.callback(&connection).await?;
        match (self.inner.parts.integration)
            .disconnect(&context, callback)
            .await
        {
            Ok(()) => Ok(None),
            // Erasing is then the only way out. A later connection takes over the webhook.
            Err(_) if self.is_unreadable(id).await => Ok(Some(webhook_stays(
                "what was stored of the connection cannot be read",
            ))),
            // Nor can it be removed without them.
            Err(_) if !self.holds_secrets(id).await? => {
                Ok(Some(webhook_stays("the secrets were lost")))
            }
            Err(CallError::Integration(error)) if is_out_of_reach(error.code) => {
                Ok(Some(sentence(&error.message)))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn change_state(
        &self,
        id: &ConnectionId,
        state: ConnectionState,
    ) -> Result<(), HostError> {
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

    async fn mark_disconnected(&self, id: &ConnectionId) -> Result<(), HostError> {
        let parts = &self.inner.parts;
        let update = ConnectionUpdate {
            state: Some(ConnectionState::Disconnected),
            attention: Some(None),
            subscription: Some(None),
            ..ConnectionUpdate::default()
        };
        let connection = self
            .ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        self.forget_hook(&connection.hook);
        Ok(())
    }
}

/// Whether the remote service will never let the webhook be removed with these secrets.
fn is_out_of_reach(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::NotFound | ErrorCode::PlanLimit
    )
}

fn webhook_stays(because: &str) -> String {
    format!(
        "The webhook stays at the remote service, because {because}: connect again, which takes it over, or delete it there."
    )
}
