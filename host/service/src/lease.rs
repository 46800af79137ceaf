//! Leases: who is at work on a connection, among the tasks of this host and among all hosts.
//!
//! Connecting, subscribing and disconnecting have effects at the remote service that cannot be run again,
//! so only one of them runs for a connection at a time. The same goes for background work.
//!
//! A host that stood still may have lost a lease without noticing. What it goes on to do must not meet what the
//! host does that has taken over: the ledger refuses its changes, and it sends and erases nothing.

use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::select_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::background::JobQueue;
use super::{Host, HostError, Inner};
use integration_host_contract::ErrorCode;
use integration_host_contract::clock::since_boot;
use integration_host_contract::id::ConnectionId;
use integration_host_http::{LeaseCheck, LeaseDeadline};
use integration_host_ledger::{Lease, LeaseAnswer, Ledger};

/// How often to ask again for a lease that another host has.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Which part of a lease's time is left when a host stops acting by it: what is on its way needs a moment to end.
const LEFT: u32 = 10;

/// The leases of this host.
pub(super) struct LeaseManager {
    /// Held while an attempt to connect gets its lease, so that no other takes it for a leftover.
    pub(super) beginning: tokio::sync::Mutex<()>,
    held: Mutex<HashMap<ConnectionId, Weak<tokio::sync::Mutex<()>>>>,
    ledger: Arc<dyn Ledger>,
    /// Whether other hosts share the ledger.
    is_shared: bool,
    time: Duration,
    /// Where a check is planned of a connection that somebody else may have been disturbed at.
    queue: Arc<JobQueue>,
}

/// A lease on one connection; dropping it gives it back. What it is for is done with a handle of its own, [`Fenced`].
pub(super) struct LeaseGuard {
    shared: Vec<SharedLease>,
    _local: Option<OwnedMutexGuard<()>>,
}

impl LeaseGuard {
    /// What was granted among hosts; nothing where a host is alone.
    pub(super) fn leases(&self) -> Vec<Lease> {
        let leases = self.shared.iter().filter_map(|lease| lease.lease.clone());
        leases.collect()
    }

    /// Until when, as far as this host knows.
    pub(super) fn lease_deadlines(&self) -> impl Iterator<Item = LeaseDeadline> {
        self.shared.iter().map(|lease| lease.deadline.clone())
    }

    /// Does something, and gives it up as soon as another host may take over; then there is no outcome. What is
    /// done must bear that as it bears the end of the host.
    pub(super) async fn while_held<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let ends = self
            .shared
            .iter()
            .map(|lease| Box::pin(lease.deadline.ended()));
        let ends: Vec<_> = ends.collect();
        if ends.is_empty() {
            return Some(work.await);
        }
        tokio::select! {
            biased;
            _ = select_all(ends) => None,
            outcome = work => Some(outcome),
        }
    }

    /// Gives it back; what it was taken for rests for some time.
    pub(super) async fn end(mut self, rest: Duration) {
        for lease in self.shared.drain(..) {
            lease.end(rest).await;
        }
    }
}

impl LeaseManager {
    /// Leases that last for `time` when this host does not live to give them back.
    pub(super) fn new(ledger: Arc<dyn Ledger>, time: Duration, queue: Arc<JobQueue>) -> Self {
        Self {
            beginning: tokio::sync::Mutex::default(),
            held: Mutex::default(),
            is_shared: ledger.watch_changes().is_some(),
            ledger,
            time,
            queue,
        }
    }

    /// Waits until nobody else holds the connection's lease.
    pub(super) async fn hold(&self, connection: &ConnectionId) -> Result<LeaseGuard, HostError> {
        let local = self.mutex(connection).lock_owned().await;
        loop {
            match self
                .take(&effects(connection), Some(connection), true)
                .await?
            {
                Ok(shared) => return Ok(guard(local, shared)),
                Err(wait) => sleep(wait.min(ASK_AGAIN)).await,
            }
        }
    }

