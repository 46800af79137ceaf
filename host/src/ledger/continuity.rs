//! What the ledger keeps so that nothing is lost unnoticed: up to when it is complete, the gap that
//! is still open, and what happened to a connection.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Attention, LedgerError, Page};
use crate::id::ConnectionId;

/// The most events the log of a connection keeps.
pub const MAX_EVENTS: usize = 200;

/// Up to when the ledger has everything of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// When it was last connected. What was logged before is not its business.
    pub connected_at: Timestamp,
    /// Until then everything is known to be in the ledger.
    pub covered_until: Timestamp,
    /// What may be missing.
    pub gap: Option<Gap>,
    /// When the ledger was last compared with the remote service.
    pub reconciled_at: Option<Timestamp>,
}

/// A time in which deliveries may have been lost. It ends when it is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it began.
    pub from: Timestamp,
    /// Why deliveries may be missing, in a sentence.
    pub reason: String,
    /// When it was first noticed.
    pub opened_at: Timestamp,
    /// When it was last noticed; whoever closes it names this, so that what was noticed meanwhile stays.
    pub noticed_at: Timestamp,
    /// What a person must do before it can be closed.
    pub obstacle: Option<Attention>,
}

impl Gap {
    /// Whether the last notice was the first.
    pub fn is_new(&self) -> bool {
        self.opened_at == self.noticed_at
    }
}

/// Something that was found out about a connection's coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoverageChange {
    /// It was made, and begins to cover.
    Connected {
        /// When.
        at: Timestamp,
    },
    /// Nothing is wrong with its subscription.
    Confirmed {
        /// At that time.
        until: Timestamp,
    },
    /// Deliveries may be missing.
    GapNoticed {
        /// Since when; `None`: since it was last known to be complete.
        from: Option<Timestamp>,
        /// Why, in a sentence.
        reason: String,
        /// Now.
        at: Timestamp,
    },
    /// The beginning of the gap was read from the remote service.
    GapRead {
        /// [`Gap::from`] before reading began. If it begins earlier by now, all of it is still to be read.
        from: Timestamp,
        /// Up to there it was read.
        until: Timestamp,
    },
    /// The gap was read to its end, and deliveries arrive again.
    GapClosed {
        /// [`Gap::noticed_at`] before reading began. If it was noticed again since, the rest stays open.
        noticed_at: Timestamp,
        /// [`Gap::from`] before this, as for [`CoverageChange::GapRead`].
        from: Timestamp,
        /// Up to there it was read.
        until: Timestamp,
    },
    /// The gap cannot be closed without a person.
    GapObstructed {
        /// What the person must do.
        obstacle: Attention,
    },
    /// The ledger was compared with the remote service.
    Compared {
        /// When.
        at: Timestamp,
    },
}

impl Coverage {
    /// The coverage after a change.
    pub fn after(mut self, change: CoverageChange) -> Self {
        match change {
            CoverageChange::Connected { at } => {
                self = Self {
                    connected_at: at,
                    covered_until: at,
                    gap: None,
                    reconciled_at: None,
                };
            }
            CoverageChange::Confirmed { until } => {
                if self.gap.is_none() {
                    self.covered_until = self.covered_until.max(until);
                }
            }
            CoverageChange::GapNoticed { from, reason, at } => self.notice(from, reason, at),
            CoverageChange::GapRead { from, until } => self.read(from, until),
            CoverageChange::GapClosed {
                noticed_at,
                from,
                until,
            } => {
                self.read(from, until);
                self.gap = self.gap.filter(|gap| gap.noticed_at != noticed_at);
                self.reconciled_at = Some(until);
            }
            CoverageChange::GapObstructed { obstacle } => {
                if let Some(gap) = &mut self.gap {
                    gap.obstacle = Some(obstacle);
                }
            }
            CoverageChange::Compared { at } => self.reconciled_at = Some(at),
        }
        self
    }

