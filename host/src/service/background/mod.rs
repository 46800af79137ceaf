//! Background work: completing names soon after a delivery missed one, looking after every
//! connection about once an hour, noticing when deliveries have stopped, closing gaps, and undoing what
//! was interrupted.

pub(super) mod decide;
mod due;
mod heartbeat;
mod taking_up;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::decide::wait_after;
use self::due::{Due, Work};
use super::{Inner, Service, ServiceError};
use crate::id::{ConnectionId, random_bytes};
use crate::ledger::{Connection, ConnectionState};

/// How long to wait for further missing names, so that a burst of deliveries leads to one refresh.
const NAMES_DELAY: Duration = Duration::from_millis(500);

/// How long after the start to look at the first connection.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// How long to wait at least for another host that is at work on a connection.
const WAIT_FOR_OTHERS: Duration = Duration::from_millis(500);

/// How long to wait after a refresh failed.
const NAMES_RETRY: Duration = Duration::from_secs(60);

/// The handle to background work.
pub(super) struct Background {
    due: Arc<Due>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Background {
    pub(super) fn new() -> (Self, Arc<Due>) {
        let due = Arc::<Due>::default();
        let background = Self {
            due: Arc::clone(&due),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        };
        (background, due)
    }

    /// Fetches missing names of a connection soon.
    pub(super) fn refresh_names_now(&self, connection: &ConnectionId) {
        self.due
            .plan(connection, Work::Names, Instant::now() + NAMES_DELAY);
    }

    /// Whether names of a connection are being fetched or will be.
    pub(super) fn names_are_due(&self, connection: &ConnectionId) -> bool {
        self.due.is_due(connection, Work::Names)
    }

    /// Begins to look after a connection that was just made.
    pub(super) fn begin(&self, connection: &ConnectionId, upkeep: Duration, watch: Duration) {
        let now = Instant::now();
        self.refresh_names_now(connection);
        self.due
            .plan(connection, Work::Upkeep, now + jittered(upkeep));
        self.due.plan(connection, Work::Watch, now + watch);
    }

    /// Looks after a connection at once.
    pub(super) fn look_after_now(&self, connection: &ConnectionId) {
        self.due
            .plan_urgent(connection, Work::Upkeep, Instant::now());
    }

    /// For how long the work waits that has been due the longest and could be done.
    pub(super) fn late(&self) -> Duration {
        self.due.late(Instant::now())
    }

    /// Closes the gap of a connection at once.
    pub(super) fn close_gap_now(&self, connection: &ConnectionId) {
        self.due.plan(connection, Work::Gap, Instant::now());
    }

    /// Undoes an unfinished connection, not at once.
    pub(super) fn undo_later(&self, connection: &ConnectionId, wait: Duration) {
        self.due
            .plan(connection, Work::Undo, Instant::now() + not_before(wait));
    }

    /// Lets running work finish and starts no more.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks {
            if let Err(error) = task.await {
                warn!(%error, "background work ended early");
            }
        }
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts background work. It holds no handle to the service while it waits, so it does not keep it alive.
pub(super) fn start(service: &Service, due: Arc<Due>) {
    let inner = Arc::downgrade(&service.inner);
    let background = &service.inner.background;
    let work = tokio::spawn(run(
        inner.clone(),
        Arc::clone(&due),
        background.stop.subscribe(),
    ));
    let heartbeat = tokio::spawn(heartbeat::run(inner, due, background.stop.subscribe()));
    background.tasks().extend([work, heartbeat]);
}

async fn run(inner: Weak<Inner>, due: Arc<Due>, mut stop: watch::Receiver<bool>) {
    let mut running = Running::default();
    loop {
        let next = match service(&inner) {
            Some(service) => running.next(&due, service.schedule().connections_at_once),
            None => return,
        };
        let wait = async {
            match &next {
                Some((at, ..)) => sleep_until(*at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = running.tasks.join_next_with_id(), if !running.tasks.is_empty() => {
                running.release(ended);
            }
            () = due.changed.notified() => {}
            () = wait => {
                if let (Some((_, connection, work)), Some(service)) = (next, service(&inner)) {
                    let is_urgent = due.take(&connection, work);
                    running.start(service, Arc::clone(&due), connection, work, is_urgent);
                }
            }
        }
    }
    while running.tasks.join_next().await.is_some() {}
}

/// The work that is being done, at most one for a connection.
#[derive(Default)]
struct Running {
    tasks: JoinSet<()>,
    connections: HashMap<Id, ConnectionId>,
}

impl Running {
    fn next(&self, due: &Due, at_once: usize) -> Option<(Instant, ConnectionId, Work)> {
        if self.tasks.len() >= at_once {
            return None;
        }
        let busy: BTreeSet<_> = self.connections.values().cloned().collect();
        due.next(&busy)
    }

    fn start(
        &mut self,
        service: Service,
        due: Arc<Due>,
        connection: ConnectionId,
        work: Work,
        is_urgent: bool,
    ) {
        let of = connection.clone();
        let task = self
            .tasks
            .spawn(async move { service.work(&due, &connection, work, is_urgent).await });
        self.connections.insert(task.id(), of);
    }

    fn release(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                warn!(%error, "background work ended early");
                error.id()
            }
        };
        self.connections.remove(&id);
    }
}

fn service(inner: &Weak<Inner>) -> Option<Service> {
    inner.upgrade().map(Service::of)
}

impl Service {
    /// Does work, unless another host does, and plans when to do it again.
    async fn work(&self, due: &Due, id: &ConnectionId, work: Work, is_urgent: bool) {
        let turn = self.inner.leases.try_work(id, work.name(), is_urgent).await;
        match turn {
            Ok(Ok(turn)) => {
                debug!(connection = %id, ?work, "background work begins");
                let service = self.by_right_of(&turn);
                let outcome = turn.while_held(service.work_in_turn(due, id, work)).await;
                debug!(connection = %id, ?work, "background work ends");
                if outcome.is_none() {
                    warn!(connection = %id, ?work, "background work was given up, because its lease could not be renewed in time");
                    let at = Instant::now() + not_before(self.schedule().retry());
                    due.plan_with(id, work, at, is_urgent);
                }
                // Others that planned the same need not do it before then.
                let rest = outcome.flatten().filter(|_| work.is_routine());
                turn.end(rest.unwrap_or_default()).await;
            }
            Ok(Err(wait)) => {
                let at = Instant::now() + wait.max(WAIT_FOR_OTHERS);
                due.plan_with(id, work, at, is_urgent);
            }
            Err(error) => {
                debug!(connection = %id, ?work, %error, "background work has to wait");
                let at = Instant::now() + not_before(self.schedule().retry());
                due.plan_with(id, work, at, is_urgent);
            }
        }
        due.end(id, work);
    }

