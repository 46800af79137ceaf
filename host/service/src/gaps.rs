//! Gaps in deliveries: noticing, reading and closing them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::background::not_before;
use super::background::policy::{earlier, later, needs_a_person};
use super::lease::Fenced;
use super::reconcile::{Kind, LONGEST_RANGE, Progress, Reserve, outcome};
use super::{Host, HostError, moment};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::sentence;
use integration_host_ledger::{Attention, Connection, CoverageChange, EventKind, Gap};

/// A gap is read in parts of this length. What was read stays read when the quota ends in between.
const PART: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far a gap was read.
enum Read {
    /// To its end.
    Done(Part),
    /// What is left of the quota is for people. It goes on where it stopped, after this time.
    Paused(Duration),
}

/// The last part of a gap that was read.
struct Part {
    /// Where the gap began when it was read.
    from: Timestamp,
    until: Timestamp,
    /// How many activities the whole gap changed.
    changed: u64,
    /// How many of it are not listed any more.
    missing: u64,
    /// How many of it were listed and could not be read.
    unread: u64,
}

/// What of a gap was listed and could not be read.
#[derive(Serialize, Deserialize)]
struct Unread {
    /// When the gap was opened.
    opened_at: Timestamp,
    /// How many the last reading of all of it left; `None`: it is being read for the first time.
    count: Option<u64>,
    /// How many this reading has left in parts that are read.
    #[serde(default)]
    passed: u64,
    /// Where the first of these parts begins.
    #[serde(default)]
    from: Option<Timestamp>,
}

const UNREAD_NOTE: &str = "gap/unread";

impl Host {
    /// Records that deliveries may be missing, and says so once per gap.
    pub(super) async fn notice_gap(
        &self,
        id: &ConnectionId,
        noticed: CoverageChange,
    ) -> Result<(), HostError> {
        let coverage = self.ledger.change_coverage(id, noticed).await?;
        let Some(gap) = coverage.gap.filter(Gap::is_new) else {
            return Ok(());
        };
        warn!(connection = %id, from = %moment(gap.from), "a gap in deliveries was noticed");
        self.inner.metrics.gaps_noticed.inc();
        let message = format!(
            "Deliveries may be missing since {}: {}",
            moment(gap.from),
            sentence(&gap.reason)
        );
        self.record(id, EventKind::GapNoticed, message).await;
        Ok(())
    }

    async fn close_gap_as_far(&self, id: &ConnectionId) -> Result<Option<Duration>, HostError> {
        let connection = self.connection(id).await?;
        let Some(gap) = connection.coverage.gap.clone() else {
            return Ok(None);
        };
        let part = match self.read_gap(&connection, &gap).await {
            Ok(Read::Done(part)) => part,
            Ok(Read::Paused(wait)) => return Ok(Some(not_before(wait))),
            Err(error) => return Err(self.obstruct(&connection, error).await?),
        };
        if self.leaves_unread(id, &gap, &part).await? {
            return Ok(Some(not_before(self.schedule().upkeep)));
        }
        let Part {
            from,
            until,
            changed,
            missing,
            unread,
        } = part;
        if gap.obstacle.is_some()
            && let Err(error) = self.renew_subscription(&connection).await
        {
            return Err(self.obstruct(&connection, error).await?);
        }
        let closed = CoverageChange::GapClosed {
            noticed_at: gap.noticed_at,
            from,
            until,
        };
        let ledger = &self.ledger;
        let coverage = ledger.change_coverage(id, closed).await?;
        let message = format!(
            "From {} to {} was read: {}.",
            moment(gap.from),
            moment(until),
            outcome(changed, missing, unread)
        );
        self.record(id, EventKind::GapReconciled, message).await;
        if coverage.gap.is_some() {
            // Something else went wrong meanwhile.
            self.inner.background.close_gap_now(id);
            return Ok(None);
        }
        info!(connection = %id, changed, "a gap in deliveries was closed");
        self.inner.metrics.gaps_closed.inc();
        if gap.obstacle.is_some() {
            self.set_attention(&connection, None).await?;
        }
        Ok(None)
    }

    /// Reads the gap of a connection whose deliveries do not arrive, as far as the token reaches. It
    /// stays open.
    pub(super) async fn read_open_gap(&self, id: &ConnectionId) -> Result<(), HostError> {
        let connection = self.connection(id).await?;
        let Some(gap) = connection.coverage.gap.clone() else {
            return Ok(());
        };
        let part = match self.read_gap(&connection, &gap).await? {
            Read::Done(part) => part,
            Read::Paused(_) => return Ok(()),
        };
        if self.leaves_unread(id, &gap, &part).await? {
            return Ok(());
        }
        let Part {
            from,
            until,
            changed,
            missing,
            unread,
        } = part;
        let read = CoverageChange::GapRead { from, until };
        self.ledger.change_coverage(id, read).await?;
        if changed > 0 {
            let message = format!(
                "Deliveries still do not arrive, so everything up to {} was read: {}.",
                moment(until),
                outcome(changed, missing, unread)
            );
            self.record(id, EventKind::GapReconciled, message).await;
        }
        Ok(())
    }

