//! Deliveries as the log shows them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use integration_host_contract::id::{ConnectionId, DeliveryId};

/// A delivery to be recorded together with what it adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Its id in the log. Recording the same id again counts an attempt and says what became of it,
    /// as long as it is failed.
    pub id: DeliveryId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it was last handled.
    pub handled_at: Timestamp,
    /// How long that took until it was handed to the ledger, in microseconds.
    pub elapsed_us: u64,
    /// The remote service's id of the event.
    pub event_id: Option<String>,
    /// What became of it.
    pub status: DeliveryStatus,
    /// One sentence about it.
    pub detail: String,
    /// Size of its body, in bytes.
    pub size_bytes: u64,
    /// The raw request, sealed, for replay; kept for failed deliveries only.
    #[serde(skip)]
    pub sealed_request: Option<Vec<u8>>,
    /// By what it is recognised when it comes again, where no event's id is known: a digest of its body.
    #[serde(skip)]
    pub digest: Option<String>,
    /// How many deliveries this stands for, each the same as the others.
    #[serde(skip, default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl DeliveryRecord {
    /// By what another record is recognised as one of the same delivery, beside its connection.
    pub fn identity(&self) -> Option<Identity<'_>> {
        let is_handled = match self.status {
            DeliveryStatus::Accepted | DeliveryStatus::Ping | DeliveryStatus::Ignored => true,
            DeliveryStatus::Failed => false,
            DeliveryStatus::Superseded | DeliveryStatus::Refused => return None,
        };
        let event = self.event_id.as_deref().filter(|_| is_handled);
        match (event, self.digest.as_deref()) {
            (Some(event), _) => Some(Identity::Event(event)),
            (None, Some(digest)) if is_handled => Some(Identity::Handled(digest)),
            (None, Some(digest)) => Some(Identity::Failed(digest)),
            (None, None) => None,
        }
    }

    /// The digest, if it is kept: where an event's id tells the same, it is not.
    pub fn kept_digest(&self) -> Option<&str> {
        match self.identity()? {
            Identity::Event(_) => None,
            Identity::Handled(digest) | Identity::Failed(digest) => Some(digest),
        }
    }
}

/// What records of the same delivery have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity<'a> {
    /// Handled, and this is its event.
    Event(&'a str),
    /// Handled, and its event is not known, but this digest.
    Handled(&'a str),
    /// Failed, with this digest.
    Failed(&'a str),
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
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
    /// Failed, and when it could be handled, the integration refused it as not genuine.
    Refused,
}

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Ping,
        Self::Ignored,
        Self::Failed,
        Self::Superseded,
        Self::Refused,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ping => "ping",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What a failed delivery says once another one brought its event.
pub const SUPERSEDED: &str = "It was delivered again meanwhile, and that delivery was handled.";

/// A delivery in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// What was recorded.
    pub record: DeliveryRecord,
    /// How often it was handled, counting how often it came again afterwards.
    pub attempts: u32,
    /// Whether its request is still kept, so that it can be replayed.
    pub replayable: bool,
}

/// The longest time that [deliveries are counted](super::Ledger::delivery_rates) over at once.
pub const MAX_RATE_TIME: SignedDuration = SignedDuration::from_hours(24);

/// How many deliveries of one outcome arrived in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRate {
    /// When the minute began.
    pub minute: Timestamp,
    /// What became of them.
    pub status: DeliveryStatus,
    /// How many.
    pub deliveries: u64,
}
