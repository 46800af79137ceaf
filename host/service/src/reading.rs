//! What can be read of the ledger.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{DeletedEntries, Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{
    ActivityFilter, Connection, ConnectionEvent, ConnectionState, Delivery, DeliveryRate,
    DeliveryStatus, LedgerActivity, MAX_PAGE, Page, Summary,
};

/// How often the ledger is asked for one page, where it looks at many activities and few match.
const MOST_LOOKS: usize = 40;

impl Host {
    /// Connections that are made, oldest first.
    pub async fn connections(&self) -> Result<Vec<Connection>, HostError> {
        let connections = self.ledger.connections().await?.into_iter();
        let active = connections.filter(|connection| connection.state == ConnectionState::Active);
        let now = self.now();
        Ok(active.map(|connection| connection.believed(now)).collect())
    }

    /// The names of all scopes that were ever connected, by connection.
    pub async fn scope_names(&self) -> Result<HashMap<ConnectionId, String>, HostError> {
        let connections = self.ledger.connections().await?.into_iter();
        Ok(connections
            .map(|connection| (connection.id, connection.scope_name))
            .collect())
    }

    /// One connection.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Connection, HostError> {
        self.ledger
            .connection(id)
            .await?
            .filter(|connection| connection.state == ConnectionState::Active)
            .map(|connection| connection.believed(self.now()))
            .ok_or_else(|| HostError::not_found(format!("there is no connection {id}")))
            .and_then(|connection| {
                if self.is_of_this_integration(&connection.integration) {
                    return Ok(connection);
                }
                Err(HostError::new(
                    ErrorCode::Conflict,
                    format!(
                        "the connection {id} was made with the integration “{}”, and this host runs “{}”: ask a host that runs the first",
                        connection.integration,
                        self.manifest().id
                    ),
                ))
            })
    }

    /// Activities, newest first; see [`Activities::activities`](integration_host_ledger::Activities::activities). A page is as full as
    /// some looks into the ledger make it.
    pub async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, HostError> {
        let (filter, limit) = (self.as_listed(filter), limit.clamp(1, MAX_PAGE));
        let mut page = self.ledger.activities(&filter, cursor, limit).await?;
        for _ in 1..MOST_LOOKS {
            let left = limit.saturating_sub(page.items.len());
            let Some(cursor) = page.next.as_deref().filter(|_| left > 0) else {
                break;
            };
            let further = (self.ledger.activities(&filter, Some(cursor), left)).await?;
            page.items.extend(further.items);
            page.next = further.next;
        }
        Ok(page)
    }

    /// A filter as [`Host::activities`] uses it: with deleted activities where these are kept in lists.
    pub fn as_listed(&self, filter: &ActivityFilter) -> ActivityFilter {
        ActivityFilter {
            include_deleted: filter.include_deleted || self.lists_deleted(),
            ..filter.clone()
        }
    }

    /// How much time was spent between boundaries, by whom and on what, until now; see
    /// [`Activities::summary`](integration_host_ledger::Activities::summary).
    pub async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
    ) -> Result<Summary, HostError> {
        let ledger = &self.ledger;
        Ok(ledger.summary(filter, boundaries, self.now()).await?)
    }

    /// Whether deleted activities are listed like any other.
    pub fn lists_deleted(&self) -> bool {
        self.inner.parts.deleted_entries == DeletedEntries::Keep
    }

    /// Tells whenever the change feed may have grown. The value counts such moments.
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// The delivery log, newest first.
    pub async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, HostError> {
        Ok(self
            .ledger
            .deliveries(connection, status, cursor, limit)
            .await?)
    }

    /// How many deliveries of a connection arrived in each minute since a time, by what became of them; see
    /// [`DeliveryLog::delivery_rates`](integration_host_ledger::DeliveryLog::delivery_rates).
    pub async fn delivery_rates(
        &self,
        id: &ConnectionId,
        since: Timestamp,
    ) -> Result<Vec<DeliveryRate>, HostError> {
        self.connection(id).await?;
        let ledger = &self.ledger;
        Ok(ledger.delivery_rates(id, since, self.now()).await?)
    }

    /// What happened to a connection, newest first.
    pub async fn events(
        &self,
        id: &ConnectionId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionEvent>, HostError> {
        self.connection(id).await?;
        Ok(self.ledger.events(id, cursor, limit).await?)
    }
}
