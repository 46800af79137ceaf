//! Replay: handling failed deliveries again, when a person asks or by itself.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::background::jittered;
use super::deliveries::{DeliveryRun, Failed, Processed};
use super::{Host, HostError, Inner, dead_letter};
use integration_host_contract::backoff::Backoff;
use integration_host_contract::clock::{is_ahead, since_boot};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_contract::supervision;
use integration_host_contract::{DeliveryOutcome, ErrorCode, WebhookRequest};
use integration_host_ledger::{Connection, Delivery, DeliveryRecord, DeliveryStatus, MAX_PAGE};

/// How long one request to replay goes on.
const REPLAY_TIME: Duration = Duration::from_secs(10);

/// The longest delay between two attempts, on average.
const MAX_DELAY: Duration = Duration::from_secs(600);

/// How often to look whether something in the log is too old.
const PRUNE_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// What became of failed deliveries that were handled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Not failed any more.
    pub handled: u64,
    /// Failed again.
    pub failed: u64,
    /// Not handled since `before`.
    pub remaining: u64,
    /// Those last handled before this time were meant.
    pub before: Timestamp,
}

/// The handle to the work that replays by itself.
pub(super) struct Replays {
    failed: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Two that replay at a time would do everything twice.
    guard: tokio::sync::Mutex<()>,
}

impl Default for Replays {
    fn default() -> Self {
        Self {
            failed: Arc::default(),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
            guard: tokio::sync::Mutex::default(),
        }
    }
}

impl Replays {
    /// Tells that a failed delivery was kept.
    pub(super) fn wake(&self) {
        self.failed.notify_one();
    }

    /// Lets a replay that runs finish and starts no more.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            warn!(%error, "replaying by itself ended early");
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Starts replaying by itself. It holds no handle to the service while it waits.
pub(super) fn start(service: &Host) {
    let replays = &service.inner.replays;
    let inner = Arc::downgrade(&service.inner);
    let first_delay = service.inner.parts.integration.limits().replay_delay;
    let (failed, stop) = (Arc::clone(&replays.failed), replays.stop.subscribe());
    let task = tokio::spawn(supervision::task("replay", move || {
        run(
            inner.clone(),
            first_delay,
            Arc::clone(&failed),
            stop.clone(),
        )
    }));
    *replays.task.lock() = Some(task);
}

async fn run(
    inner: Weak<Inner>,
    first_delay: Duration,
    failed: Arc<Notify>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures = HashMap::new();
    let mut prune_at = Instant::now() + jittered(first_delay);
    let mut looked_at = since_boot();
    // Some may be left from before.
    let mut replay_at = Some(prune_at);
    loop {
        let next = replay_at.map_or(prune_at, |at| at.min(prune_at));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            // While something is planned, further failures wait for it: there may be thousands a second.
            () = failed.notified(), if replay_at.is_none() => {
                replay_at = Some(Instant::now() + jittered(first_delay));
                continue;
            }
            () = sleep_until(next) => {}
        }
        let Some(service) = inner.upgrade().map(Host::of) else {
            return;
        };
        if prune_at <= Instant::now() {
            let ran = since_boot().saturating_sub(looked_at);
            looked_at += ran;
            service.prune_log(ran).await;
            prune_at = Instant::now() + jittered(PRUNE_INTERVAL);
        }
        if replay_at.is_some_and(|at| at <= Instant::now()) {
            let again = service.replay_due(&mut failures).await;
            replay_at = again.map(|delay| Instant::now() + jittered(delay.max(first_delay)));
        }
    }
}

/// Why a replay did not succeed.
enum ReplayError {
    /// The delivery failed again, which is recorded.
    Failed(HostError),
    /// The delivery found no turn, because too much else happens on its connection.
    NoTurn(HostError),
    /// The delivery could not be tried, or what became of it could not be recorded.
    Impossible(HostError),
}

impl Host {
    /// Handles a failed delivery again.
    pub async fn replay(&self, id: &DeliveryId) -> Result<Delivery, HostError> {
        match self.replay_one(id).await {
            Ok(delivery) if delivery.record.status == DeliveryStatus::Refused => {
                Err(HostError::new(ErrorCode::Forbidden, delivery.record.detail))
            }
            Ok(delivery) => Ok(delivery),
            Err(
                ReplayError::Failed(error)
                | ReplayError::NoTurn(error)
                | ReplayError::Impossible(error),
            ) => Err(error),
        }
    }

