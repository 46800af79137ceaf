//! Whether a host was given what its ledger belongs to: the integration that its connections were made with, and the
//! storage that holds what is kept of them.
//!
//! Storage is recognised by what it holds: connections have random ids, which this ledger alone gave out, so that a storage
//! with a secret of one of them is the ledger's, and one without any is not, or was emptied.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::lease::Fenced;
use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{
    Attention, Connection, ConnectionScan, ConnectionState, ConnectionSummary, ConnectionUpdate,
    CoverageChange, EventKind, IntegrationVersion,
};
use integration_host_storage::INTEGRATION_AREA;

/// How often a delivery that cannot be verified has the connection looked at. A look that does not heal it is repeated in
/// the background.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// That storage fits no connection, and what helps.
const EMPTIED: &str = "the storage has nothing of the connections in the ledger: it was emptied, or another one is named in the \
    configuration than the ledger was used with; name that one, restore it, or give the token of each connection again with \
    set-token";

/// Why deliveries may be missing of a connection whose storage was lost.
const LOST: &str = "what was stored of the connection was lost";

impl Host {
    /// Refuses an integration that the connections were not made with, and says when it is an older version than the one
    /// that ran last.
    ///
    /// # Errors
    /// The ledger does not answer, or a sentence that names both integrations.
    pub(super) async fn ensure_integration_fits(&self) -> Result<(), HostError> {
        let manifest = self.manifest();
        let running = IntegrationVersion {
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
        };
        self.ensure_no_other_integration().await?;
        let known = self.ledger.integrations().await?;
        let before = known.into_iter().find(|known| known.id == running.id);
        if let Some(before) = &before
            && running.is_older_than(before)
        {
            warn!(
                "the integration {} is version {}, and version {} has written to this ledger: an older one may not understand \
                 everything that is stored; use the newer one unless you go back on purpose",
                running.name, running.version, before.version
            );
        }
        if before.as_ref() != Some(&running) {
            self.ledger.record_integration(&running).await?;
        }
        Ok(())
    }

    /// Makes sure that all connections were made with the integration that runs. Another host on the same database may
    /// have made some since this one was started.
    ///
    /// # Errors
    /// The ledger does not answer, or a sentence that names both integrations.
    pub(super) async fn ensure_no_other_integration(&self) -> Result<(), HostError> {
        let Some(other) = self.other_integration().await? else {
            return Ok(());
        };
        let known = self.ledger.integrations().await?;
        let name = known.iter().find(|known| known.id == other);
        let name = name.map_or(format!("“{other}”"), |known| {
            format!("{} (“{other}”)", known.name)
        });
        let running = self.manifest();
        Err(HostError::new(
            ErrorCode::Conflict,
            format!(
                "connections of this ledger were made with the integration {name}, and the component is another one, {} \
                 (“{}”): start the host with the component of the first, or with data of its own",
                running.name, running.id
            ),
        ))
    }

