//! Where all connections stand, in pages: for whoever looks after them, and needs little of each.

use super::{ConnectionState, Ledger, LedgerError, MAX_PAGE};
use crate::id::ConnectionId;

/// What looking after a connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The connection's id.
    pub id: ConnectionId,
    /// Where it stands.
    pub state: ConnectionState,
    /// Whether deliveries may be missing that have not been read since.
    pub has_gap: bool,
}

/// Goes through the standings of all connections, of which there may be many, a page at a time.
pub(crate) struct Standings<'a> {
    ledger: &'a dyn Ledger,
    after: Option<ConnectionId>,
}

impl<'a> Standings<'a> {
    pub(crate) fn of(ledger: &'a dyn Ledger) -> Self {
        Self {
            ledger,
            after: None,
        }
    }

    /// How many connections there are.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub(crate) async fn count(ledger: &dyn Ledger) -> Result<u64, LedgerError> {
        let (mut standings, mut count) = (Standings::of(ledger), 0);
        loop {
            match standings.next().await?.len() {
                0 => return Ok(count),
                more => count += more as u64,
            }
        }
    }

    /// The next page; an empty one is the end.
    ///
    /// # Errors
    /// The ledger does not answer. Asking again goes on at the same place.
    pub(crate) async fn next(&mut self) -> Result<Vec<Standing>, LedgerError> {
        let page = self.ledger.standings(self.after.as_ref(), MAX_PAGE).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.id.clone());
        }
        Ok(page)
    }
}