    /// Handles at most `limit` failed deliveries again, of those that were last handled before a time, which is
    /// now unless given. It ends after some seconds, or when the ledger does not answer.
    pub async fn replay_failed(
        &self,
        connection: Option<&ConnectionId>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Replayed, HostError> {
        if let Some(connection) = connection {
            self.connection(connection).await?;
        }
        let parts = &self.inner.parts;
        let before = before.unwrap_or_else(|| parts.clock.now());
        let _turn = self.inner.replays.guard.lock().await;
        let Some(_among_hosts) = self.inner.leases.try_take("replay").await? else {
            return Err(HostError::new(
                ErrorCode::Conflict,
                "another host is replaying deliveries; try again in a moment",
            ));
        };
        let ends_at = Instant::now() + REPLAY_TIME;
        let (deliveries, count) = self
            .ledger
            .failed_deliveries(connection, before, limit)
            .await?;
        let (mut handled, mut failed) = (0, 0);
        for delivery in deliveries {
            if self.inner.replays.is_stopping() || Instant::now() >= ends_at {
                break;
            }
            match self.replay_one(&delivery.record.id).await {
                Ok(_) => handled += 1,
                Err(ReplayError::Failed(_)) => failed += 1,
                // It remains.
                Err(ReplayError::NoTurn(error)) if handled + failed == 0 => return Err(error),
                Err(ReplayError::NoTurn(_)) => break,
                Err(ReplayError::Impossible(error)) => return Err(error),
            }
        }
        Ok(Replayed {
            handled,
            failed,
            remaining: count.saturating_sub(handled + failed),
            before,
        })
    }

    /// Handles the failed deliveries that are due, and says in how long to look again. Of a connection
    /// it stops at the first that fails: the cause is likely there still. That one comes last next time, so
    /// one that always fails does not keep others waiting.
    async fn replay_due(&self, failures: &mut HashMap<ConnectionId, u32>) -> Option<Duration> {
        let limits = self.inner.parts.integration.limits();
        let (first_delay, max_attempts) = (limits.replay_delay, limits.replay_attempts);
        let delays = Backoff::new(first_delay, MAX_DELAY);
        let _turn = self.inner.replays.guard.lock().await;
        let _among_hosts = match self.inner.leases.try_take("replay").await {
            Ok(Some(guard)) => guard,
            // Another host is at it.
            Ok(None) => return Some(first_delay),
            Err(error) => {
                warn!(%error, "failed deliveries cannot be replayed");
                return Some(first_delay);
            }
        };
        let ledger = &self.ledger;
        let deliveries = match ledger
            .failed_deliveries(None, Timestamp::MAX, MAX_PAGE)
            .await
        {
            Ok((deliveries, _)) => deliveries,
            Err(error) => {
                warn!(%error, "failed deliveries cannot be listed");
                return Some(first_delay);
            }
        };
        let mut again = self.tell_of_kept(&deliveries).await;
        let mut look_again = |delay: Duration| {
            again = Some(again.map_or(delay, |again| again.min(delay)));
        };
        let mut held: HashMap<ConnectionId, Duration> = HashMap::new();
        let mut handled = 0;
        for delivery in deliveries
            .iter()
            .filter(|delivery| delivery.attempts < max_attempts)
        {
            if self.inner.replays.is_stopping() {
                return None;
            }
            let connection = &delivery.connection_id;
            if let Some(delay) = held.get(connection) {
                look_again(*delay);
                continue;
            }
            let delay = delays.delay(delivery.attempts);
            let (now, tried_at) = (self.now(), delivery.record.handled_at);
            // Never negative, whatever was done to the clock.
            let waited = Duration::try_from(now.duration_since(tried_at)).unwrap_or_default();
            if waited < delay && !is_ahead(tried_at, now) {
                look_again(delay - waited);
                continue;
            }
            match self.replay_one(&delivery.record.id).await {
                Ok(_) => {
                    handled += 1;
                    failures.remove(connection);
                }
                Err(ReplayError::Failed(error)) => {
                    debug!(%connection, delivery = %delivery.record.id, %error, "a replay failed");
                    let count = failures.entry(connection.clone()).or_default();
                    *count = count.saturating_add(1);
                    held.insert(connection.clone(), delays.delay(*count));
                    look_again(delays.delay(delivery.attempts.saturating_add(1)));
                }
                Err(ReplayError::NoTurn(error) | ReplayError::Impossible(error)) => {
                    debug!(%connection, delivery = %delivery.record.id, %error, "a replay was not possible");
                    look_again(first_delay);
                    held.insert(connection.clone(), first_delay);
                }
            }
        }
        failures.retain(|connection, _| held.contains_key(connection));
        if handled > 0 {
            info!(
                deliveries = handled,
                "failed deliveries were handled by now"
            );
        }
        again
    }

    async fn replay_one(&self, id: &DeliveryId) -> Result<Delivery, ReplayError> {
        let ledger = &self.ledger;
        let found = self.take_kept(id).await;
        let (delivery, connection, request) = found.map_err(ReplayError::Impossible)?;
        let attempt = DeliveryRun::new(
            id.clone(),
            delivery.record.received_at,
            self.inner.parts.clock.now(),
            &request,
        );
        let record = match self.process(&connection, &attempt, request).await {
            Ok(Processed { result, .. }) if result.outcome == DeliveryOutcome::Refused => Some((
                attempt.record(DeliveryStatus::Refused, &result.detail),
                None,
            )),
            Ok(Processed { result, .. }) if result.outcome == DeliveryOutcome::Unreadable => {
                self.call_for_attention(&connection).await;
                let error = HostError::new(ErrorCode::Internal, result.detail);
                Some((
                    attempt.record(DeliveryStatus::Failed, &error.message),
                    Some(error),
                ))
            }
            Ok(_) => None,
            // It was not looked at, so that this was no attempt.
            Err(Failed { error, .. }) if error.found_no_turn => {
                return Err(ReplayError::NoTurn(error));
            }
            // Its request is kept already.
            Err(Failed { error, fails_again }) => {
                if fails_again {
                    self.call_for_attention(&connection).await;
                }
                Some((
                    attempt.record(DeliveryStatus::Failed, &error.message),
                    Some(error),
                ))
            }
        };
        if let Some((record, error)) = record {
            self.record_replay(&connection.id, record)
                .await
                .map_err(ReplayError::Impossible)?;
            if let Some(error) = error {
                return Err(ReplayError::Failed(error));
            }
        }
        match ledger.delivery(id).await {
            Ok(Some(delivery)) => Ok(delivery),
            Ok(None) => Err(ReplayError::Impossible(no_delivery(id))),
            Err(error) => Err(ReplayError::Impossible(error.into())),
        }
    }

    async fn record_replay(
        &self,
        connection: &ConnectionId,
        record: DeliveryRecord,
    ) -> Result<(), HostError> {
        self.apply(connection, &Default::default(), Some(record))
            .await
            .map(drop)
    }

    /// A failed delivery, its connection and its request.
    async fn take_kept(
        &self,
        id: &DeliveryId,
    ) -> Result<(Delivery, Connection, WebhookRequest), HostError> {
        let parts = &self.inner.parts;
        let delivery = self.ledger.delivery(id).await?;
        let delivery = delivery.ok_or_else(|| no_delivery(id))?;
        let Some(sealed) = &delivery.record.sealed_request else {
            let why = match delivery.record.status {
                DeliveryStatus::Failed => {
                    "this delivery is no longer kept, because many failed after it or too long ago; reconciling its connection brings what it was about"
                }
                _ => "this delivery was handled; only failed ones are kept for replay",
            };
            return Err(HostError::new(ErrorCode::Conflict, why));
        };
        let connection = self.connection(&delivery.connection_id).await?;
        let callback_url = self.callback_url(&connection.hook);
        let request =
            dead_letter::open(&parts.keys.hold(), &connection.id, id, sealed, callback_url)?;
        Ok((delivery, connection, request))
    }

    /// Removes what is too old from the log, a little at a time: deliveries come between. `ran` is for how long this
    /// host has run since it looked last.
    async fn prune_log(&self, ran: Duration) {
        let as_of = match self.ledger.look_at_age(self.now(), ran).await {
            Ok(Some(as_of)) => as_of,
            Ok(None) => return,
            Err(error) => {
                warn!(%error, "nobody knows what is too old in the log");
                return;
            }
        };
        loop {
            match self.ledger.prune_deliveries(as_of).await {
                Ok(true) if !self.inner.replays.is_stopping() => {}
                Ok(_) => return,
                Err(error) => {
                    warn!(%error, "old deliveries could not be removed");
                    return;
                }
            }
        }
    }
}

fn no_delivery(id: &DeliveryId) -> HostError {
    HostError::not_found(format!("there is no delivery {id}"))
}
