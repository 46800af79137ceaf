//! Background work: completing names soon after a delivery missed one, maintaining every
//! connection about once an hour, noticing when deliveries have stopped, closing gaps, and undoing what
//! was interrupted.

mod discovery;
mod heartbeat;
mod job_queue;
pub(super) mod policy;
mod reserve;
mod spreading;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::job_queue::Job;
pub(super) use self::job_queue::JobQueue;
use self::policy::wait_after;
pub(super) use self::reserve::KeptBack;
use super::lease::Fenced;
use super::{Host, HostError, Inner};
use integration_host_contract::clock::is_ahead;
use integration_host_contract::id::{ConnectionId, random_bytes};
use integration_host_contract::supervision;
use integration_host_ledger::{Connection, ConnectionState};

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
    queue: Arc<JobQueue>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Background {
    pub(super) fn new() -> (Self, Arc<JobQueue>) {
        let queue = Arc::<JobQueue>::default();
        let background = Self {
            queue: Arc::clone(&queue),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        };
        (background, queue)
    }

    /// Fetches missing names of a connection soon.
    pub(super) fn refresh_names_now(&self, connection: &ConnectionId) {
        self.queue
            .plan(connection, Job::Names, Instant::now() + NAMES_DELAY);
    }

    /// Whether names of a connection are being fetched or will be.
    pub(super) fn names_are_due(&self, connection: &ConnectionId) -> bool {
        self.queue.is_due(connection, Job::Names)
    }

    /// Begins to look after a connection that was just made.
    pub(super) fn begin(&self, connection: &ConnectionId, upkeep: Duration, watch: Duration) {
        let now = Instant::now();
        self.refresh_names_now(connection);
        self.queue
            .plan(connection, Job::Upkeep, now + jittered(upkeep));
        self.queue.plan(connection, Job::Watch, now + watch);
    }

    /// Looks after a connection at once.
    pub(super) fn maintain_now(&self, connection: &ConnectionId) {
        self.queue.maintain_now(connection);
    }

    /// For how long the work waits that has been due the longest and could be done.
    pub(super) fn late(&self) -> Duration {
        self.queue.late(Instant::now())
    }

    /// Closes the gap of a connection at once.
    pub(super) fn close_gap_now(&self, connection: &ConnectionId) {
        self.queue.plan(connection, Job::Gap, Instant::now());
    }

    /// Undoes an unfinished connection, not at once.
    pub(super) fn undo_later(&self, connection: &ConnectionId, wait: Duration) {
        self.queue
            .plan(connection, Job::Undo, Instant::now() + not_before(wait));
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

    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock()
    }
}

/// Starts background work. It holds no handle to the service while it waits, so it does not keep it alive.
pub(super) fn start(service: &Host, queue: Arc<JobQueue>) {
    let inner = Arc::downgrade(&service.inner);
    let background = &service.inner.background;
    let stop = background.stop.subscribe();
    let (of_work, due_work, stop_work) = (inner.clone(), Arc::clone(&queue), stop.clone());
    let work = tokio::spawn(supervision::task("background", move || {
        run(of_work.clone(), Arc::clone(&due_work), stop_work.clone())
    }));
    let (of_spreading, stop_spreading) = (inner.clone(), stop.clone());
    let spreading = tokio::spawn(supervision::task("spreading", move || {
        spreading::run(of_spreading.clone(), stop_spreading.clone())
    }));
    let heartbeat = tokio::spawn(supervision::task("heartbeat", move || {
        heartbeat::run(inner.clone(), Arc::clone(&queue), stop.clone())
    }));
    background.tasks().extend([work, spreading, heartbeat]);
}

