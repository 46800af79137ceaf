//! What the ledger keeps so that nothing is lost unnoticed: up to when it is complete, the gap that
//! is still open, and what happened to a connection.

use async_trait::async_trait;
use auto_impl::auto_impl;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Attention, LedgerError, Page};
use integration_host_contract::clock::is_ahead;
use integration_host_contract::id::ConnectionId;

/// How far back is read where a time lies ahead, so that nobody knows since when something is missing.
const UNKNOWN: SignedDuration = SignedDuration::from_hours(24);

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
    /// When such a comparison last went through all of the last days.
    #[serde(default)]
    pub verified_at: Option<Timestamp>,
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
        /// When it was made.
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
        /// When it was noticed.
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
    /// The ledger was compared with the remote service, as far as a silence reached.
    Compared {
        /// When they were compared.
        at: Timestamp,
    },
    /// All of the last days were compared with the remote service.
    Verified {
        /// When they were compared.
        at: Timestamp,
    },
}

impl Coverage {
    /// The coverage as it is to be believed at a time. What lies ahead was noted by a clock that was ahead: that the
    /// ledger was complete or compared then says nothing, and when it was connected is unknown but for its being past.
    pub fn believed(mut self, now: Timestamp) -> Self {
        let earlier = now.checked_sub(UNKNOWN).unwrap_or(Timestamp::MIN);
        if is_ahead(self.connected_at, now) {
            self.connected_at = earlier;
        }
        if is_ahead(self.covered_until, now) {
            self.covered_until = earlier.max(self.connected_at);
        }
        if let Some(gap) = &mut self.gap
            && is_ahead(gap.from, now)
        {
            gap.from = earlier.max(self.connected_at);
        }
        self.reconciled_at = self.reconciled_at.filter(|at| !is_ahead(*at, now));
        self.verified_at = self.verified_at.filter(|at| !is_ahead(*at, now));
        self
    }

    /// The coverage after a change.
    pub fn after(self, change: CoverageChange) -> Self {
        let now = match &change {
            CoverageChange::GapObstructed { .. } => None,
            CoverageChange::Connected { at }
            | CoverageChange::GapNoticed { at, .. }
            | CoverageChange::Compared { at }
            | CoverageChange::Verified { at } => Some(*at),
            CoverageChange::Confirmed { until }
            | CoverageChange::GapRead { until, .. }
            | CoverageChange::GapClosed { until, .. } => Some(*until),
        };
        let is_new = matches!(change, CoverageChange::Connected { .. });
        let connected_at = self.connected_at;
        let kept = match now {
            Some(now) => self.believed(now),
            None => self,
        };
        let after = kept.change(change);
        if is_new {
            return after;
        }
        // It may be the present time that is wrong.
        Self {
            connected_at,
            ..after
        }
    }

