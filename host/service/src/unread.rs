//! The time in which a scope was disconnected. What was logged then is read only if a person asks for it; what ran when it
//! began is looked up as soon as the scope is connected again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::background::policy::earlier;
use super::{Host, HostError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{Connection, CoverageChange, EventKind, MAX_PAGE};

const NOTE: &str = "disconnected";

/// A time of which the ledger does not have what was logged in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadTime {
    /// It begins here.
    pub from: Timestamp,
    /// And ends here.
    pub to: Timestamp,
}

impl Host {
    /// The time in which a connection was disconnected and that nobody has had read since; `None`: there is none.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn unread_time(&self, id: &ConnectionId) -> Result<Option<UnreadTime>, HostError> {
        self.recall(id, NOTE).await
    }

    /// Goes on with a connection that was disconnected since it was `before`. That it is connected does not depend on this.
    pub(super) async fn take_up_again(&self, before: &Connection, id: &ConnectionId) {
        if let Err(error) = self.try_take_up_again(before, id).await {
            warn!(connection = %id, %error, "what ran when it was disconnected could not be asked for");
        }
    }

    async fn try_take_up_again(
        &self,
        before: &Connection,
        id: &ConnectionId,
    ) -> Result<(), HostError> {
        let connected_at = self.connection(id).await?.coverage.connected_at;
        if !self
            .ledger
            .running_ids(id, connected_at, 1)
            .await?
            .is_empty()
        {
            let noticed = CoverageChange::GapNoticed {
                from: Some(connected_at),
                reason: "timers ran when it was disconnected, and may have been stopped since"
                    .to_owned(),
                at: connected_at,
            };
            self.notice_gap(id, noticed).await?;
            self.inner.background.close_gap_now(id);
        }
        let left_at = self.disconnected_at(before, connected_at).await?;
        let unread = self.unread_time(id).await?;
        let unread = UnreadTime {
            from: unread.map_or(left_at, |unread| unread.from.min(left_at)),
            to: connected_at,
        };
        self.keep_note(id, NOTE, Some(&unread)).await
    }

    /// Since when a connection has not been complete that was disconnected.
    async fn disconnected_at(
        &self,
        before: &Connection,
        now: Timestamp,
    ) -> Result<Timestamp, HostError> {
        let coverage = before.coverage.clone().believed(now);
        if let Some(gap) = coverage.gap {
            return Ok(gap.from.min(now));
        }
        let log = self.ledger.events(&before.id, None, MAX_PAGE).await?;
        let mut events = log.items.into_iter();
        let left = events.find(|event| event.kind == EventKind::Disconnected);
        let since = left.map_or(coverage.covered_until, |left| {
            earlier(left.at, self.schedule().margin)
        });
        Ok(since.min(now))
    }

    /// Notes that a range was read because a person asked for it.
    pub(super) async fn note_range_read(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), HostError> {
        let Some(unread) = self.unread_time(id).await? else {
            return Ok(());
        };
        // Times that people give are whole milliseconds at most.
        let is_from_its_beginning = from.as_millisecond() <= unread.from.as_millisecond();
        let is_to_its_end = to.as_millisecond() >= unread.to.as_millisecond();
        let left = match (is_from_its_beginning, is_to_its_end) {
            (true, true) => None,
            (true, false) if to > unread.from => Some(UnreadTime { from: to, ..unread }),
            (false, true) if from < unread.to => Some(UnreadTime { to: from, ..unread }),
            _ => return Ok(()),
        };
        self.keep_note(id, NOTE, left.as_ref()).await
    }
}
