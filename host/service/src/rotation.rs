//! Exchanging the sealing key while the host works.
//!
//! The new key is durable before anything is sealed with it, and the former one goes only after a look
//! through everything found nothing that needs it. So a rotation can be cut off anywhere: everything
//! still opens, and the next one goes on.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tracing::{info, warn};

use super::{Host, HostError};
use integration_host_contract::ErrorCode;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ConnectionScan, ConnectionSummary};
use integration_host_seal::{KeySource, SealingKeyError};
use integration_host_storage::{Resealed, reseal};

/// How often everything is looked through at most. The second time finds nothing, unless a provider
/// keeps losing what it acknowledges.
const MAX_PASSES: usize = 5;

/// Which keys there are, and whether they are being exchanged.
#[derive(Clone, Debug)]
pub struct SealingKeyStatus {
    /// Where they come from.
    pub source: KeySource,
    /// The id of the key that seals.
    pub key_id: String,
    /// The ids of keys that only open.
    pub older_key_ids: Vec<String>,
    /// How far a rotation is; `None`: there is none.
    pub rotation: Option<RotationProgress>,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationProgress {
    /// Connections whose stored values were looked through.
    pub connections_done: u64,
    /// Connections there are.
    pub connections_total: u64,
    /// Values looked at.
    pub values: u64,
}

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Where the keys come from.
    pub source: KeySource,
    /// The id of the key that seals.
    pub key_id: String,
    /// Whether that key is new; otherwise it was there already, from an earlier rotation or from who
    /// keeps the keys.
    pub key_is_new: bool,
    /// Values that were sealed again: secrets, stored values and kept deliveries.
    pub resealed: u64,
    /// Connections with values that do not open and therefore could not be sealed again.
    pub unreadable: Vec<ConnectionId>,
    /// What became of the keys that sealed before.
    pub former_keys: FormerKeys,
}

/// What became of the keys that sealed before a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormerKeys {
    /// They are gone.
    Removed,
    /// Nothing needs them any more; who keeps them can remove them.
    Dispensable,
    /// Something that does not open was sealed with one of them, so they stay.
    Kept,
}

/// The state of rotations.
#[derive(Default)]
pub(super) struct Rotations {
    running: tokio::sync::Mutex<()>,
    progress: Mutex<Option<RotationProgress>>,
}

impl Rotations {
    fn tell(&self, change: impl FnOnce(&mut RotationProgress)) {
        let mut progress = self.progress.lock();
        change(progress.get_or_insert_default());
    }

    fn progress(&self) -> MutexGuard<'_, Option<RotationProgress>> {
        self.progress.lock()
    }
}

impl Host {
    /// Which sealing keys there are, and how far a rotation is.
    pub fn sealing_key(&self) -> SealingKeyStatus {
        let keys = &self.inner.parts.keys;
        let ring = keys.ring();
        SealingKeyStatus {
            source: keys.source().clone(),
            key_id: ring.id(),
            older_key_ids: ring.older_ids(),
            rotation: *self.inner.rotations.progress(),
        }
    }

    /// Seals everything again with another key, beside everything else that goes on: a new one, or the
    /// first of those there are if that is what an earlier rotation or who keeps the keys has left to do.
    /// The former keys go when nothing needs them any more.
    ///
    /// # Errors
    /// `Conflict` if a rotation is running, or if the keys are kept elsewhere and there is just one.
    /// Otherwise a provider or the key's file failed; everything still opens, and calling this again goes
    /// on.
    pub async fn rotate_sealing_key(&self) -> Result<Rotation, HostError> {
        let rotations = &self.inner.rotations;
        let Ok(_running) = rotations.running.try_lock() else {
            return Err(HostError::new(
                ErrorCode::Conflict,
                "the sealing key is being rotated already; wait until that is done",
            ));
        };
        let outcome = self.rotate().await;
        *rotations.progress() = None;
        if let Err(error) = &outcome {
            warn!(%error, "the sealing key was not rotated completely");
        }
        outcome
    }