    /// The connection's lease, unless somebody holds it.
    pub(super) async fn try_hold(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<LeaseGuard>, HostError> {
        let Ok(local) = self.mutex(connection).try_lock_owned() else {
            return Ok(None);
        };
        let shared = self
            .take(&effects(connection), Some(connection), true)
            .await?;
        Ok(shared.ok().map(|shared| guard(local, shared)))
    }

    /// The right to do background work of a kind for a connection, or after which time to ask again.
    /// Within this host only one task asks at a time.
    pub(super) async fn try_work(
        &self,
        connection: &ConnectionId,
        kind: &str,
        is_urgent: bool,
    ) -> Result<Result<LeaseGuard, Duration>, HostError> {
        let work = format!("work/{connection}");
        let first = match self.take(&work, Some(connection), true).await? {
            Ok(shared) => shared,
            Err(wait) => return Ok(Err(wait)),
        };
        let kind = format!("{kind}/{connection}");
        let second = match self.take(&kind, Some(connection), is_urgent).await? {
            Ok(shared) => shared,
            Err(wait) => return Ok(Err(wait)),
        };
        Ok(Ok(LeaseGuard {
            // What rests is the kind; the connection itself is free for other work.
            shared: second.into_iter().chain(first).collect(),
            _local: None,
        }))
    }

    /// The right to do something that is no connection's.
    pub(super) async fn try_take(&self, name: &str) -> Result<Option<LeaseGuard>, HostError> {
        let shared = self.take(name, None, true).await?;
        Ok(shared.ok().map(|shared| LeaseGuard {
            shared: shared.into_iter().collect(),
            _local: None,
        }))
    }

    /// How long a lease lasts that nobody renews; `None`: no other host shares the ledger.
    pub(super) fn time_if_shared(&self) -> Option<Duration> {
        self.is_shared.then_some(self.time)
    }

    /// `None`: nobody else shares the ledger.
    async fn take(
        &self,
        name: &str,
        connection: Option<&ConnectionId>,
        is_urgent: bool,
    ) -> Result<Result<Option<SharedLease>, Duration>, HostError> {
        if !self.is_shared {
            return Ok(Ok(None));
        }
        // Counted from before it was asked for: here it must not last longer than there.
        let asked = since_boot();
        let answer = self.ledger.take_lease(name, self.time, is_urgent).await?;
        Ok(match answer {
            LeaseAnswer::Refused { wait } => Err(wait),
            LeaseAnswer::Granted(lease) => {
                let held = HeldLease {
                    ledger: Arc::clone(&self.ledger),
                    lease: lease.clone(),
                    time: self.time,
                };
                let deadline = LeaseDeadline::new(asked, usable(self.time), Arc::new(held.clone()));
                Ok(Some(SharedLease {
                    renewing: tokio::spawn(renew(held, deadline.clone())),
                    ledger: Arc::clone(&self.ledger),
                    deadline,
                    lease: Some(lease),
                    connection: connection.cloned(),
                    queue: Arc::clone(&self.queue),
                }))
            }
        })
    }

    fn mutex(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<()>> {
        let mut held = self.held.lock();
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

/// For how long to act by a lease that lasts for some time.
fn usable(time: Duration) -> Duration {
    time - time / LEFT
}

fn effects(connection: &ConnectionId) -> String {
    format!("effects/{connection}")
}

fn guard(local: OwnedMutexGuard<()>, shared: Option<SharedLease>) -> LeaseGuard {
    LeaseGuard {
        shared: shared.into_iter().collect(),
        _local: Some(local),
    }
}

/// A lease among hosts, which is renewed for as long as this lives.
struct SharedLease {
    ledger: Arc<dyn Ledger>,
    /// `None`: given back.
    lease: Option<Lease>,
    deadline: LeaseDeadline,
    renewing: JoinHandle<()>,
    /// Whose lease it is, if any connection's.
    connection: Option<ConnectionId>,
    queue: Arc<JobQueue>,
}

impl SharedLease {
    async fn end(mut self, rest: Duration) {
        if let Some(lease) = self.lease.take() {
            give_back(&*self.ledger, &lease, rest).await;
        }
    }
}

impl Drop for SharedLease {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.deadline.is_overtaken()
            && let Some(connection) = &self.connection
        {
            warn!(%connection, "another host took over while this one changed something at the remote service; the connection is checked");
            self.queue.maintain_now(connection);
        }
        if let Some(lease) = self.lease.take() {
            let ledger = Arc::clone(&self.ledger);
            // When everything ends there is nobody to give it back; then it runs out by itself.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move { give_back(&*ledger, &lease, Duration::ZERO).await });
            }
        }
    }
}

/// If this fails, the lease runs out by itself.
async fn give_back(ledger: &dyn Ledger, lease: &Lease, rest: Duration) {
    if let Err(error) = ledger.end_lease(lease, rest).await {
        debug!(lease = lease.name, %error, "a lease was not given back");
    }
}

/// A lease as the ledger knows it.
#[derive(Clone)]
struct HeldLease {
    ledger: Arc<dyn Ledger>,
    lease: Lease,
    time: Duration,
}

#[async_trait]
impl LeaseCheck for HeldLease {
    async fn confirm(&self) -> Option<Duration> {
        let renewed = self.ledger.renew_lease(&self.lease, self.time).await;
        matches!(renewed, Ok(true)).then(|| usable(self.time))
    }
}

async fn renew(held: HeldLease, deadline: LeaseDeadline) {
    let HeldLease {
        ledger,
        lease,
        time,
    } = held;
    loop {
        sleep(time / 3).await;
        let asked = since_boot();
        match ledger.renew_lease(&lease, time).await {
            Ok(true) => deadline.last(asked, usable(time)),
            Ok(false) => {
                deadline.last(asked, Duration::ZERO);
                warn!(lease = lease.name, "another host has taken over");
                return;
            }
            Err(error) => debug!(lease = lease.name, %error, "a lease was not renewed"),
        }
    }
}

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
    pub(super) fn fenced_by(&self, guard: &LeaseGuard) -> Fenced {
        let mut host = self.clone();
        if let Some(fenced) = self.ledger.fenced(&guard.leases()) {
            host.ledger = fenced;
        }
        host.lease_deadlines.extend(guard.lease_deadlines());
        Fenced(host)
    }
}

/// A handle that acts only while leases are held. It has what must not be done without one: what changes something at the
/// remote service, or changes secrets as a whole, and background work.
pub(super) struct Fenced(Host);

impl Deref for Fenced {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

impl Fenced {
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
