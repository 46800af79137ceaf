//! Sealing what an export brings with the keys of the place it is brought to.

use super::{StoredEntry, TransferError};
use integration_host::request_seal_context;
use integration_host_ledger::transfer::ExportRequest;
use integration_host_seal::{KeyRing, SealError};
use integration_host_storage::seal_context as stored_context;

/// The keys of both places.
pub(super) struct Resealer {
    ring: KeyRing,
}

impl Resealer {
    /// Opens with all of these keys, and seals with the first of `own`.
    pub(super) fn new(own: &KeyRing, of_source: Option<&KeyRing>) -> Self {
        let ring = own.clone();
        Self {
            ring: match of_source {
                Some(of_source) => ring.with_ring(of_source),
                None => ring,
            },
        }
    }

    /// Seals a stored value. `line` is where it stands.
    pub(super) fn reseal_entry(
        &self,
        entry: &mut StoredEntry,
        line: u64,
    ) -> Result<(), TransferError> {
        let context = stored_context(&entry.connection, &entry.key);
        self.reseal("the stored value", &context, &mut entry.value, line)
    }

    /// Seals a dead letter. `line` is where it stands.
    pub(super) fn reseal_request(
        &self,
        request: &mut ExportRequest,
        line: u64,
    ) -> Result<(), TransferError> {
        let context = request_seal_context(&request.connection, &request.delivery);
        self.reseal("the dead letter", &context, &mut request.sealed, line)
    }

    fn reseal(
        &self,
        what: &'static str,
        context: &[&str],
        sealed: &mut Vec<u8>,
        line: u64,
    ) -> Result<(), TransferError> {
        // Opened in any case: what was changed or put elsewhere is found out here.
        let plain = self
            .ring
            .open(context, sealed)
            .map_err(|error| TransferError::Sealed {
                what,
                line,
                cause: self.explain(&error),
            })?;
        if self.ring.is_outdated(sealed) {
            *sealed = self.ring.seal(context, &plain);
        }
        Ok(())
    }

    fn explain(&self, error: &SealError) -> String {
        match error {
            SealError::UnknownKey { id } => format!(
                "it is sealed with the key {id}, which is neither this host's key {} nor among those given as the source's; name a copy of the source's key with --source-sealing-key-file, and run the same command again",
                self.ring.id()
            ),
            SealError::Tampered => {
                "it was changed after it was sealed, or belongs in another place; take an unchanged export, or end its connection at the source and export again".to_owned()
            }
            _ => {
                "it is not a sealed value this version knows; import with the version that wrote the export".to_owned()
            }
        }
    }
}
