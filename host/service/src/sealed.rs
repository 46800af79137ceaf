//! Everything that is kept sealed: looked through, and sealed again with the current key.

use tracing::{error, warn};

use super::dead_letter::seal_context;
use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{Attention, ConnectionScan, ConnectionUpdate, Ledger};
use integration_host_seal::SealingKeys;
use integration_host_storage::{KeyValueStore, Resealed, StorageError, reseal};

/// Kept deliveries read at once: each may be larger than a megabyte.
const PAGE: usize = 16;

/// Everything a host keeps sealed, with the keys to open it.
pub struct SealedContents<'a> {
    /// Storage, without seals.
    pub store: &'a dyn KeyValueStore,
    /// The ledger.
    pub ledger: &'a dyn Ledger,
    /// The keys.
    pub keys: &'a SealingKeys,
}

impl SealedContents<'_> {
    /// Opens everything, and says what does not open. Nothing is changed.
    ///
    /// # Errors
    /// A provider does not answer.
    pub async fn verify(&self) -> Result<Resealed, HostError> {
        let mut found = Resealed::default();
        let mut scan_connections = ConnectionScan::of(self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                break;
            }
            for summary in page {
                found.add(reseal(self.store, self.keys, &summary.id, false, |_| {}).await?);
            }
        }
        found.add(self.go_through_deliveries(false).await?);
        Ok(found)
    }

    /// Goes through the deliveries kept for replay.
    pub(super) async fn go_through_deliveries(&self, reseal: bool) -> Result<Resealed, HostError> {
        let mut found = Resealed::default();
        let mut after = 0;
        loop {
            let held = self.keys.hold();
            let page = self.ledger.dead_letters(after, PAGE).await?;
            let last = page.len() < PAGE;
            for kept in page {
                after = kept.place;
                let context = seal_context(&kept.connection_id, &kept.delivery_id);
                if let Some(sealed) = found.look_at(&held, &context, &kept.sealed, reseal) {
                    self.ledger.replace_dead_letter(&kept, sealed).await?;
                }
            }
            if last {
                return Ok(found);
            }
        }
    }
}

impl Host {
    pub(super) fn sealed_contents(&self) -> SealedContents<'_> {
        let parts = &self.inner.parts;
        SealedContents {
            store: &*parts.store,
            ledger: &*self.ledger,
            keys: &parts.keys,
        }
    }

    /// Makes sure that everything stored of a connection opens. What does not was changed or put
    /// elsewhere behind the host's back, or its key is missing: it is not used, and the people are told.
    ///
    /// # Errors
    /// Something does not open, or a provider does not answer.
    pub(super) async fn ensure_readable(&self, id: &ConnectionId) -> Result<(), HostError> {
        let parts = &self.inner.parts;
        let stored = reseal(&*parts.store, &parts.keys, id, false, |_| {}).await?;
        if stored.unreadable == 0 {
            return Ok(());
        }
        let manifest = self.manifest();
        let message = if let Some(key_id) = stored.missing_keys.first() {
            format!(
                "what is stored of this connection was sealed with the key {key_id}, which this host does not have: give it that key too, after the present one, and start it again"
            )
        } else if let Err(StorageError::Invalid(_)) = self.inner.secrets.get(id).await {
            format!(
                "the stored secret cannot be read, because it was changed or moved outside of this program: give the {} again with set-token",
                manifest.secrets_name()
            )
        } else {
            format!(
                "what is stored of this connection cannot be read, because it was changed or moved outside of this program: restore a backup, or disconnect the {} and connect it again",
                manifest.scope_noun.singular
            )
        };
        error!(connection = %id, "{message}");
        let attention = Attention {
            code: ErrorCode::Internal.as_str().to_owned(),
            message: message.clone(),
        };
        let update = ConnectionUpdate {
            attention: Some(Some(attention)),
            ..ConnectionUpdate::default()
        };
        self.ledger
            .update_connection(id, update, parts.clock.now())
            .await?;
        Err(HostError::new(ErrorCode::Internal, message))
    }

    /// Whether something stored of a connection does not open, so that the integration can do nothing
    /// with it, not even end it.
    pub(super) async fn is_unreadable(&self, id: &ConnectionId) -> bool {
        let parts = &self.inner.parts;
        match reseal(&*parts.store, &parts.keys, id, false, |_| {}).await {
            Ok(stored) => stored.unreadable > 0,
            Err(error) => {
                warn!(connection = %id, %error, "storage could not be looked through");
                false
            }
        }
    }

    /// Makes what was erased disappear from the files of ledger and storage, and from where they keep recent changes.
    pub(super) async fn scrub(&self) {
        self.ledger.scrub().await;
        self.inner.parts.store.scrub().await;
    }
}
