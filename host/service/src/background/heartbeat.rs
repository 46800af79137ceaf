//! The heartbeat: one small write a minute for all connections, so that whoever looks later knows
//! since when the host did not run. A machine that slept and a database that could not be written
//! are noticed in the same way as a host that was stopped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::job_queue::{Job, JobQueue};
use super::{policy, service};
use crate::log_output;
use crate::{Host, HostError, Inner, moment};
use integration_host_contract::clock::is_ahead;
use integration_host_ledger::{ConnectionScan, ConnectionState, CoverageChange};

/// The lease of the host that notes what was missed.
const MISSED: &str = "missed";

pub(super) async fn run(inner: Weak<Inner>, queue: Arc<JobQueue>, mut stop: watch::Receiver<bool>) {
    let (mut started, mut discovered) = (false, false);
    // Whether the last heartbeat found that the one before lies ahead, and how many lines the log had lost.
    let (mut is_astray, mut lost_lines) = (false, 0);
    loop {
        let interval = {
            let Some(service) = service(&inner) else {
                return;
            };
            let schedule = service.schedule();
            let allowed = if started {
                schedule.outage.max(schedule.heartbeat * 3)
            } else {
                schedule.outage
            };
            let dropped = log_output::dropped_lines();
            if dropped > lost_lines {
                warn!(
                    lines = dropped - lost_lines,
                    "lines of the log could not be written"
                );
                lost_lines = dropped;
            }
            match service.beat(&queue, allowed, started, &mut is_astray).await {
                Ok(()) => started = true,
                Err(error) => warn!(%error, "the heartbeat could not be recorded"),
            }
            if let Err(error) = service.look_at_storage(&queue).await {
                warn!(%error, "storage could not be looked at");
            }
            // Alone, nobody else makes connections.
            if !discovered || service.inner.leases.time_if_shared().is_some() {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    done = service.discover(&queue) => match done {
                        Ok(()) => discovered = true,
                        Err(error) => warn!(%error, "the connections could not be listed"),
                    },
                }
            }
            schedule.heartbeat
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(interval) => {}
        }
    }
}

/// What a heartbeat found of the one before it.
struct Missed {
    /// Since when no host ran; `None`: nobody knows.
    from: Option<Timestamp>,
    reason: String,
    /// Whether the one before lies ahead.
    is_astray: bool,
}

impl Missed {
    fn of(
        last: Option<Timestamp>,
        now: Timestamp,
        allowed: Duration,
        started: bool,
    ) -> Option<Self> {
        if let Some(ahead) = last.filter(|last| is_ahead(*last, now)) {
            let told = moment(ahead);
            return Some(Self {
                from: None,
                reason: format!(
                    "a clock was wrong: a host is said to have run at {told}, so that nobody knows since when none did"
                ),
                is_astray: true,
            });
        }
        let from = policy::outage(last, now, allowed)?;
        Some(Self {
            from: Some(from),
            reason: outage_reason(from, now, started),
            is_astray: false,
        })
    }
}

impl Host {
    /// Records that this host runs, when what was missed is noted of all connections: a host that is killed before that
    /// finds the same at its next start.
    async fn beat(
        &self,
        queue: &JobQueue,
        allowed: Duration,
        started: bool,
        is_astray: &mut bool,
    ) -> Result<(), HostError> {
        let now = self.now();
        if self.missed(now, allowed, started).await?.is_none() {
            *is_astray = false;
            self.ledger.heartbeat(now).await?;
            return Ok(());
        }
        let Some(guard) = self.inner.leases.try_take(MISSED).await? else {
            // Another host is at it.
            return Ok(());
        };
        let missed = self.missed(now, allowed, started).await?;
        // Said once, also where it is this host's clock that is behind.
        if let Some(missed) = missed.as_ref().filter(|one| !(one.is_astray && *is_astray)) {
            self.note_missed(queue, missed, now).await?;
        }
        *is_astray = missed.is_some_and(|missed| missed.is_astray);
        self.ledger.heartbeat(now).await?;
        guard.end(Duration::ZERO).await;
        Ok(())
    }

    async fn missed(
        &self,
        now: Timestamp,
        allowed: Duration,
        started: bool,
    ) -> Result<Option<Missed>, HostError> {
        let last = self.ledger.last_heartbeat().await?;
        Ok(Missed::of(last, now, allowed, started))
    }

    async fn note_missed(
        &self,
        queue: &JobQueue,
        missed: &Missed,
        now: Timestamp,
    ) -> Result<(), HostError> {
        let Missed { from, reason, .. } = missed;
        warn!(
            from = from.map(moment),
            "deliveries may have been missed: {reason}"
        );
        let mut scan_connections = ConnectionScan::of(&*self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for summary in page {
                if summary.state != ConnectionState::Active {
                    continue;
                }
                let noticed = CoverageChange::GapNoticed {
                    from: *from,
                    reason: reason.clone(),
                    at: now,
                };
                self.notice_gap(&summary.id, noticed).await?;
                self.maintain_soon(queue, &summary.id);
            }
        }
    }

    /// Has all connections looked at if storage was emptied. Of those that lost something alone their deliveries and checks
    /// tell.
    async fn look_at_storage(&self, queue: &JobQueue) -> Result<(), HostError> {
        if self.storage_fits().await? {
            return Ok(());
        }
        let mut scan_connections = ConnectionScan::of(&*self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for summary in page {
                if summary.state == ConnectionState::Active {
                    queue.plan(&summary.id, Job::Resume, Instant::now());
                }
            }
        }
    }

    /// Records that the host ran until now, as the last thing it does, unless it is still to be noted that none did.
    pub(crate) async fn last_beat(&self) {
        let now = self.now();
        let schedule = self.schedule();
        let allowed = schedule.outage.max(schedule.heartbeat * 3);
        let recorded = async {
            if self.missed(now, allowed, true).await?.is_none() {
                self.ledger.heartbeat(now).await?;
            }
            Ok::<_, HostError>(())
        };
        if let Err(error) = recorded.await {
            warn!(%error, "the heartbeat could not be recorded");
        }
    }
}

fn outage_reason(from: Timestamp, to: Timestamp, started: bool) -> String {
    let what = if started {
        "was asleep or could not write to its database"
    } else {
        "did not run"
    };
    format!("the host {what} from {} to {}", moment(from), moment(to))
}
