//! Whether the sealing keys at hand are those of what is kept, as far as a start can tell.

use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ConnectionState, ConnectionSummary};

/// The most connections whose secrets are tried. A key that is another host's, or was made anew, opens none of
/// them; one that a tenth of the connections need is missed once in thirty starts.
const TRIED: usize = 32;

impl Host {
    /// Refuses keys that do not open what is kept: without the key of its secrets a connection would fail at every
    /// delivery, and look as if it were the remote service's fault. However many connections there are, a few
    /// are tried. All of them are looked through soon afterwards, in the background.
    ///
    /// # Errors
    /// A provider does not answer, or a sentence that names the key that is missing.
    pub(super) async fn ensure_keys_fit(&self) -> Result<(), HostError> {
        let has_secrets =
            |summary: &ConnectionSummary| summary.state != ConnectionState::Disconnected;
        for id in self.some_connections(has_secrets).await? {
            if let Some(key_id) = self.inner.secrets.missing_key(&id).await? {
                return Err(HostError::new(
                    ErrorCode::Internal,
                    format!(
                        "the sealing key is not the one that the secrets of the connection {id} were sealed with, which has the id {key_id}: put that key back, or use another data directory",
                    ),
                ));
            }
        }
        Ok(())
    }

    /// All connections that are wanted, or of many some from anywhere among them: what has an order may have been
    /// sealed in that order, such as by a rotation that was cut off.
    pub(super) async fn some_connections(
        &self,
        wanted: impl Fn(&ConnectionSummary) -> bool,
    ) -> Result<Vec<ConnectionId>, HostError> {
        let ledger = &self.ledger;
        let first = ledger.scan_connections(None, TRIED + 1).await?;
        let some = if first.len() <= TRIED {
            first
        } else {
            let mut some = Vec::with_capacity(TRIED);
            for _ in 0..TRIED {
                let place = ConnectionId::generate();
                some.extend(ledger.scan_connections(Some(&place), 1).await?);
            }
            some
        };
        Ok(some
            .into_iter()
            .filter(wanted)
            .map(|summary| summary.id)
            .collect())
    }
}