    fn notice(&mut self, from: Option<Timestamp>, reason: String, at: Timestamp) {
        let from = from
            .unwrap_or(self.covered_until)
            .max(self.connected_at)
            .min(at);
        match &mut self.gap {
            Some(gap) => {
                gap.from = gap.from.min(from);
                gap.reason = reason;
                // Two notices in the same millisecond are two all the same.
                let later = gap.noticed_at + SignedDuration::from_millis(1);
                gap.noticed_at = at.max(later);
            }
            None => {
                self.gap = Some(Gap {
                    from,
                    reason,
                    opened_at: at,
                    noticed_at: at,
                    obstacle: None,
                });
            }
        }
    }

    fn read(&mut self, from: Timestamp, until: Timestamp) {
        // Times are kept in whole milliseconds.
        let is_from_there = |gap: &&mut Gap| gap.from.as_millisecond() >= from.as_millisecond();
        if let Some(gap) = self.gap.as_mut().filter(is_from_there) {
            gap.from = gap.from.max(until);
            self.covered_until = self.covered_until.max(until);
        }
    }
}

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEvent {
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: EventKind,
    /// What, in a sentence.
    pub message: String,
}

/// The kinds of [`ConnectionEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// It was connected.
    Connected,
    /// It was disconnected.
    Disconnected,
    /// Its secrets were replaced.
    SecretsReplaced,
    /// Deliveries may be missing.
    GapNoticed,
    /// The subscription did not work and was repaired.
    SubscriptionRepaired,
    /// What was missing has been read.
    GapReconciled,
    /// Deliveries had stopped although nothing looked wrong.
    SilenceFound,
    /// A comparison found what no delivery had reported.
    DifferenceFound,
    /// A person had a range read.
    Reconciled,
    /// A person must do something.
    AttentionRaised,
    /// A person need not do anything any more.
    AttentionCleared,
    /// The team could not be imported.
    TeamFailed,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Connected,
        Self::Disconnected,
        Self::SecretsReplaced,
        Self::GapNoticed,
        Self::SubscriptionRepaired,
        Self::GapReconciled,
        Self::SilenceFound,
        Self::DifferenceFound,
        Self::Reconciled,
        Self::AttentionRaised,
        Self::AttentionCleared,
        Self::TeamFailed,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::SecretsReplaced => "secrets-replaced",
            Self::GapNoticed => "gap-noticed",
            Self::SubscriptionRepaired => "subscription-repaired",
            Self::GapReconciled => "gap-reconciled",
            Self::SilenceFound => "silence-found",
            Self::DifferenceFound => "difference-found",
            Self::Reconciled => "reconciled",
            Self::AttentionRaised => "attention-raised",
            Self::AttentionCleared => "attention-cleared",
            Self::TeamFailed => "team-failed",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The part of a [ledger](super::Ledger) that is about completeness. What is said there of calls, errors and pages
