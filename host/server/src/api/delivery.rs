//! The delivery log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use integration_host::Replayed;
use integration_host_ledger::{Delivery, DeliveryStatus, Page};

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
    /// When it was last handled.
    #[schema(value_type = String, format = DateTime)]
    pub handled_at: Timestamp,
    /// How long that took until it was handed to the ledger, in microseconds.
    pub elapsed_us: u64,
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

/// Which failed deliveries to handle again. Nothing need be given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayRequest {
    /// Of this connection only.
    pub connection: Option<String>,
    /// Only those last handled before this time, which is now unless given. The `before` of the answer
    /// before, so that what failed again is not taken up a second time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub before: Option<Timestamp>,
    /// At most so many, 100 unless given.
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u16>,
}

/// What became of failed deliveries that were handled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayResult {
    /// Handled, or known to be handled by now.
    pub replayed: u64,
    /// Failed again; they stay.
    pub failed: u64,
    /// Still to be handled: ask again with this `before` until there are none.
    pub remaining: u64,
    /// What to ask again with.
    #[schema(value_type = String, format = DateTime)]
    pub before: Timestamp,
}

impl From<Replayed> for ReplayResult {
    fn from(replayed: Replayed) -> Self {
        Self {
            replayed: replayed.handled,
            failed: replayed.failed,
            remaining: replayed.remaining,
            before: replayed.before,
        }
    }
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
    /// Failed, and then another delivery brought the same event.
    Superseded,
    /// Failed, and when it could be handled, it turned out not to be genuine.
    Refused,
}

impl From<DeliveryStatus> for DeliveryStatusView {
    fn from(status: DeliveryStatus) -> Self {
        match status {
            DeliveryStatus::Accepted => Self::Accepted,
            DeliveryStatus::Ping => Self::Ping,
            DeliveryStatus::Ignored => Self::Ignored,
            DeliveryStatus::Failed => Self::Failed,
            DeliveryStatus::Superseded => Self::Superseded,
            DeliveryStatus::Refused => Self::Refused,
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
            DeliveryStatusView::Superseded => Self::Superseded,
            DeliveryStatusView::Refused => Self::Refused,
        }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.record.id.to_string(),
            connection_id: delivery.connection_id.to_string(),
            received_at: delivery.record.received_at,
            handled_at: delivery.record.handled_at,
            elapsed_us: delivery.record.elapsed_us,
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
