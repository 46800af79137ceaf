//! Deliveries as the log shows them.

use std::time::Duration;

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{LedgerError, Page};
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

impl DeliveryRecord {
    /// What is to be done after it was handled for the so-many-th time.
    pub fn outcome(&self, attempts: u32) -> Outcome<'_> {
        match self.status {
            // A replay that fails again keeps what there is.
            DeliveryStatus::Failed => Outcome::Failed {
                keep: self.sealed_request.as_deref(),
            },
            DeliveryStatus::Refused => Outcome::Refused,
            _ => Outcome::Handled {
                // Until its first success nothing is kept of it.
                was_failed: attempts > 1,
            },
        }
    }

    /// The answer to a record of another connection's delivery.
    pub fn is_of_another(&self) -> LedgerError {
        LedgerError::Invalid(format!(
            "the delivery {} belongs to another connection",
            self.id
        ))
    }
}

/// What became of a delivery that was recorded, as far as more follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It failed.
    Failed {
        /// The request to keep; `None`: what is kept stays.
        keep: Option<&'a [u8]>,
    },
    /// It is not genuine: its request is forgotten.
    Refused,
    /// It counts for when the last one arrived.
    Handled {
        /// Its request is forgotten, and it may be superseded.
        was_failed: bool,
    },
}

/// From which millisecond on deliveries are counted: a whole minute, at most [`MAX_RATE_TIME`] before `to`.
pub fn rates_from(from: Timestamp, to: Timestamp) -> i64 {
    let from = to.saturating_sub(MAX_RATE_TIME).unwrap_or(from).max(from);
    from.as_millisecond().div_euclid(MINUTE_MS) * MINUTE_MS
}

/// A minute, in milliseconds.
pub const MINUTE_MS: i64 = 60_000;

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

/// The sealed request of a failed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its connection.
    pub connection_id: ConnectionId,
    /// Its delivery.
    pub delivery_id: DeliveryId,
    /// The request, sealed.
    pub sealed: Vec<u8>,
    /// Its place among the dead letters.
    pub place: u64,
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

/// The longest time that [deliveries are counted](DeliveryLog::delivery_rates) over at once.
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

/// The part of a [ledger](super::Ledger) that records deliveries, and keeps the requests of failed ones. What is said there of calls, errors and pages
/// goes for these too.
///
/// - A delivery is recorded once under its id: again, it counts an attempt and says what became of it as long as it is
///   failed, and stays as it is afterwards. The id of another connection's delivery is [`LedgerError::Invalid`].
/// - A delivery that was handled and comes again under another id counts as handled once more in the row of the first and
///   adds none: the same event of the same connection, or, where no event is known, the same digest. One that fails like
///   one that failed, with its digest, adds none either and counts as no attempt; its request is kept if the first one's
///   is not.
/// - A failed delivery keeps its request until it is handled or refused, also when it fails again.
/// - The log tells deliveries newest first, by connection and status, without their requests, each once.
/// - `last_delivery_at` is when the latest delivery arrived that is neither failed nor refused, and no repetition.
/// - A failed delivery that is handled at last becomes superseded if an accepted or ignored one of the same connection
///   brought its event meanwhile.
/// - To be replayed are the failed deliveries of active connections whose requests are kept and that were last handled
///   before the time: those handled the least often first, then the oldest. All of them are counted.
/// - Kept requests are told in the order of their places, which stay; one is replaced only while it is as it was given
///   out.
/// - Rates count deliveries by the minute they arrived in and by what became of them, in order of time, over at most
///   [`MAX_RATE_TIME`] before `to`.
/// - Of a connection's deliveries the newest [`Retention::rows`](super::Retention::rows) stay, or up to a hundredth fewer, beside those that can be
///   replayed; the one just recorded always stays.
/// - Requests are kept within the number and bytes of the [`Retention`](super::Retention): the oldest go first, and one that is too large by
///   itself is not kept and pushes nothing out.
/// - Looks at the time are kept, and lead to what [`AgeLook::after`](super::AgeLook::after) says.
/// - Pruning removes requests and deliveries that are older than the [`Retention`](super::Retention) lets them be, and nothing else; it tells
///   whether there is more to remove.
#[async_trait]
#[auto_impl(Arc)]
pub trait DeliveryLog: Send + Sync + 'static {
    /// The delivery log, newest first, without the sealed requests. `cursor` is a page's `next`.
    async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, LedgerError>;

    /// One delivery, with its sealed request if it is still kept.
    async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, LedgerError>;

    /// How many deliveries arrived in each minute, by what became of them: from the minute of `from` on,
    /// before `to`, in order of time. Minutes and outcomes without any are left out. At most
    /// [`MAX_RATE_TIME`] before `to` is counted.
    async fn delivery_rates(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DeliveryRate>, LedgerError>;

    /// Failed deliveries whose requests are kept, of connections that are active, last handled before a
    /// time, without the requests: those handled the least often first, then the oldest. And how many there are.
    async fn failed_deliveries(
        &self,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64), LedgerError>;

    /// Requests kept for replay whose place is after `after`, in order of their places, which stay.
    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, LedgerError>;

    /// Puts a request that was sealed again in the place of a kept one, if that is still as it was given
    /// out.
    async fn replace_dead_letter(
        &self,
        kept: &DeadLetter,
        sealed: Vec<u8>,
    ) -> Result<(), LedgerError>;

    /// Looks at the time, a host having run for `ran` since it looked last, and returns as of when
    /// [`DeliveryLog::prune_deliveries`] is to remove what is too old; `None`: nothing is to be removed now.
    async fn look_at_age(
        &self,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>, LedgerError>;

    /// Removes some of the deliveries that are older than they are to be kept. True: there are more.
    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError>;
}
