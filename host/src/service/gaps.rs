//! Gaps in deliveries: noticing, reading and closing them.

use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

use super::background::decide::{earlier, later, needs_a_person};
use super::reconcile::{LONGEST_RANGE, count};
use super::{Service, ServiceError, moment};
use crate::id::ConnectionId;
use crate::ledger::{Attention, Connection, CoverageChange, EventKind, Gap};
use crate::sentence::sentence;

/// A gap is read in parts of this length. What was read stays read when the quota ends in between.
const PART: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far a gap was read.
struct Read {
    /// Where it began when its last part was read.
    from: Timestamp,
    until: Timestamp,
    /// How many activities changed.
    changed: u64,
}

impl Service {
    /// Records that deliveries may be missing, and says so once per gap.
    pub(super) async fn notice_gap(
        &self,
        id: &ConnectionId,
        noticed: CoverageChange,
    ) -> Result<(), ServiceError> {
        let coverage = self.ledger.change_coverage(id, noticed).await?;
        let Some(gap) = coverage.gap.filter(Gap::is_new) else {
            return Ok(());
        };
        warn!(connection = %id, from = %moment(gap.from), "a gap in deliveries was noticed");
        self.inner.metrics.gaps_noticed.add(1);
        let message = format!(
            "Deliveries may be missing since {}: {}",
            moment(gap.from),
            sentence(&gap.reason)
        );
        self.record(id, EventKind::GapNoticed, message).await;
        Ok(())
    }

    /// Reads the gap of a connection whose deliveries arrive again, and closes it. When something stood
    /// in the way before, deliveries are not believed to arrive until the subscription was renewed.
    pub(super) async fn close_gap(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let connection = self.connection(id).await?;
        let Some(gap) = connection.coverage.gap.clone() else {
            return Ok(());
        };
        let Read {
            from,
            until,
            changed,
        } = match self.read_gap(&connection, &gap).await {
            Ok(read) => read,
            Err(error) => return Err(self.obstruct(&connection, error).await?),
        };
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
            count(changed)
        );
        self.record(id, EventKind::GapReconciled, message).await;
        if coverage.gap.is_some() {
            // Something else went wrong meanwhile.
            self.inner.background.close_gap_now(id);
            return Ok(());
        }
        info!(connection = %id, changed, "a gap in deliveries was closed");
        self.inner.metrics.gaps_closed.add(1);
        if gap.obstacle.is_some() {
            self.set_attention(&connection, None).await?;
        }
        Ok(())
    }

    /// Reads the gap of a connection whose deliveries do not arrive, as far as the token reaches. It
    /// stays open.
    pub(super) async fn read_open_gap(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let connection = self.connection(id).await?;
        let Some(gap) = connection.coverage.gap.clone() else {
            return Ok(());
        };
        let Read {
            from,
            until,
            changed,
        } = self.read_gap(&connection, &gap).await?;
        let read = CoverageChange::GapRead { from, until };
        self.ledger.change_coverage(id, read).await?;
        if changed > 0 {
            let message = format!(
                "Deliveries still do not arrive, so everything up to {} was read: {}.",
                moment(until),
                count(changed)
            );
            self.record(id, EventKind::GapReconciled, message).await;
        }
        Ok(())
    }

    /// Reads from the gap's beginning until now, with a margin on both sides, and what ran before it.
    async fn read_gap(&self, connection: &Connection, gap: &Gap) -> Result<Read, ServiceError> {
        let id = &connection.id;
        let margin = self.schedule().margin();
        let until = self.now();
        let oldest = until.checked_sub(LONGEST_RANGE).unwrap_or(Timestamp::MIN);
        let mut from = gap.from.max(oldest).min(until);
        let mut read_from = earlier(from, margin).max(connection.coverage.connected_at);
        let began = read_from;
        let mut gap_from = gap.from;
        let mut changed = 0;
        loop {
            let end = from.checked_add(PART).unwrap_or(until).min(until);
            let is_last = end == until;
            let read_to = if is_last { later(end, margin) } else { end };
            if read_from < read_to {
                changed += self.read_range(id, read_from, read_to).await?.changed;
            }
            if is_last {
                break;
            }
            let read = CoverageChange::GapRead {
                from: gap_from,
                until: end,
            };
            self.ledger.change_coverage(id, read).await?;
            (gap_from, from, read_from) = (end, end, end);
        }
        changed += self.read_running(id, began).await?.changed;
        Ok(Read {
            from: gap_from,
            until,
            changed,
        })
    }

    /// Makes the subscription anew although it looks right.
    pub(super) async fn renew_subscription(
        &self,
        connection: &Connection,
    ) -> Result<(), ServiceError> {
        let turn = self.inner.leases.hold(&connection.id).await?;
        let context = self.by_right_of(&turn).context(&connection.id);
        let callback_url = self.callback_url(&connection.hook);
        let integration = &self.inner.parts.integration;
        integration.subscribe(&context, &callback_url).await?;
        Ok(())
    }

    /// Notes why a gap cannot be closed, if a person must do something about it, and returns the error.
    async fn obstruct(
        &self,
        connection: &Connection,
        error: ServiceError,
    ) -> Result<ServiceError, ServiceError> {
        if needs_a_person(error.code) {
            self.obstruct_gap(connection, &error).await?;
        }
        Ok(error)
    }

    /// Notes what a person must do before the gap can be closed.
    pub(super) async fn obstruct_gap(
        &self,
        connection: &Connection,
        error: &ServiceError,
    ) -> Result<(), ServiceError> {
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