    /// Another integration that a connection was made with which is not disconnected.
    async fn other_integration(&self) -> Result<Option<String>, HostError> {
        let mut scan_connections = ConnectionScan::of(&*self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(None);
            }
            let other = page.into_iter().find(|summary| {
                summary.state != ConnectionState::Disconnected
                    && !self.is_of_this_integration(&summary.integration)
            });
            if let Some(other) = other {
                return Ok(Some(other.integration));
            }
        }
    }

    /// Whether a connection was made with the integration that runs. Beside other hosts another one may be there.
    pub(super) fn is_of_this_integration(&self, integration: &str) -> bool {
        self.manifest().id == integration
    }

    /// Whether storage is the one that the ledger was used with, and holds what it held: see the module. However many
    /// connections there are, a few are looked for.
    pub(super) async fn storage_fits(&self) -> Result<bool, HostError> {
        let is_active = |summary: &ConnectionSummary| summary.state == ConnectionState::Active;
        let active = self.some_connections(is_active).await?;
        for id in &active {
            if self.inner.secrets.has_any(id).await? {
                return Ok(true);
            }
        }
        Ok(active.is_empty())
    }

    /// # Errors
    /// A provider does not answer, or a sentence that says what helps.
    pub(super) async fn ensure_storage_fits(&self) -> Result<(), HostError> {
        if self.storage_fits().await? {
            return Ok(());
        }
        Err(HostError::new(ErrorCode::Unavailable, EMPTIED))
    }

    /// Says at the start whether storage fits. The host starts all the same: tokens are given again to one that runs.
    pub(super) async fn look_at_storage_at_start(&self) -> Result<(), HostError> {
        if !self.storage_fits().await? {
            error!("{EMPTIED}");
        }
        Ok(())
    }

    /// Whether storage has every secret that a connection needs.
    pub(super) async fn holds_secrets(&self, id: &ConnectionId) -> Result<bool, HostError> {
        let held = self.inner.secrets.held(id).await?;
        let mut needed = self.manifest().secrets.iter();
        Ok(needed.all(|secret| held.contains(&secret.name)))
    }

    /// Whether storage has nothing any more that the integration kept of a connection.
    async fn integration_forgot(&self, id: &ConnectionId) -> Result<bool, HostError> {
        let store = &self.inner.parts.store;
        Ok(store.list(id, INTEGRATION_AREA, None, 1).await?.is_empty())
    }

    /// Whether storage has lost anything that an active connection cannot be without.
    pub(super) async fn has_lost(&self, id: &ConnectionId) -> Result<bool, HostError> {
        Ok(!self.holds_secrets(id).await? || self.integration_forgot(id).await?)
    }

    /// Makes sure that the secrets of a connection are there, and else says what to do.
    ///
    /// # Errors
    /// They are not, or a provider does not answer.
    pub(super) async fn ensure_held(&self, connection: &Connection) -> Result<(), HostError> {
        let id = &connection.id;
        if self.holds_secrets(id).await? {
            return Ok(());
        }
        let labels: Vec<_> = (self.manifest().secrets.iter())
            .map(|secret| secret.label.as_str())
            .collect();
        let message = format!(
            "The {} of this connection is not in the storage any more: it was emptied, or another one is named in the configuration. \
             Give the token again with set-token; what was logged meanwhile is read then.",
            labels.join(" and the ")
        );
        self.notice_loss(id).await?;
        let attention = Attention {
            code: ErrorCode::Unauthorized.as_str().to_owned(),
            message: message.clone(),
        };
        if connection.attention.as_ref() != Some(&attention) {
            error!(connection = %id, "{message}");
            self.set_attention(connection, Some(attention)).await?;
        }
        Err(HostError::new(ErrorCode::Unauthorized, message))
    }

    /// Deliveries cannot be verified without what was stored, and are not taken until it is there again.
    pub(super) async fn notice_loss(&self, id: &ConnectionId) -> Result<(), HostError> {
        let noticed = CoverageChange::GapNoticed {
            from: None,
            reason: LOST.to_owned(),
            at: self.now(),
        };
        self.notice_gap(id, noticed).await
    }

    /// A delivery came that nothing is stored to verify with: the connection is looked at, at once and then every few
    /// minutes.
    pub(super) fn look_at_loss_of(&self, id: &ConnectionId) {
        if (self.inner.losses).is_due(id.clone(), LOOK_AGAIN, Instant::now()) {
            warn!(connection = %id, "nothing is stored to verify deliveries of a connection with; they are answered with 503");
            self.inner.background.maintain_now(id);
        }
    }

    /// The active connection that a scope to be connected has, if storage has lost what it needs.
    pub(super) async fn lost_connection_of(
        &self,
        scope: &integration_host_contract::id::ScopeId,
    ) -> Result<Option<ConnectionId>, HostError> {
        let all = self.ledger.connections().await?;
        let found = all.into_iter().find(|connection| {
            connection.state == ConnectionState::Active
                && connection.scope_id == *scope
                && self.is_of_this_integration(&connection.integration)
        });
        match found {
            Some(connection) if self.has_lost(&connection.id).await? => Ok(Some(connection.id)),
            _ => Ok(None),
        }
    }
}

impl Fenced {
    /// Binds a connection again whose secrets are there and of which nothing else is: with a new signing secret, which the
    /// webhook is given.
    pub(super) async fn bind_again(&self, connection: &Connection) -> Result<(), HostError> {
        let id = &connection.id;
        warn!(connection = %id, "what the integration had stored of a connection was lost; it is bound again");
        self.notice_loss(id).await?;
        let integration = &self.inner.parts.integration;
        let context = self.context(id);
        integration.connect(&context, &connection.scope_id).await?;
        let callback = self.callback(connection).await?;
        let subscription = self.subscribe(connection, &context, callback).await?;
        let update = ConnectionUpdate {
            subscription: Some(Some(subscription)),
            ..ConnectionUpdate::default()
        };
        let ledger = &self.ledger;
        ledger.update_connection(id, update, self.now()).await?;
        info!(connection = %id, "a connection was bound again");
        let message =
            "What was stored of the connection had been lost; the webhook was given a new signing secret."
                .to_owned();
        self.record(id, EventKind::SubscriptionRepaired, message)
            .await;
        Ok(())
    }
}
