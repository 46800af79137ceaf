//! Leases: connect, subscribe and disconnect have effects at the remote service that cannot be run
//! again, so only one of them runs for a connection at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::id::ConnectionId;

/// The leases of this host.
#[derive(Default)]
pub(super) struct Leases {
    /// Held while an attempt to connect gets its lease, so that no other takes it for a leftover.
    pub(super) beginning: tokio::sync::Mutex<()>,
    held: Mutex<HashMap<ConnectionId, Weak<tokio::sync::Mutex<()>>>>,
}

/// A lease on one connection; dropping it gives it back.
pub(super) type Lease = OwnedMutexGuard<()>;

impl Leases {
    /// Waits until nobody else holds the connection's lease.
    pub(super) async fn hold(&self, connection: &ConnectionId) -> Lease {
        self.mutex(connection).lock_owned().await
    }

    /// The connection's lease, unless somebody holds it.
    pub(super) fn try_hold(&self, connection: &ConnectionId) -> Option<Lease> {
        self.mutex(connection).try_lock_owned().ok()
    }

    fn mutex(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, mutex| mutex.strong_count() > 0);
        match held.get(connection).and_then(Weak::upgrade) {
            Some(mutex) => mutex,
            None => {
                let mutex = Arc::default();
                held.insert(connection.clone(), Arc::downgrade(&mutex));
                mutex
            }
        }
    }
}
