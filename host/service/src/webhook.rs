//! The webhook at the remote service: asking for it so that none is ever forgotten there.
//!
//! The remote service may make a webhook long after it was asked to, or although its answer was lost. That it was asked is
//! therefore noted before, and stays noted until an answer settles what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::background::policy::{needs_a_person, settles};
use super::lease::Fenced;
use super::{Host, HostError};
use integration_host_contract::id::{ConnectionId, HookId};
use integration_host_contract::{Callback, ErrorCode, Health, Subscription};
use integration_host_engine::CallContext;
use integration_host_ledger::{
    Attention, Connection, ConnectionState, ConnectionUpdate, EventKind,
};
use integration_host_storage::{Commit, INTEGRATION_AREA, KeyValueStore, MemoryStore, Write};

/// So many keys an integration stores at most when it is bound.
const MOST_BOUND: usize = 1000;

/// What stands for a text of any length, in eight characters.
fn fingerprint(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(8);
    digest
}

impl Host {
    /// Where deliveries for a connection are to go, and who is to have them.
    pub(super) async fn callback(&self, connection: &Connection) -> Result<Callback, HostError> {
        let identity = self.ledger.identity().await?;
        let holder = format!(
            "{}.{}",
            fingerprint(identity.id.as_str()),
            fingerprint(identity.life.as_str())
        );
        Ok(Callback {
            url: self.callback_url(&connection.hook),
            holder,
            take_over: false,
        })
    }

    /// Notes since when a webhook may come into being that nothing here knows of; `None`: none may.
    pub(super) async fn note_unsettled(
        &self,
        connection: &Connection,
        unsettled_since: Option<jiff::Timestamp>,
    ) -> Result<(), HostError> {
        let update = ConnectionUpdate {
            unsettled_since: Some(unsettled_since),
            ..ConnectionUpdate::default()
        };
        let ledger = &self.ledger;
        ledger
            .update_connection(&connection.id, update, self.now())
            .await?;
        Ok(())
    }

    /// Takes a connection's webhook over from another copy of this host, which then leaves it alone, and checks the
    /// connection.
    pub async fn take_over(&self, id: &ConnectionId) -> Result<Health, HostError> {
        self.connection(id).await?;
        let guard = self.inner.leases.hold(id).await?;
        let service = self.for_person().fenced_by(&guard);
        let connection = self.connection(id).await?;
        let context = service.context(id);
        let callback = Callback {
            take_over: true,
            ..service.callback(&connection).await?
        };
        service.subscribe(&connection, &context, callback).await?;
        drop(guard);
        info!(connection = %id, "the webhook was taken over");
        let message = "The webhook was taken over, as somebody decided.".to_owned();
        self.record(id, EventKind::SubscriptionRepaired, message)
            .await;
        let health = self.check(id).await;
        // What was not reported while another host had it is read.
        self.inner.background.maintain_now(id);
        health
    }

    /// Makes a connection of a copied host a separate one: with a hook, a signing secret and a webhook of its own beside
    /// the one that the other copy has, and checks it.
    pub async fn separate(&self, id: &ConnectionId) -> Result<Health, HostError> {
        self.connection(id).await?;
        let guard = self.inner.leases.hold(id).await?;
        let service = self.for_person().fenced_by(&guard);
        let connection = self.connection(id).await?;
        // Bound anew in memory first: if that fails, everything is as before.
        let fresh: Arc<dyn KeyValueStore> =
            Arc::new(MemoryStore::new(Arc::clone(&self.inner.parts.clock)));
        let context = CallContext {
            store: Arc::clone(&fresh),
            ..service.context(id)
        };
        let integration = &self.inner.parts.integration;
        integration.connect(&context, &connection.scope_id).await?;
        // From here on nothing leads to the webhook of the other copy.
        service.ensure_in_charge()?;
        service.inner.secrets.erase_state(id).await?;
        service.take_over_state(id, &*fresh).await?;
        let update = ConnectionUpdate {
            hook: Some(HookId::generate()),
            subscription: Some(None),
            ..ConnectionUpdate::default()
        };
        let ledger = &service.ledger;
        let connection = ledger
            .update_connection(&connection.id, update, self.now())
            .await?;
        let context = service.context(id);
        let callback = service.callback(&connection).await?;
        if let Err(error) = service.subscribe(&connection, &context, callback).await {
            if needs_a_person(error.code) {
                let attention = Attention {
                    code: error.code.as_str().to_owned(),
                    message: error.message.clone(),
                };
                service.set_attention(&connection, Some(attention)).await?;
            }
            return Err(error);
        }
        drop(guard);
        info!(connection = %id, "the connection has a webhook of its own");
        let message = "It was made a separate connection, with a webhook of its own.".to_owned();
        self.record(id, EventKind::SubscriptionRepaired, message)
            .await;
        self.inner.background.refresh_names_now(id);
        let health = self.check(id).await;
        self.inner.background.maintain_now(id);
        health
    }
}

impl Fenced {
    /// Makes the webhook exist. The caller holds the connection's lease.
    pub(super) async fn subscribe(
        &self,
        connection: &Connection,
        context: &CallContext,
        callback: Callback,
    ) -> Result<Subscription, HostError> {
        let now = self.now();
        self.note_unsettled(connection, Some(now)).await?;
        let integration = &self.inner.parts.integration;
        let outcome = integration.subscribe(context, callback).await;
        let outcome = outcome.map_err(HostError::from);
        let known = match &outcome {
            // One that is being connected is not known to have it until that is recorded.
            Ok(_) if connection.state == ConnectionState::Connecting => None,
            // Whatever was asked for earlier was found, or is found by the next check.
            Ok(_) => Some(None),
            // Nothing was asked for that could still come, or it was refused.
            Err(error) if settles(error.code) || !context.unanswered.load(Ordering::Relaxed) => {
                Some(connection.unsettled_since)
            }
            Err(_) => None,
        };
        if let Some(unsettled_since) = known
            && let Err(error) = self.note_unsettled(connection, unsettled_since).await
        {
            // Then it is looked for in vain.
            warn!(connection = %connection.id, %error, "what became of a webhook could not be noted");
        }
        outcome
    }

    /// Stores what an integration has kept elsewhere.
    async fn take_over_state(
        &self,
        id: &ConnectionId,
        from: &dyn KeyValueStore,
    ) -> Result<(), HostError> {
        let entries = from.list(id, INTEGRATION_AREA, None, MOST_BOUND).await?;
        let writes: Vec<Write> = entries
            .into_iter()
            .map(|entry| Write {
                key: entry.key,
                value: Some(entry.value),
                expires_at: None,
            })
            .collect();
        let store = &self.inner.sealed_store;
        match store.commit(id, &[], &writes).await? {
            Commit::Committed => Ok(()),
            Commit::Conflict => Err(HostError::new(
                ErrorCode::Unavailable,
                "the storage refused what nothing stands in the way of; try again",
            )),
        }
    }
}
