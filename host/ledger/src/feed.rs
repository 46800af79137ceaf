//! The change feed.

use async_trait::async_trait;
use auto_impl::auto_impl;
use tokio::sync::watch;

use super::{LedgerActivity, LedgerError};

/// The part of a [ledger](super::Ledger) that tells what changed, in order. What is said there of calls, errors and pages
/// goes for these too.
///
/// - Every activity is in the feed once, deleted and unmapped ones too; what is seen of it changes only as it moves to the
///   end of the feed, behind every place told before.
/// - What changes nothing that is seen moves nothing, and activities that move together keep their order.
/// - Names of subjects, of users and of members that change move the activities that show them: at once if they are few,
///   and otherwise as [`Feed::spread_changes`] goes on, until each has moved since what it shows has changed.
/// - Whoever follows the feed misses nothing, however many changes are made at once: no place appears before one that was
///   told already, and `last_change` is the last.
#[async_trait]
#[auto_impl(Arc)]
pub trait Feed: Send + Sync + 'static {
    /// Activities whose place in the change feed is after `after`, in order of change. An activity is
    /// moved to the end of the feed when it, its title, its user or an imported name of its member changes, so it appears once, in its latest
    /// state. Includes deleted and unmapped activities.
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<LedgerActivity>, LedgerError>;

    /// The last place in the change feed; 0 while there is none.
    async fn last_change(&self) -> Result<u64, LedgerError>;

    /// Goes on telling activities of a change of what many of them share: a name, or whom a member is mapped to. At most
    /// `most` are moved, and a bounded number is looked at, so that everybody else can go on. True: it
    /// went on, and there may be more to do; false: there is nothing to do, or somebody else is at it. What is to do
    /// survives whoever is at it.
    async fn spread_changes(&self, most: usize) -> Result<bool, LedgerError>;

    /// Tells whenever the change feed may have grown by what another host did that shares the ledger; the
    /// value only counts such moments. `None`: no other host shares it.
    fn watch_changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}
