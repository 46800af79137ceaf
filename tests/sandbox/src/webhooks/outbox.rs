//! Events on their way: what is due when, what waits behind what, and what became of each.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Duration, Instant};

use super::event::Event;

/// How many deliveries are remembered.
const KEPT: usize = 10_000;
/// How many events may wait; what comes on top is dropped and recorded as such.
const MAX_PENDING: usize = 100_000;

/// What becomes of the next deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum DeliveryFault {
    /// Each arrives later; others overtake it.
    Delay {
        /// How many deliveries.
        count: u32,
        /// By how much, in milliseconds.
        delay_ms: u64,
    },
    /// They are never sent.
    Drop {
        /// How many deliveries.
        count: u32,
    },
    /// Each is sent again, with the same event id.
    Duplicate {
        /// How many deliveries.
        count: u32,
        /// Extra copies of each.
        copies: u32,
    },
    /// They are held back until all are there (or a flush), then sent in reverse.
    Reorder {
        /// How many deliveries.
        count: u32,
    },
}

impl DeliveryFault {
    fn count_mut(&mut self) -> &mut u32 {
        match self {
            Self::Delay { count, .. }
            | Self::Drop { count }
            | Self::Duplicate { count, .. }
            | Self::Reorder { count } => count,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting, under way or to be retried.
    Pending,
    /// Answered with 2xx.
    Delivered,
    /// All retries are used up.
    GivenUp,
    /// Lost on request, or because too much was waiting.
    Dropped,
    /// The subscription was disabled or deleted before it could be sent.
    Cancelled,
}

/// One POST of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was sent.
    pub at: Timestamp,
    /// How long the answer took, in milliseconds.
    pub elapsed_ms: u64,
    /// The status answered; absent when there was no answer.
    pub status: Option<u16>,
    /// What went wrong without an answer.
    pub error: Option<String>,
    /// The signature header sent.
    pub signature: String,
    /// The raw body sent.
    pub body: String,
    /// The start of the answer's body.
    pub answer: String,
}

/// One event for one subscription, with everything tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Counts from 1; copies of an event have their own.
    pub delivery_id: u64,
    /// Event id; the same in every attempt and copy.
    pub event_id: u64,
    /// The subscription it goes to.
    pub subscription_id: i64,
    /// What it is about, e.g. `time_entry`.
    pub entity: String,
    /// What happened, e.g. `created`.
    pub action: String,
    /// The user who acted.
    pub creator_id: i64,
    /// When the event happened.
    pub created_at: Timestamp,
    /// Metadata and payload, as in the body.
    pub metadata: serde_json::Value,
    /// The payload, as in the body.
    pub payload: serde_json::Value,
    /// Where it stands.
    pub state: DeliveryState,
    /// What was sent and answered, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Deliveries that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Subscription(i64),
    Reordered(u64),
}

/// A delivery that is not settled yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub delivery_id: u64,
    pub subscription_id: i64,
    pub event: Event,
    /// Attempts made so far.
    pub attempts: usize,
    lane: Option<Lane>,
}

/// All deliveries.
#[derive(Default)]
pub(crate) struct Outbox {
    scheduled: BTreeMap<(Instant, u64), Pending>,
    /// What waits behind a lane's first; a lane is busy while it has a queue here, even an empty one.
    lanes: HashMap<Lane, VecDeque<Pending>>,
    held: Vec<Pending>,
    pub faults: VecDeque<DeliveryFault>,
    records: BTreeMap<u64, DeliveryRecord>,
    pending_by_subscription: HashMap<i64, usize>,
    pending: usize,
    sequence: u64,
    deliveries: u64,
}

impl Outbox {
    /// Takes an event for a subscription, subject to the next fault.
    pub fn enqueue(&mut self, subscription_id: i64, in_order: bool, event: Event) {
        let fault = self.next_fault();
        let overfull = self.pending >= MAX_PENDING;
        let lane = in_order.then_some(Lane::Subscription(subscription_id));
        let copies = if let Some(DeliveryFault::Duplicate { copies, .. }) = fault {
            copies
        } else {
            0
        };
        for _ in 0..=copies {
            let pending = self.record(subscription_id, lane, event.clone());
            match fault {
                _ if overfull => self.settle(&pending, DeliveryState::Dropped),
                Some(DeliveryFault::Drop { .. }) => self.settle(&pending, DeliveryState::Dropped),
                Some(DeliveryFault::Delay { delay_ms, .. }) => {
                    let due = Instant::now() + Duration::from_millis(delay_ms);
                    self.schedule(
                        Pending {
                            lane: None,
                            ..pending
                        },
                        due,
                    );
                }
                Some(DeliveryFault::Reorder { count }) => {
                    self.held.push(pending);
                    // The fault showed how many were to come, this one included.
                    if count <= 1 {
                        self.release_held();
                    }
                }
                Some(DeliveryFault::Duplicate { .. }) | None => self.line_up(pending),
            }
        }
    }

