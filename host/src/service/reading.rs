//! What can be read of the ledger.

use jiff::Timestamp;
use tokio::sync::watch;

use super::{DeletedEntries, Service, ServiceError};
use crate::id::ConnectionId;
use crate::ledger::{
    ActivityFilter, Connection, ConnectionEvent, ConnectionState, Delivery, DeliveryRate,
    DeliveryStatus, LedgerActivity, MAX_PAGE, Page, Summary,
};

/// How often the ledger is asked for one page, where it looks at many activities and few match.
const MOST_LOOKS: usize = 40;

impl Service {
    /// Connections that are made, oldest first.
    pub async fn connections(&self) -> Result<Vec<Connection>, ServiceError> {
        let mut connections = self.ledger.connections().await?;
        connections.retain(|connection| connection.state == ConnectionState::Active);
        Ok(connections)
    }

    /// One connection.
    pub async fn connection(&self, id: &ConnectionId) -> Result<Connection, ServiceError> {
        self.ledger
            .connection(id)
            .await?
            .filter(|connection| connection.state == ConnectionState::Active)
            .ok_or_else(|| ServiceError::not_found(format!("there is no connection {id}")))
    }

    /// Activities, newest first; see [`Ledger::activities`](crate::ledger::Ledger::activities). A page is as full as
    /// some looks into the ledger make it.
    pub async fn activities(
        &self,
        filter: &ActivityFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<LedgerActivity>, ServiceError> {
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

    /// A filter as [`Service::activities`] uses it: with deleted activities where these are kept in lists.
    pub fn as_listed(&self, filter: &ActivityFilter) -> ActivityFilter {
        ActivityFilter {
            include_deleted: filter.include_deleted || self.lists_deleted(),
            ..filter.clone()
        }
    }

    /// How much time was spent between boundaries, by whom and on what, until now; see
    /// [`Ledger::summary`](crate::ledger::Ledger::summary).
    pub async fn summary(
        &self,
        filter: &ActivityFilter,
        boundaries: &[Timestamp],
    ) -> Result<Summary, ServiceError> {
        let ledger = &self.ledger;
        Ok(ledger.summary(filter, boundaries, self.now()).await?)
    }

    /// Whether deleted activities are listed like any other.
    pub fn lists_deleted(&self) -> bool {
        self.inner.parts.deleted_entries == DeletedEntries::Keep
    }

    /// Activities that changed after a place in the change feed.
    pub async fn changes(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LedgerActivity>, ServiceError> {
        Ok(self.ledger.changes(after, limit).await?)
    }

    /// The last place in the change feed.
    pub async fn last_change(&self) -> Result<u64, ServiceError> {
        Ok(self.ledger.last_change().await?)
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
    ) -> Result<Page<Delivery>, ServiceError> {
        Ok(self
            .ledger
            .deliveries(connection, status, cursor, limit)
            .await?)
    }

    /// How many deliveries of a connection arrived in each minute since a time, by what became of them; see
    /// [`Ledger::delivery_rates`](crate::ledger::Ledger::delivery_rates).
    pub async fn delivery_rates(
        &self,
        id: &ConnectionId,
        since: Timestamp,
    ) -> Result<Vec<DeliveryRate>, ServiceError> {
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
    ) -> Result<Page<ConnectionEvent>, ServiceError> {
        self.connection(id).await?;
        Ok(self.ledger.events(id, cursor, limit).await?)
    }
}
