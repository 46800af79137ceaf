//! What somebody who waits can be told: how far connecting is, and whether names are still coming.

use super::Host;
use integration_host_contract::id::ConnectionId;

/// What [`Host::connect_with`] is doing. The steps follow in this order; after the last one the
/// connection is active, and [names](Host::names_are_loading) go on loading in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectStep {
    /// Keeping the secrets and binding the connection to its scope.
    Saving,
    /// Subscribing to the webhook.
    Subscribing,
    /// Importing the team and matching it to users.
    ImportingTeam,
}

impl Host {
    /// Whether names of what time is spent on are still to be fetched: they are being fetched, or will
    /// be, because a fetch did not get all of them. Known to the host that does the work.
    pub fn names_are_loading(&self, id: &ConnectionId) -> bool {
        self.inner.background.names_are_due(id)
    }
}