async fn run(inner: Weak<Inner>, queue: Arc<JobQueue>, mut stop: watch::Receiver<bool>) {
    let mut running = Running::default();
    loop {
        let next = match service(&inner) {
            Some(service) => running.next(&queue, service.schedule().connections_at_once),
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
            () = queue.changed.notified() => {}
            () = wait => {
                if let (Some((_, connection, work)), Some(service)) = (next, service(&inner)) {
                    let is_urgent = queue.take(&connection, work);
                    running.start(service, Arc::clone(&queue), connection, work, is_urgent);
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
    fn next(&self, queue: &JobQueue, at_once: usize) -> Option<(Instant, ConnectionId, Job)> {
        if self.tasks.len() >= at_once {
            return None;
        }
        let busy: BTreeSet<_> = self.connections.values().cloned().collect();
        queue.next(&busy)
    }

    fn start(
        &mut self,
        service: Host,
        queue: Arc<JobQueue>,
        connection: ConnectionId,
        work: Job,
        is_urgent: bool,
    ) {
        let of = connection.clone();
        let retry = not_before(service.schedule().retry);
        let under_way = UnderWay {
            queue: Arc::clone(&queue),
            connection,
            work,
            is_urgent,
            retry,
            has_ended: false,
        };
        let task = self.tasks.spawn(async move {
            let connection = &under_way.connection;
            service.work(&queue, connection, work, is_urgent).await;
            under_way.end();
        });
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

/// A job that is being done. One that ends with a panic is planned again, or nobody would ever do it.
struct UnderWay {
    queue: Arc<JobQueue>,
    connection: ConnectionId,
    work: Job,
    is_urgent: bool,
    retry: Duration,
    has_ended: bool,
}

impl UnderWay {
    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.has_ended {
            let at = Instant::now() + self.retry;
            self.queue
                .plan_with(&self.connection, self.work, at, self.is_urgent);
        }
        self.queue.end(&self.connection, self.work);
    }
}

fn service(inner: &Weak<Inner>) -> Option<Host> {
    inner.upgrade().map(Host::of)
}

impl Host {
    /// Does work, unless another host does, and plans when to do it again.
    async fn work(&self, queue: &JobQueue, id: &ConnectionId, work: Job, is_urgent: bool) {
        let guard = self.inner.leases.try_work(id, work.name(), is_urgent).await;
        match guard {
            Ok(Ok(guard)) => {
                debug!(connection = %id, ?work, "background work begins");
                let service = self.fenced_by(&guard);
                let outcome = guard
                    .while_held(service.work_in_turn(queue, id, work))
                    .await;
                debug!(connection = %id, ?work, "background work ends");
                if outcome.is_none() {
                    warn!(connection = %id, ?work, "background work was given up, because its lease could not be renewed in time");
                    let at = Instant::now() + not_before(self.schedule().retry);
                    queue.plan_with(id, work, at, is_urgent);
                }
                // Others that planned the same need not do it before then.
                let rest = outcome.flatten().filter(|_| work.is_routine());
                guard.end(rest.unwrap_or_default()).await;
            }
            Ok(Err(wait)) => {
                let at = Instant::now() + wait.max(WAIT_FOR_OTHERS);
                queue.plan_with(id, work, at, is_urgent);
            }
            Err(error) => {
                debug!(connection = %id, ?work, %error, "background work has to wait");
                let at = Instant::now() + not_before(self.schedule().retry);
                queue.plan_with(id, work, at, is_urgent);
            }
        }
    }

    /// Undoes what was interrupted, and returns after which time to look again, if somebody is at it or a webhook may
    /// still come into being.
    async fn undo(
        &self,
        queue: &JobQueue,
        id: &ConnectionId,
    ) -> Result<Option<Duration>, HostError> {
        // An attempt that begins at this moment has its lease afterwards.
        let beginning = self.inner.leases.beginning.lock().await;
        let guard = self.inner.leases.try_hold(id).await?;
        drop(beginning);
        let Some(guard) = guard else {
            return Ok(Some(self.schedule().retry));
        };
        let service = self.fenced_by(&guard);
        // It may have been taken up, or come to an end, just before.
        match self.ledger.connection(id).await? {
            Some(connection) if connection.state == ConnectionState::Connecting => {
                if let Some(wait) = self.may_be_at_work(&connection) {
                    return Ok(Some(wait));
                }
                info!(connection = %id, "undoing an unfinished connection");
            }
            Some(connection)
                if connection.state == ConnectionState::Disconnected
                    && connection.unsettled_since.is_some() => {}
            _ => return Ok(None),
        }
        let again = service.abandon(id).await?;
        if again.is_none() {
            queue.forget(id);
        }
        Ok(again)
    }

    /// For how long another host may be just about to work on an unfinished connection.
    fn may_be_at_work(&self, connection: &Connection) -> Option<Duration> {
        let time = self.inner.leases.time_if_shared()?;
        let (now, updated) = (self.now(), connection.updated_at);
        if is_ahead(updated, now) {
            return None;
        }
        let passed = Duration::try_from(now.duration_since(updated)).unwrap_or_default();
        time.checked_sub(passed)
    }
}

impl Fenced {
    /// Does work, plans when to do it again, and returns in how long that is.
    async fn work_in_turn(
        &self,
        queue: &JobQueue,
        id: &ConnectionId,
        work: Job,
    ) -> Option<Duration> {
        let done = match self.ledger.connection(id).await {
            Ok(Some(connection)) if !self.is_of_this_integration(&connection.integration) => {
                queue.forget(id);
                return None;
            }
            Ok(Some(connection)) => match (connection.state, work) {
                (ConnectionState::Active, _) => {
                    self.do_work(connection.believed(self.now()), work).await
                }
                (ConnectionState::Connecting, Job::Undo) => self.undo(queue, id).await,
                // Whatever it becomes, its work is planned then.
                (ConnectionState::Connecting, _) => return None,
                (ConnectionState::Disconnected, Job::Undo) => self.undo(queue, id).await,
                // Its webhook is still looked for.
                (ConnectionState::Disconnected, _) if connection.unsettled_since.is_some() => {
                    return None;
                }
                (ConnectionState::Disconnected, _) => {
                    queue.forget(id);
                    return None;
                }
            },
            Ok(None) => {
                queue.forget(id);
                return None;
            }
            Err(error) => Err(error.into()),
        };
        let failures = queue.note(id, work, done.is_err());
        let delay = match done {
            Ok(delay) => delay,
            Err(error) => {
                debug!(connection = %id, ?work, %error, failures, "background work failed");
                let wait = wait_after(
                    failures,
                    error.retry_after_seconds,
                    self.longest_wait(),
                    self.schedule(),
                );
                let wait = if work == Job::Names {
                    wait.max(NAMES_RETRY)
                } else {
                    wait
                };
                Some(not_before(wait))
            }
        };
        if let Some(delay) = delay {
            queue.plan(id, work, Instant::now() + delay);
        }
        delay
    }

    /// Does work, and returns after which time to do it again.
    async fn do_work(
        &self,
        connection: Connection,
        work: Job,
    ) -> Result<Option<Duration>, HostError> {
        let id = &connection.id;
        match work {
            Job::Resume => {
                self.ensure_readable(id).await?;
                self.ensure_held(&connection).await?;
                self.inner.background.refresh_names_now(id);
                Ok(None)
            }
            // What is left of the quota may be for people now.
            Job::Gap => self.close_gap(id).await,
            Job::Names => {
                let again = self.refresh_names(id).await?;
                Ok(again.map(|seconds| Duration::from_secs(seconds.into())))
            }
            Job::Upkeep => {
                let again = self.look_after(id).await?;
                Ok(Some(again.unwrap_or(jittered(self.schedule().upkeep))))
            }
            Job::Watch => self.watch(connection).await.map(Some),
            // It came to a good end.
            Job::Undo => Ok(None),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_ends_with_a_panic_is_planned_again() {
        let queue = Arc::<JobQueue>::default();
        let id = ConnectionId::new("c");
        let begin = |work| {
            queue.plan(&id, work, Instant::now());
            queue.take(&id, work);
            UnderWay {
                queue: Arc::clone(&queue),
                connection: id.clone(),
                work,
                is_urgent: false,
                retry: Duration::ZERO,
                has_ended: false,
            }
        };
        let panicking = begin(Job::Watch);
        let task = tokio::spawn(async move {
            let _under_way = panicking;
            std::panic::resume_unwind(Box::new("a provider's defect"));
        });
        assert!(task.await.is_err());
        let next = queue.next(&BTreeSet::new());
        assert!(
            next.is_some_and(|(_, connection, work)| connection == id && work == Job::Watch),
            "nobody would ever see again whether deliveries of this connection have stopped"
        );

        begin(Job::Gap).end();
        assert!(!queue.is_due(&id, Job::Gap));
    }
}
