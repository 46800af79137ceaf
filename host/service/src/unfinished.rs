//! Connections that are being made or ended, and may have been left behind so.

use super::{Host, HostError};
use integration_host_ledger::{Connection, ConnectionScan, ConnectionState, NewConnection};

impl Host {
    /// The unfinished connection of a scope that is to be connected.
    pub(super) async fn unfinished(
        &self,
        of: &NewConnection,
    ) -> Result<Option<Connection>, HostError> {
        let ledger = &self.ledger;
        let mut scan_connections = ConnectionScan::of(&**ledger);
        loop {
            let mut page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(None);
            }
            page.retain(|summary| summary.state == ConnectionState::Connecting);
            for summary in page {
                let found = ledger.connection(&summary.id).await?;
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
