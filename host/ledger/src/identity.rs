//! Which ledger it is, and which life of its change feed.

use integration_host_contract::id::{FeedLife, LedgerId};

/// What tells a ledger from others, and its change feed from what it was before the ledger went back in time.
///
/// A copy has the id of the ledger it was made of, and a life of its own: two hosts with one id and two lives run on a
/// ledger and a copy of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerIdentity {
    /// Made with the ledger, and kept through backups, restores, exports and imports.
    pub id: LedgerId,
    /// Another one after each restore and each import, since places in the change feed then stand for something else.
    pub life: FeedLife,
    /// Whether it was never restored or imported. Places in the feed that were given out before places named a life are
    /// of the first one.
    pub is_first_life: bool,
}
