//! Connections that are being made or ended, and may have been left behind so.

use super::{Host, HostError};
use integration_host_ledger::{Connection, ConnectionState, NewConnection, Standings};

impl Host {
    /// The unfinished connection of a scope that is to be connected.
    pub(super) async fn unfinished(
        &self,
        of: &NewConnection,
    ) -> Result<Option<Connection>, HostError> {
        let ledger = &self.ledger;
        let mut standings = Standings::of(&**ledger);
        loop {
            let mut page = standings.next().await?;
            if page.is_empty() {
                return Ok(None);
            }
            page.retain(|standing| standing.state == ConnectionState::Connecting);
            for standing in page {
                let found = ledger.connection(&standing.id).await?;
                let found = found.filter(|found| {
                    found.state == ConnectionState::Connecting
                        && found.integration == of.integration
                        && found.scope_id == of.scope_id
                });
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
    }
}