    async fn rotate(&self) -> Result<Rotation, HostError> {
        let parts = &self.inner.parts;
        self.inner
            .rotations
            .tell(|progress| *progress = RotationProgress::default());
        let key_is_new = self.have_two_keys().await?;
        let mut resealed = 0;
        let mut passes = 0;
        let (last, unreadable) = loop {
            let (found, unreadable) = self.pass().await?;
            resealed += found.outdated;
            passes += 1;
            if found.outdated == 0 {
                break (found, unreadable);
            }
            if passes == MAX_PASSES {
                return Err(HostError::new(
                    ErrorCode::Unavailable,
                    "the storage provider does not keep what was sealed again; the former keys stay",
                ));
            }
        };
        let former_keys = if last.unreadable_outdated > 0 {
            FormerKeys::Kept
        } else if matches!(parts.keys.source(), KeySource::File(_)) {
            let keys = Arc::clone(&parts.keys);
            blocking(move || keys.forget_older()).await?;
            FormerKeys::Removed
        } else {
            FormerKeys::Dispensable
        };
        self.scrub().await;
        let key_id = parts.keys.ring().id();
        info!(
            key_id,
            resealed,
            ?former_keys,
            "the sealing key was rotated"
        );
        Ok(Rotation {
            source: parts.keys.source().clone(),
            key_id,
            key_is_new,
            resealed,
            unreadable,
            former_keys,
        })
    }

    /// Makes sure that there is a key to go to and one to come from. Whether the first was made now.
    async fn have_two_keys(&self) -> Result<bool, HostError> {
        let keys = Arc::clone(&self.inner.parts.keys);
        if !keys.ring().older_ids().is_empty() {
            return Ok(false);
        }
        if self.inner.leases.time_if_shared().is_some() {
            return Err(HostError::new(
                ErrorCode::Conflict,
                "other hosts share the database and would not have a key made here: give all of them a new key after the present one, then before it, and rotate again",
            ));
        }
        let source = keys.source().clone();
        match blocking(move || keys.add_new_key()).await? {
            Some(retired) => {
                // What was being sealed with the former key is found by looking through only when it
                // is stored.
                retired.given_back().await;
                Ok(true)
            }
            None => Err(HostError::new(
                ErrorCode::Conflict,
                format!(
                    "the sealing key comes from {source}, where this host cannot put a new one: put a new key there before the present one, restart the host, and rotate again"
                ),
            )),
        }
    }

    /// Looks through everything once and seals what is outdated again. With it: connections of which
    /// something does not open.
    async fn pass(&self) -> Result<(Resealed, Vec<ConnectionId>), HostError> {
        let parts = &self.inner.parts;
        let rotations = &self.inner.rotations;
        let connections = ConnectionScan::count(&*self.ledger).await?;
        rotations.tell(|progress| {
            progress.connections_done = 0;
            progress.connections_total = connections;
        });
        let mut total = Resealed::default();
        let mut unreadable = Vec::new();
        let mut scan_connections = ConnectionScan::of(&*self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                break;
            }
            for ConnectionSummary { id, .. } in page {
                // Calls that cannot be run again must not find that what they read has changed.
                let guard = self.inner.leases.hold(&id).await?;
                let tell = |more| rotations.tell(|progress| progress.values += more);
                let found = reseal(&*parts.store, &parts.keys, &id, true, tell).await?;
                drop(guard);
                if found.unreadable > 0 {
                    warn!(connection = %id, values = found.unreadable, "stored values do not open");
                    unreadable.push(id);
                }
                total.add(found);
                rotations.tell(|progress| {
                    progress.connections_done += 1;
                    // Some may have been made meanwhile.
                    progress.connections_total =
                        progress.connections_total.max(progress.connections_done);
                });
            }
        }
        let deliveries = self.sealed_contents().go_through_deliveries(true).await?;
        rotations.tell(|progress| progress.values += deliveries.seen);
        if deliveries.unreadable > 0 {
            warn!(
                deliveries = deliveries.unreadable,
                "kept deliveries do not open"
            );
        }
        total.add(deliveries);
        Ok((total, unreadable))
    }
}

/// Writes a key's file without holding up what else the thread has to do.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SealingKeyError> + Send + 'static,
) -> Result<T, HostError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| HostError::new(ErrorCode::Internal, error.to_string()))?
        .map_err(|error| HostError::new(ErrorCode::Unavailable, error.to_string()))
}
