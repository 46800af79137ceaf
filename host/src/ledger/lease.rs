//! Leases: rights that one host at a time has, among all that share a ledger.

use std::time::Duration;

use async_trait::async_trait;

use super::LedgerError;

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
/// for a ledger that no other host shares: everything is granted, since a host does not get in its own way.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
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
}
