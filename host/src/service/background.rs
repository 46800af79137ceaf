//! Background work: completing names soon after a delivery missed one, and looking after every
//! connection about once an hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::{Inner, Service, ServiceError};
use crate::id::{ConnectionId, random_bytes};
use crate::ledger::{Connection, ConnectionState};

/// How long to wait for further missing names, so that a burst of deliveries leads to one refresh.
const NAMES_DELAY: Duration = Duration::from_millis(500);

/// How long to wait after a refresh failed.
const NAMES_RETRY: Duration = Duration::from_secs(60);

/// How often a connection is looked after, on average.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(3600);

/// The kinds of background work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Fetch missing names.
    Names,
    /// Check, repair, import the team.
    Upkeep,
}

/// Work that is due at some time. One entry per connection and kind, so it cannot grow without bound.
#[derive(Default)]
pub(super) struct Due {
    at: Mutex<BTreeMap<(ConnectionId, Work), Instant>>,
    changed: Notify,
}

impl Due {
    /// Plans work. What is planned earlier already stays.
    fn plan(&self, connection: &ConnectionId, work: Work, at: Instant) {
        self.planned()
            .entry((connection.clone(), work))
            .and_modify(|planned| *planned = at.min(*planned))
            .or_insert(at);
        self.changed.notify_one();
    }

    /// The next work and when it is due.
    fn next(&self) -> Option<(Instant, ConnectionId, Work)> {
        self.planned()
            .iter()
            .min_by_key(|(_, at)| **at)
            .map(|((connection, work), at)| (*at, connection.clone(), *work))
    }

    fn take(&self, connection: &ConnectionId, work: Work) {
        self.planned().remove(&(connection.clone(), work));
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, BTreeMap<(ConnectionId, Work), Instant>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle to background work.
pub(super) struct Background {
    due: Arc<Due>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    pub(super) fn new() -> (Self, Arc<Due>) {
        let due = Arc::<Due>::default();
        let background = Self {
            due: Arc::clone(&due),
            stop: watch::Sender::new(false),
            task: Mutex::default(),
        };
        (background, due)
    }

    /// Fetches missing names of a connection soon.
    pub(super) fn refresh_names_now(&self, connection: &ConnectionId) {
        self.due
            .plan(connection, Work::Names, Instant::now() + NAMES_DELAY);
    }

    /// Lets running work finish and starts no more.
    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            warn!(%error, "background work ended early");
        }
    }
}

/// Starts background work for the connections there are. It holds no handle to the service while it
/// waits, so it does not keep it alive.
pub(super) fn start(service: &Service, due: Arc<Due>, existing: Vec<Connection>) {
    let inner = Arc::downgrade(&service.inner);
    let stop = service.inner.background.stop.subscribe();
    let task = tokio::spawn(run(inner, due, existing, stop));
    *service
        .inner
        .background
        .task
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(task);
}

async fn run(
    inner: Weak<Inner>,
    due: Arc<Due>,
    existing: Vec<Connection>,
    mut stop: watch::Receiver<bool>,
) {
    if let Some(service) = service(&inner) {
        service.take_up(&due, existing).await;
    }
    loop {
        let next = due.next();
        let wait = async {
            match &next {
                Some((at, ..)) => sleep_until(*at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = due.changed.notified() => continue,
            () = wait => {}
        }
        let (Some((_, connection, work)), Some(service)) = (next, service(&inner)) else {
            return;
        };
        due.take(&connection, work);
        let again = match work {
            Work::Names => service.complete_names(&connection).await,
            Work::Upkeep => service.look_after(&connection).await,
        };
        if let Some(delay) = again {
            due.plan(&connection, work, Instant::now() + delay);
        }
    }
}

fn service(inner: &Weak<Inner>) -> Option<Service> {
    inner.upgrade().map(|inner| Service { inner })
}

impl Service {
    /// Plans the work of the connections found at start and undoes attempts to connect that a stop
    /// interrupted. Their scopes stay taken until that is done.
    async fn take_up(&self, due: &Due, existing: Vec<Connection>) {
        for connection in existing {
            match connection.state {
                ConnectionState::Connecting => {
                    info!(connection = %connection.id, "undoing an interrupted attempt to connect");
                    let _lease = self.inner.leases.hold(&connection.id).await;
                    self.abandon(&connection).await;
                }
                ConnectionState::Active => {
                    let now = Instant::now();
                    due.plan(&connection.id, Work::Names, now + NAMES_DELAY);
                    due.plan(
                        &connection.id,
                        Work::Upkeep,
                        now + jittered(UPKEEP_INTERVAL / 2),
                    );
                }
                ConnectionState::Disconnected => {}
            }
        }
    }

    async fn complete_names(&self, id: &ConnectionId) -> Option<Duration> {
        self.connection(id).await.ok()?;
        match self.refresh_names(id).await {
            Ok(again) => again.map(|seconds| Duration::from_secs(seconds.into())),
            Err(error) => {
                debug!(connection = %id, %error, "names could not be completed");
                let delay = error
                    .retry_after_seconds
                    .map(|seconds| Duration::from_secs(seconds.into()));
                Some(delay.unwrap_or_default().max(NAMES_RETRY))
            }
        }
    }

    async fn look_after(&self, id: &ConnectionId) -> Option<Duration> {
        self.connection(id).await.ok()?;
        if let Err(error) = self.check_and_import(id).await {
            warn!(connection = %id, %error, "a connection could not be checked");
        }
        Some(jittered(UPKEEP_INTERVAL))
    }

    async fn check_and_import(&self, id: &ConnectionId) -> Result<(), ServiceError> {
        let health = self.check(id).await?;
        if health.problem.is_none() {
            self.import_team(id).await?;
            self.inner.background.refresh_names_now(id);
        }
        Ok(())
    }
}

/// The duration give or take a quarter, so that connections do not all act at once.
pub(super) fn jittered(duration: Duration) -> Duration {
    let [random] = random_bytes::<1>();
    duration.mul_f64(0.75 + f64::from(random) / 255.0 * 0.5)
}