    /// Sends what a reordering holds back, last first.
    pub fn release_held(&mut self) {
        let lane = Lane::Reordered(self.sequence);
        for pending in std::mem::take(&mut self.held).into_iter().rev() {
            self.line_up(Pending {
                lane: Some(lane),
                ..pending
            });
        }
    }

    /// The next delivery that is due, or when the next one will be.
    pub fn take_due(&mut self, now: Instant) -> Result<Pending, Option<Instant>> {
        let first = self.scheduled.first_entry().ok_or(None)?;
        let due = first.key().0;
        if due > now {
            Err(Some(due))
        } else {
            Ok(first.remove())
        }
    }

    /// Adds an attempt to a delivery's record.
    pub fn note_attempt(&mut self, delivery_id: u64, attempt: Attempt) {
        if let Some(record) = self.records.get_mut(&delivery_id) {
            record.attempts.push(attempt);
        }
    }

    /// Tries again later; whatever waits behind it goes on waiting.
    pub fn retry(&mut self, pending: Pending, after: Duration) {
        self.schedule(pending, Instant::now() + after);
    }

    /// Ends a delivery and lets the next one of its lane go.
    pub fn settle(&mut self, pending: &Pending, state: DeliveryState) {
        if let Some(record) = self.records.get_mut(&pending.delivery_id) {
            record.state = state;
        }
        self.pending = self.pending.saturating_sub(1);
        if let Some(count) = self
            .pending_by_subscription
            .get_mut(&pending.subscription_id)
        {
            *count = count.saturating_sub(1);
        }
        // What was dropped never was in its lane.
        if state == DeliveryState::Dropped {
            return;
        }
        let Some(lane) = pending.lane else { return };
        match self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
            Some(next) => self.schedule(next, Instant::now()),
            None => {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Deliveries not settled yet.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Whether a subscription has any.
    pub fn has_pending(&self, subscription_id: i64) -> bool {
        self.pending_by_subscription
            .get(&subscription_id)
            .is_some_and(|count| *count > 0)
    }

    /// The remembered deliveries, oldest first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &DeliveryRecord> {
        self.records.values()
    }

    /// The remembered deliveries that were recorded after one, oldest first.
    pub fn records_after(&self, delivery_id: u64) -> impl Iterator<Item = &DeliveryRecord> {
        let from = delivery_id.saturating_add(1);
        self.records.range(from..).map(|(_, record)| record)
    }

    fn next_fault(&mut self) -> Option<DeliveryFault> {
        let first = self.faults.front_mut()?;
        let fault = first.clone();
        let count = first.count_mut();
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.faults.pop_front();
        }
        Some(fault)
    }

    fn record(&mut self, subscription_id: i64, lane: Option<Lane>, event: Event) -> Pending {
        self.deliveries = self.deliveries.saturating_add(1);
        if self.records.len() >= KEPT {
            self.records.pop_first();
        }
        self.records.insert(
            self.deliveries,
            DeliveryRecord {
                delivery_id: self.deliveries,
                event_id: event.event_id,
                subscription_id,
                entity: event.entity.as_str().to_owned(),
                action: event.action.as_str().to_owned(),
                creator_id: event.creator_id,
                created_at: event.created_at,
                metadata: serde_json::Value::Object(event.metadata.clone()),
                payload: event.payload.clone(),
                state: DeliveryState::Pending,
                attempts: Vec::new(),
            },
        );
        self.pending = self.pending.saturating_add(1);
        *self
            .pending_by_subscription
            .entry(subscription_id)
            .or_default() += 1;
        Pending {
            delivery_id: self.deliveries,
            subscription_id,
            event,
            attempts: 0,
            lane,
        }
    }

    fn line_up(&mut self, pending: Pending) {
        if let Some(lane) = pending.lane {
            if let Some(queue) = self.lanes.get_mut(&lane) {
                queue.push_back(pending);
                return;
            }
            self.lanes.insert(lane, VecDeque::new());
        }
        self.schedule(pending, Instant::now());
    }

    fn schedule(&mut self, pending: Pending, due: Instant) {
        self.sequence = self.sequence.saturating_add(1);
        self.scheduled.insert((due, self.sequence), pending);
    }
}
