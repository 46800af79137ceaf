//! Acting under a lease.
//!
//! A host that stood still may have lost a lease without noticing. What it goes on to do must not meet what the
//! host does that has taken over: the ledger refuses its changes, and it sends and erases nothing.

use std::sync::Arc;

use super::lease::LeaseGuard;
use super::{Host, HostError, Inner};
use integration_host_contract::ErrorCode;
use integration_host_http::LeaseDeadline;

impl Host {
    /// A handle that needs no lease: for what people ask for, for deliveries, and for taking leases.
    pub(super) fn of(inner: Arc<Inner>) -> Self {
        Self {
            ledger: Arc::clone(&inner.parts.ledger),
            lease_deadlines: Vec::new(),
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

    /// A handle that acts only while this lease is held, and those that this handle needs already.
    pub(super) fn fenced_by(&self, guard: &LeaseGuard) -> Self {
        let mut service = self.clone();
        if let Some(fenced) = self.ledger.fenced(&guard.leases()) {
            service.ledger = fenced;
        }
        service.lease_deadlines.extend(guard.lease_deadlines());
        service
    }

    /// Asked before storage is changed without regard to what it holds, because storage knows nothing of leases.
    ///
    /// # Errors
    /// Another host may have taken over.
    pub(super) fn ensure_in_charge(&self) -> Result<(), HostError> {
        if self.lease_deadlines.iter().any(LeaseDeadline::has_ended) {
            return Err(HostError::new(
                ErrorCode::Unavailable,
                "this host was away for so long that another one may have taken over",
            ));
        }
        Ok(())
    }
}