    /// Whether a gap stays open because something in it could not be read, and may be when it is asked for once more. What
    /// cannot be read then either never will be.
    async fn leaves_unread(
        &self,
        id: &ConnectionId,
        gap: &Gap,
        part: &Part,
    ) -> Result<bool, HostError> {
        let before = self.unread_of(id, gap).await?;
        if part.unread == 0 || before.count.is_some_and(|before| before <= part.unread) {
            self.keep_note::<Unread>(id, UNREAD_NOTE, None).await?;
            return Ok(false);
        }
        if let Some(from) = before.from {
            // What was read since is read once more, too.
            let again = CoverageChange::GapNoticed {
                from: Some(from),
                reason: gap.reason.clone(),
                at: self.now(),
            };
            self.ledger.change_coverage(id, again).await?;
        }
        let unread = Unread {
            opened_at: gap.opened_at,
            count: Some(part.unread),
            passed: 0,
            from: None,
        };
        self.keep_note(id, UNREAD_NOTE, Some(&unread)).await?;
        let message = format!(
            "From {} to {} was read: {}. They are asked for once more, so the gap stays open for now.",
            moment(gap.from),
            moment(part.until),
            outcome(part.changed, part.missing, part.unread)
        );
        self.record(id, EventKind::NotTakenWhole, message).await;
        Ok(true)
    }

    /// What is known of a gap that could not be read.
    async fn unread_of(&self, id: &ConnectionId, gap: &Gap) -> Result<Unread, HostError> {
        let known: Option<Unread> = self.recall(id, UNREAD_NOTE).await?;
        let known = known.filter(|known| known.opened_at == gap.opened_at);
        Ok(known.unwrap_or(Unread {
            opened_at: gap.opened_at,
            count: None,
            passed: 0,
            from: None,
        }))
    }

    /// Has a gap read at once because a person asks for it, also with requests that are kept for people.
    ///
    /// # Errors
    /// `not-found`: there is no such connection, or it has no gap.
    pub async fn read_gap_now(&self, id: &ConnectionId) -> Result<(), HostError> {
        if self.connection(id).await?.coverage.gap.is_none() {
            return Err(HostError::not_found(
                "nothing is known to be missing of this connection, so there is nothing to read",
            ));
        }
        self.inner.kept_back.ask_for(id);
        self.inner.background.close_gap_now(id);
        Ok(())
    }

    /// Reads from the gap's beginning until now, with a margin on both sides, and looks up what runs.
    async fn read_gap(&self, connection: &Connection, gap: &Gap) -> Result<Read, HostError> {
        let id = &connection.id;
        let margin = self.schedule().margin;
        let now = self.now();
        let oldest = now.checked_sub(LONGEST_RANGE).unwrap_or(Timestamp::MIN);
        let mut from = gap.from.max(oldest).min(now);
        let mut gap_from = gap.from;
        let mut part = Part {
            from: gap.from,
            until: now,
            changed: 0,
            missing: 0,
            unread: 0,
        };
        loop {
            // Every part begins with a margin: a part may be the first one after a pause.
            let since = earlier(from, margin);
            let end = from.checked_add(PART).unwrap_or(now).min(now);
            let until = if end == now { later(end, margin) } else { end };
            let read = self
                .read_range(connection, Kind::Gap, since, until, Reserve::ForPeople)
                .await?;
            let read = match read {
                Progress::Done(read) => read,
                Progress::Paused(wait) => return Ok(Read::Paused(wait)),
            };
            part.changed += read.applied.changed;
            part.missing += read.missing;
            // One that began long ago knows nothing of what was logged since.
            let end = read.until.min(read.began_at).max(from);
            if read.until >= read.began_at {
                part.from = gap_from;
                part.until = end;
                part.unread = read.unread + self.unread_of(id, gap).await?.passed;
                break;
            }
            if read.unread > 0 {
                let mut unread = self.unread_of(id, gap).await?;
                unread.passed += read.unread;
                unread.from.get_or_insert(gap_from);
                self.keep_note(id, UNREAD_NOTE, Some(&unread)).await?;
            }
            let read = CoverageChange::GapRead {
                from: gap_from,
                until: end,
            };
            self.ledger.change_coverage(id, read).await?;
            (gap_from, from) = (end, end);
        }
        part.changed += self.read_running(id, part.until).await?.changed;
        Ok(Read::Done(part))
    }

    /// Makes the subscription anew although it looks right.
    pub(super) async fn renew_subscription(
        &self,
        connection: &Connection,
    ) -> Result<(), HostError> {
        let guard = self.inner.leases.hold(&connection.id).await?;
        let service = self.fenced_by(&guard);
        let context = service.context(&connection.id);
        let callback = self.callback(connection).await?;
        service.subscribe(connection, &context, callback).await?;
        Ok(())
    }

    /// Notes why a gap cannot be closed, if a person must do something about it, and returns the error.
    async fn obstruct(
        &self,
        connection: &Connection,
        error: HostError,
    ) -> Result<HostError, HostError> {
        if needs_a_person(error.code) {
            self.obstruct_gap(connection, &error).await?;
        }
        Ok(error)
    }

    /// Notes what a person must do before the gap can be closed.
    pub(super) async fn obstruct_gap(
        &self,
        connection: &Connection,
        error: &HostError,
    ) -> Result<(), HostError> {
        let obstacle = Attention {
            code: error.code.as_str().to_owned(),
            message: error.message.clone(),
        };
        let obstructed = CoverageChange::GapObstructed {
            obstacle: obstacle.clone(),
        };
        let ledger = &self.ledger;
        ledger.change_coverage(&connection.id, obstructed).await?;
        self.set_attention(connection, Some(obstacle)).await
    }
}

impl Fenced {
    /// Reads the gap of a connection whose deliveries arrive again, and closes it. When something stood
    /// in the way before, deliveries are not believed to arrive until the subscription was renewed.
    /// Returns after which time to go on, if what is left of the quota is for people.
    pub(super) async fn close_gap(&self, id: &ConnectionId) -> Result<Option<Duration>, HostError> {
        let closed = self.close_gap_as_far(id).await;
        self.inner.kept_back.has_ended(id);
        closed
    }
}