    /// Does work, plans when to do it again, and returns in how long that is.
    async fn work_in_turn(&self, due: &Due, id: &ConnectionId, work: Work) -> Option<Duration> {
        let done = match self.ledger.connection(id).await {
            Ok(Some(connection)) => match (connection.state, work) {
                (ConnectionState::Active, _) => self.do_work(connection, work).await,
                (ConnectionState::Connecting, Work::Undo) => self.undo(due, id).await,
                // Whatever it becomes, its work is planned then.
                (ConnectionState::Connecting, _) => return None,
                (ConnectionState::Disconnected, _) => {
                    due.forget(id);
                    return None;
                }
            },
            Ok(None) => {
                due.forget(id);
                return None;
            }
            Err(error) => Err(error.into()),
        };
        let failures = due.note(id, work, done.is_err());
        let delay = match done {
            Ok(delay) => delay,
            Err(error) => {
                debug!(connection = %id, ?work, %error, failures, "background work failed");
                let wait = wait_after(failures, error.retry_after_seconds, self.schedule());
                let wait = if work == Work::Names {
                    wait.max(NAMES_RETRY)
                } else {
                    wait
                };
                Some(not_before(wait))
            }
        };
        if let Some(delay) = delay {
            due.plan(id, work, Instant::now() + delay);
        }
        delay
    }

    /// Undoes what was interrupted, and returns after which time to look again, if somebody is at it.
    async fn undo(&self, due: &Due, id: &ConnectionId) -> Result<Option<Duration>, ServiceError> {
        // An attempt that begins at this moment has its lease afterwards.
        let beginning = self.inner.leases.beginning.lock().await;
        let turn = self.inner.leases.try_hold(id).await?;
        drop(beginning);
        let Some(turn) = turn else {
            return Ok(Some(self.schedule().retry()));
        };
        let service = self.by_right_of(&turn);
        // It may have been taken up, or come to an end, just before.
        match self.ledger.connection(id).await? {
            Some(connection) if connection.state == ConnectionState::Connecting => {
                if let Some(wait) = self.may_be_at_work(&connection) {
                    return Ok(Some(wait));
                }
                info!(connection = %id, "undoing an unfinished connection");
                service.abandon(&connection).await?;
                due.forget(id);
            }
            _ => {}
        }
        Ok(None)
    }

    /// For how long another host may be just about to work on an unfinished connection.
    fn may_be_at_work(&self, connection: &Connection) -> Option<Duration> {
        let time = self.inner.leases.time_if_shared()?;
        let passed = Duration::try_from(self.now() - connection.updated_at).unwrap_or_default();
        time.checked_sub(passed)
    }

    /// Does work, and returns after which time to do it again.
    async fn do_work(
        &self,
        connection: Connection,
        work: Work,
    ) -> Result<Option<Duration>, ServiceError> {
        let id = &connection.id;
        match work {
            Work::Look => {
                self.ensure_readable(id).await?;
                self.inner.background.refresh_names_now(id);
                Ok(None)
            }
            Work::Gap => self.close_gap(id).await.map(|_| None),
            Work::Names => {
                let again = self.refresh_names(id).await?;
                Ok(again.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Work::Upkeep => {
                let again = self.look_after(id).await?;
                Ok(Some(again.unwrap_or(jittered(self.schedule().upkeep()))))
            }
            Work::Watch => self.watch(connection).await.map(Some),
            // It came to a good end.
            Work::Undo => Ok(None),
        }
    }
}

/// The duration give or take a quarter, so that connections do not all act at once.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.75 + random_fraction() / 2.0)
}

/// The duration or up to a quarter more: the remote service has asked for this time.
pub(super) fn not_before(duration: Duration) -> Duration {
    duration.mul_f64(1.0 + random_fraction() / 4.0)
}

/// From 0 to 1.
fn random_fraction() -> f64 {
    let [random] = random_bytes::<1>();
    f64::from(random) / 255.0
}