    fn change(mut self, change: CoverageChange) -> Self {
        match change {
            CoverageChange::Connected { at } => {
                self = Self {
                    connected_at: at,
                    covered_until: at,
                    gap: None,
                    reconciled_at: None,
                    verified_at: None,
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
            CoverageChange::Verified { at } => {
                self.reconciled_at = Some(at);
                self.verified_at = Some(at);
            }
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
    /// When it happened.
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
    /// The remote service does not list what it listed before. It is asked again before anything follows.
    ActivitiesMissing,
    /// Activities are marked as deleted, because the remote service does not list them any more.
    ActivitiesMarked,
    /// Such a mark was taken back.
    ActivitiesReturned,
    /// A person had a range read.
    Reconciled,
    /// A person must do something.
    AttentionRaised,
    /// A person need not do anything any more.
    AttentionCleared,
    /// The team could not be imported.
    TeamFailed,
    /// An import of the team found something of mappings that earlier ones had made.
    TeamImported,
    /// Something was not taken as the remote service told it.
    NotTakenWhole,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Connected,
        Self::Disconnected,
        Self::SecretsReplaced,
        Self::GapNoticed,
        Self::SubscriptionRepaired,
        Self::GapReconciled,
        Self::SilenceFound,
        Self::DifferenceFound,
        Self::ActivitiesMissing,
        Self::ActivitiesMarked,
        Self::ActivitiesReturned,
        Self::Reconciled,
        Self::AttentionRaised,
        Self::AttentionCleared,
        Self::TeamFailed,
        Self::TeamImported,
        Self::NotTakenWhole,
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
            Self::ActivitiesMissing => "activities-missing",
            Self::ActivitiesMarked => "activities-marked",
            Self::ActivitiesReturned => "activities-returned",
            Self::Reconciled => "reconciled",
            Self::AttentionRaised => "attention-raised",
            Self::AttentionCleared => "attention-cleared",
            Self::TeamFailed => "team-failed",
            Self::TeamImported => "team-imported",
            Self::NotTakenWhole => "not-taken-whole",
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
/// - A heartbeat is recorded, and the last one before it is told, also without recording another.
/// - One that is earlier than the last changes nothing.
/// - A heartbeat that lies ahead of the present time, by more than a minute, is taken back by the next one.
/// - The coverage after a change is what [`Coverage::after`] says, and what the connection shows from then on; of changes
///   at once none is lost.
/// - A connection that becomes active covers from that moment on and has no gap, whatever it had before.
/// - Delivery times are when the accepted deliveries of a connection arrived, those recorded last first.
/// - A note is what it was last changed to, and is changed only from what the caller knows it to be: of changes at once
///   one is made. It is gone with its connection.
/// - The log of a connection is told newest first and keeps the newest [`MAX_EVENTS`]; an event of the same kind and
///   message as the newest is left out.
#[async_trait]
#[auto_impl(Arc)]
pub trait CoverageLog: Send + Sync + 'static {
    /// Records that a host runs, and returns when one last did.
    async fn heartbeat(&self, now: Timestamp) -> Result<Option<Timestamp>, LedgerError>;

    /// When a host last recorded that it runs.
    async fn last_heartbeat(&self) -> Result<Option<Timestamp>, LedgerError>;

    /// Records what was found out, as [`Coverage::after`] says, and returns the coverage that follows.
    async fn change_coverage(
        &self,
        id: &ConnectionId,
        change: CoverageChange,
    ) -> Result<Coverage, LedgerError>;

    /// When the last accepted deliveries arrived, newest first.
    async fn delivery_times(
        &self,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>, LedgerError>;

    /// What background work has to remember of a connection, by a name of its own; `None`: nothing.
    async fn note(&self, id: &ConnectionId, name: &str) -> Result<Option<String>, LedgerError>;

    /// Changes a note, if it is still `before`; `None`: there is none. Returns whether it was.
    async fn change_note(
        &self,
        id: &ConnectionId,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<bool, LedgerError>;

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
            verified_at: None,
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
    fn times_that_lie_ahead_are_not_believed() {
        let day = 24 * 60;
        let ahead = Coverage {
            connected_at: at(30 * day),
            covered_until: at(30 * day),
            gap: None,
            reconciled_at: Some(at(30 * day)),
            verified_at: Some(at(30 * day)),
        };
        let gap = ahead.clone().after(noticed(None, 0)).gap.unwrap();
        assert_eq!(
            gap.from,
            at(-day),
            "nothing would be read until the time has come"
        );
        // Somebody knows since when.
        let gap = ahead.clone().after(noticed(Some(-90), 0)).gap.unwrap();
        assert_eq!(gap.from, at(-90));
        let confirmed = ahead
            .clone()
            .after(CoverageChange::Confirmed { until: at(0) });
        assert_eq!(confirmed.covered_until, at(0));
        let believed = ahead.believed(at(0));
        assert_eq!((believed.reconciled_at, believed.verified_at), (None, None));

        // While a clock is behind, nothing is known to be covered; that says nothing about when it was connected.
        let behind = connected().after(CoverageChange::Confirmed {
            until: at(-30 * day),
        });
        assert_eq!(behind.connected_at, at(0));
        assert_eq!(behind.covered_until, at(-30 * day));
        let right = behind.after(CoverageChange::Confirmed { until: at(61) });
        assert_eq!((right.connected_at, right.covered_until), (at(0), at(61)));
    }

    #[test]
    fn a_gap_whose_beginning_lies_ahead_is_read_and_closed() {
        let day = 24 * 60;
        let mut coverage = connected().after(noticed(None, 120));
        coverage.gap.as_mut().unwrap().from = at(30 * day);
        coverage.covered_until = at(30 * day);
        let believed = coverage.clone().believed(at(5 * day)).gap.unwrap();
        assert_eq!(believed.from, at(4 * day));
        let closed = coverage.after(CoverageChange::GapClosed {
            noticed_at: believed.noticed_at,
            from: believed.from,
            until: at(5 * day),
        });
        assert_eq!((closed.gap, closed.covered_until), (None, at(5 * day)));
    }

    #[test]
    fn every_kind_of_event_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.as_str()), Some(kind));
        }
    }
}
