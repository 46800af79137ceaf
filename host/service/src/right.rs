//! Doing things by right of a lease.
//!
//! A host that stood still may have lost a lease without noticing. What it goes on to do must not meet what the
//! host does that has taken over: the ledger refuses its changes, and it sends and erases nothing.

use std::sync::Arc;

use super::lease::Turn;
use super::{Host, HostError, Inner};
use integration_host_contract::ErrorCode;
use integration_host_http::Right;

impl Host {
    /// A handle that does things by nobody's leave: what people ask for, deliveries, and the taking of leases.
    pub(super) fn of(inner: Arc<Inner>) -> Self {
        Self {
            ledger: Arc::clone(&inner.parts.ledger),
            rights: Vec::new(),
            asked_by_person: false,
            inner,
        }
    }

    /// A handle that does what a person asks for. It tries what background work leaves alone because the remote service
    /// refused or failed.
    pub(super) fn for_person(&self) -> Self {
        Self {
            asked_by_person: true,
            ..self.clone()
        }
    }

    /// A handle that does things only while this host has a lease, beside those that this handle needs already.
    pub(super) fn by_right_of(&self, turn: &Turn) -> Self {
        let mut service = self.clone();
        if let Some(fenced) = self.ledger.fenced(&turn.leases()) {
            service.ledger = fenced;
        }
        service.rights.extend(turn.rights());
        service
    }

    /// Asked before storage is changed without regard to what it holds, because storage knows nothing of leases.
    ///
    /// # Errors
    /// Another host may have taken over.
    pub(super) fn ensure_in_charge(&self) -> Result<(), HostError> {
        if self.rights.iter().any(Right::has_ended) {
            return Err(HostError::new(
                ErrorCode::Unavailable,
                "this host was away for so long that another one may have taken over",
            ));
        }
        Ok(())
    }
}
