//! The delivery log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ledger::{Delivery, DeliveryStatus, Page};

/// One page of the delivery log, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// The deliveries.
    pub deliveries: Vec<DeliveryView>,
    /// The `cursor` of the next page; null: this is the last.
    pub next: Option<String>,
}

/// One webhook delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Its id in this host's log.
    pub id: String,
    /// Its connection.
    pub connection_id: String,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// The remote service's id of the event.
    pub event_id: Option<String>,
    /// What became of it.
    pub status: DeliveryStatusView,
    /// One sentence about it.
    pub detail: String,
    /// Size of its body, in bytes.
    pub size_bytes: u64,
    /// How often it was handled.
    pub attempts: u32,
    /// Whether its request was kept, so that it can be replayed.
    pub replayable: bool,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatusView {
    /// In the ledger.
    Accepted,
    /// A genuine ping, answered.
    Ping,
    /// Genuine, about nothing that is recorded.
    Ignored,
    /// Could not be handled; kept for replay.
    Failed,
}

impl From<DeliveryStatus> for DeliveryStatusView {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Accepted => Self::Accepted,
            DeliveryStatus::Ping => Self::Ping,
            DeliveryStatus::Ignored => Self::Ignored,
            DeliveryStatus::Failed => Self::Failed,
        }
    }
}

impl From<DeliveryStatusView> for DeliveryStatus {
    fn from(status: DeliveryStatusView) -> Self {
        match status {
            DeliveryStatusView::Accepted => Self::Accepted,
            DeliveryStatusView::Ping => Self::Ping,
            DeliveryStatusView::Ignored => Self::Ignored,
            DeliveryStatusView::Failed => Self::Failed,
        }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.record.id.to_string(),
            connection_id: delivery.connection_id.to_string(),
            received_at: delivery.record.received_at,
            event_id: delivery.record.event_id,
            status: delivery.record.status.into(),
            detail: delivery.record.detail,
            size_bytes: delivery.record.size_bytes,
            attempts: delivery.attempts,
            replayable: delivery.replayable,
        }
    }
}

impl From<Page<Delivery>> for DeliveryList {
    fn from(page: Page<Delivery>) -> Self {
        Self {
            deliveries: page.items.into_iter().map(DeliveryView::from).collect(),
            next: page.next,
        }
    }
}
