//! Leases: rights that one host at a time has, among all that share a ledger.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auto_impl::auto_impl;

use super::{Ledger, LedgerError};

/// A right that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to do.
    pub name: String,
    /// Greater than that of every lease of this name before. What a holder does that has lost its lease is told
    /// by it.
    pub fence: u64,
}

/// The answer to whoever asks for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It was granted.
    Granted(Lease),
    /// Somebody else has it, or it rests.
    Refused {
        /// After this time it may be granted.
        wait: Duration,
    },
}

/// The part of a [ledger](super::Ledger) that keeps hosts from doing the same thing at the same time.
///
/// Time is told by the ledger's own clock, so that the clocks of hosts do not matter. What is here already goes
/// for a ledger that no other host shares: everything is granted, since a host does not get in its own way. One that
/// tells of what other hosts do ([`Feed::watch_changes`](super::Feed::watch_changes)) promises more:
///
/// - A lease that was granted and has not run out is refused to everybody, with how long it still lasts; one that has
///   run out or was given back is granted to whoever asks first.
/// - A lease that was given back to rest is refused for so long, a day at most, with how much of that is left, unless it
///   is urgent.
/// - A lease has a greater fence than every one of its name before.
/// - A lease that is renewed lasts for so much longer from then on, also if it had run out, unless somebody else was
///   granted it.
/// - Whoever gives back or renews a lease that somebody else was granted since changes nothing by it.
/// - Leases of different names have nothing to do with each other.
/// - A handle that is fenced changes nothing once one of its leases was granted to somebody else, and says so with
///   [`LedgerError::LeaseLost`]; as long as they have merely run out it goes on.
/// - Whoever is granted a lease finds everything that was changed by the right of the one before, and nothing of that
///   comes later.
#[async_trait]
#[auto_impl(Arc)]
pub trait LeaseStore: Send + Sync + 'static {
    /// Takes a lease for some time. It is refused while somebody else's has not run out; and, unless it is urgent,
    /// for as long as whoever had it last said that it should rest.
    async fn take_lease(
        &self,
        name: &str,
        time: Duration,
        is_urgent: bool,
    ) -> Result<LeaseAnswer, LedgerError> {
        let _ = (time, is_urgent);
        let name = name.to_owned();
        Ok(LeaseAnswer::Granted(Lease { name, fence: 0 }))
    }

    /// Keeps a lease for so much longer from now on. False: it has run out and somebody else was granted it.
    async fn renew_lease(&self, lease: &Lease, time: Duration) -> Result<bool, LedgerError> {
        let _ = (lease, time);
        Ok(true)
    }

    /// Gives a lease back, which then rests for some time. If somebody else has it, nothing happens.
    async fn end_lease(&self, lease: &Lease, rest: Duration) -> Result<(), LedgerError> {
        let _ = (lease, rest);
        Ok(())
    }

    /// A handle to the same ledger whose changes are made by the right of these leases, and of those of the handle
    /// it is made from. `None`: no other host shares the ledger.
    ///
    /// This goes for the changes of connections, teams and mappings, for coverage and for the log of connections.
    /// It does not go for what may come late without harm: activities, subjects and deliveries that are applied, which
    /// converge; the heartbeat, of which the latest counts; pruning, and exchanging a dead letter that is still what
    /// it was.
    fn fenced(&self, leases: &[Lease]) -> Option<Arc<dyn Ledger>> {
        let _ = leases;
        None
    }
}
