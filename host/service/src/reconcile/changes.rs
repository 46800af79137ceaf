//! Reading what was changed lately, whenever it was: an entry of last month that somebody edits today is in no range that
//! is read for today.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::super::background::policy::earlier;
use super::super::{Host, HostError};
use super::{outcome, pages};
use integration_host_contract::Selection;
use integration_host_contract::id::ConnectionId;

const NOTE: &str = "reading/changes";

/// The most pages of one reading.
const MAX_PAGES: u32 = 1_000;

/// How much is read twice: what the remote service lists may be late.
const OVERLAP: Duration = Duration::from_secs(3600);

/// Up to when changes were read, and where a reading stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Changes {
    /// When the connection was made: another connection of the scope begins anew.
    connected_at: Timestamp,
    read_until: Timestamp,
    reading: Option<Reading>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    began_at: Timestamp,
    cursor: Option<String>,
    pages: u32,
    changed: u64,
}

impl Changes {
    /// Whether to read now: once after each comparison and each gap, and on where a reading stopped.
    fn is_due(&self, compared_at: Option<Timestamp>) -> bool {
        self.reading.is_some() || compared_at.is_some_and(|at| at > self.read_until)
    }
}

impl Host {
    /// Reads what was made or changed since the last time, if something was compared since.
    pub(crate) async fn read_changes(&self, id: &ConnectionId) -> Result<(), HostError> {
        let connection = self.connection(id).await?;
        let coverage = &connection.coverage;
        let connected_at = coverage.connected_at;
        let kept: Option<Changes> = self.recall(id, NOTE).await?;
        let mut changes = kept
            .filter(|changes| changes.connected_at == connected_at)
            .unwrap_or(Changes {
                connected_at,
                read_until: connected_at,
                reading: None,
            });
        let now = self.now();
        if changes.read_until > now {
            // The clock was ahead then, so nobody knows when that was.
            changes.read_until = earlier(now, self.schedule().verify * 2);
        }
        if !changes.is_due(coverage.reconciled_at) {
            return Ok(());
        }
        let read_before = changes.read_until;
        let since = earlier(read_before, OVERLAP).max(connected_at.min(now));
        let mut reading = changes.reading.take().unwrap_or(Reading {
            began_at: now,
            cursor: None,
            pages: 0,
            changed: 0,
        });
        let selection = Selection::Changed(since);
        loop {
            if self.kept_back(id).await?.is_some() {
                return Ok(());
            }
            if reading.pages >= MAX_PAGES {
                return Err(pages::endless());
            }
            let cursor = reading.cursor.take();
            let page = self.read_page(id, &selection, cursor.as_deref()).await?;
            reading.pages += 1;
            reading.changed += page.applied.changed;
            self.ask_for_outvoted(id, &page.outvoted).await?;
            let listed = page.activities.into_iter().map(|one| one.id).collect();
            self.note_listed(id, &listed).await?;
            reading.cursor = page.next;
            if reading.cursor.is_none() {
                break;
            }
            changes.reading = Some(reading.clone());
            self.keep_note(id, NOTE, Some(&changes)).await?;
        }
        changes.reading = None;
        changes.read_until = reading.began_at.min(now);
        self.keep_note(id, NOTE, Some(&changes)).await?;
        if reading.changed > 0 {
            // Deliveries of some of it may just be on their way, so it is no line in the connection's log.
            info!(connection = %id, changed = reading.changed, "what was changed lately was read, whenever it was");
            // But nothing has been delivered since it was read before.
            let delivered_at = connection.last_delivery_at.unwrap_or(connected_at);
            if delivered_at <= read_before {
                let found = outcome(reading.changed, 0, 0);
                self.end_silence(&connection, delivered_at, &found).await?;
            }
        }
        Ok(())
    }
}