/// goes for these too.
///
/// - A heartbeat is recorded, and the last one before it is told.
/// - The coverage after a change is what [`Coverage::after`] says, and what the connection shows from then on; of changes
///   at once none is lost.
/// - A connection that becomes active covers from that moment on and has no gap, whatever it had before.
/// - Running are the activities that began before the time, have no end and are not deleted, newest first.
/// - Delivery times are when the accepted deliveries of a connection arrived, those recorded last first.
/// - The log of a connection is told newest first and keeps the newest [`MAX_EVENTS`]; an event of the same kind and
///   message as the newest is left out.
#[async_trait]
pub trait Continuity: Send + Sync + 'static {
    /// Records that a host runs, and returns when one last did.
    async fn heartbeat(&self, now: Timestamp) -> Result<Option<Timestamp>, LedgerError>;

    /// Records what was found out, as [`Coverage::after`] says, and returns the coverage that follows.
    async fn change_coverage(
        &self,
        id: &ConnectionId,
        change: CoverageChange,
    ) -> Result<Coverage, LedgerError>;

    /// Ids of activities that began before a time and still run as far as the ledger knows, newest first.
    async fn running_ids(
        &self,
        id: &ConnectionId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError>;

    /// When the last accepted deliveries arrived, newest first.
    async fn delivery_times(
        &self,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>, LedgerError>;

    /// Adds to the log of a connection, which keeps the newest [`MAX_EVENTS`]. What repeats the
    /// newest event is left out.
    async fn record_event(
        &self,
        id: &ConnectionId,
        event: ConnectionEvent,
    ) -> Result<(), LedgerError>;

    /// The log of a connection, newest first. `cursor` is a page's `next`.
    async fn events(
        &self,
        id: &ConnectionId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionEvent>, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_772_440_000 + minute * 60).unwrap()
    }

    fn connected() -> Coverage {
        Coverage {
            connected_at: at(0),
            covered_until: at(60),
            gap: None,
            reconciled_at: None,
        }
    }

    fn noticed(from: Option<i64>, minute: i64) -> CoverageChange {
        CoverageChange::GapNoticed {
            from: from.map(at),
            reason: "the webhook was disabled".into(),
            at: at(minute),
        }
    }

    fn read(from: i64, until: i64) -> CoverageChange {
        CoverageChange::GapRead {
            from: at(from),
            until: at(until),
        }
    }

    #[test]
    fn a_gap_begins_where_the_ledger_was_last_known_to_be_complete() {
        let coverage = connected().after(noticed(None, 120));
        let gap = coverage.gap.clone().unwrap();
        assert_eq!((gap.from, gap.is_new()), (at(60), true));
        let later = coverage.after(CoverageChange::Confirmed { until: at(130) });
        assert_eq!(
            later.covered_until,
            at(60),
            "an open gap must not be forgotten because the subscription works again"
        );
    }

    #[test]
    fn a_gap_never_reaches_back_before_the_connection_was_made() {
        let gap = connected().after(noticed(Some(-500), 120)).gap.unwrap();
        assert_eq!(gap.from, at(0), "nobody agreed to have earlier time read");
        // A clock that was set back makes no gap in the future.
        let gap = connected().after(noticed(Some(500), 120)).gap.unwrap();
        assert_eq!(gap.from, at(120));
    }

    #[test]
    fn what_is_noticed_while_a_gap_is_read_stays_open() {
        let coverage = connected().after(noticed(None, 120));
        let reading = coverage.gap.clone().unwrap().noticed_at;
        let coverage = coverage.after(noticed(None, 121));
        let closed = CoverageChange::GapClosed {
            noticed_at: reading,
            from: at(60),
            until: at(122),
        };
        let coverage = coverage.after(closed);
        let gap = coverage.gap.clone().unwrap();
        assert_eq!(gap.from, at(122), "what was read is not read again");
        let coverage = coverage.after(CoverageChange::GapClosed {
            noticed_at: gap.noticed_at,
            from: gap.from,
            until: at(125),
        });
        assert_eq!((coverage.gap, coverage.covered_until), (None, at(125)));
        assert_eq!(coverage.reconciled_at, Some(at(125)));
    }

    #[test]
    fn an_interrupted_reading_goes_on_where_it_stopped() {
        let coverage = connected().after(noticed(None, 120)).after(read(60, 90));
        assert_eq!(coverage.covered_until, at(90));
        assert_eq!(coverage.gap.unwrap().from, at(90));
    }

    #[test]
    fn what_is_noticed_before_the_beginning_of_what_is_read_is_not_passed_over() {
        let coverage = connected().after(noticed(None, 120));
        let reading = coverage.gap.clone().unwrap();
        let coverage = coverage.after(read(60, 90)).after(noticed(Some(30), 121));
        let coverage = coverage.after(read(90, 100));
        assert_eq!(coverage.covered_until, at(90));
        let coverage = coverage.after(CoverageChange::GapClosed {
            noticed_at: reading.noticed_at,
            from: at(100),
            until: at(122),
        });
        assert_eq!(coverage.gap.unwrap().from, at(30));
    }

    #[test]
    fn connecting_again_begins_anew() {
        let coverage = connected()
            .after(noticed(None, 120))
            .after(CoverageChange::Connected { at: at(200) });
        assert_eq!((coverage.gap, coverage.connected_at), (None, at(200)));
    }

    #[test]
    fn every_kind_of_event_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
