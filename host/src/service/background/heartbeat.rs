//! The heartbeat: one small write a minute for all connections, so that whoever looks later knows
//! since when the host did not run. A machine that slept and a database that could not be written
//! are noticed in the same way as a host that was stopped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::due::Due;
use super::{decide, service};
use crate::ledger::{ConnectionState, CoverageChange, Standings};
use crate::service::{Inner, Service, ServiceError, moment};

pub(super) async fn run(inner: Weak<Inner>, due: Arc<Due>, mut stop: watch::Receiver<bool>) {
    let (mut started, mut taken_up) = (false, false);
    loop {
        let interval = {
            let Some(service) = service(&inner) else {
                return;
            };
            let schedule = service.schedule();
            let allowed = if started {
                schedule.outage().max(schedule.heartbeat() * 3)
            } else {
                schedule.outage()
            };
            match service.beat(&due, allowed, started).await {
                Ok(()) => started = true,
                Err(error) => warn!(%error, "the heartbeat could not be recorded"),
            }
            // Alone, nobody else makes connections.
            if !taken_up || service.inner.leases.time_if_shared().is_some() {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    done = service.take_up(&due) => match done {
                        Ok(()) => taken_up = true,
                        Err(error) => warn!(%error, "the connections could not be listed"),
                    },
                }
            }
            schedule.heartbeat()
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(interval) => {}
        }
    }
}

impl Service {
    async fn beat(&self, due: &Due, allowed: Duration, started: bool) -> Result<(), ServiceError> {
        let ledger = &self.ledger;
        let now = self.now();
        let last = ledger.heartbeat(now).await?;
        let Some(from) = decide::outage(last, now, allowed) else {
            return Ok(());
        };
        let reason = outage_reason(from, now, started);
        warn!(from = %moment(from), "deliveries may have been missed: {reason}");
        let mut standings = Standings::of(&**ledger);
        loop {
            let page = standings.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for standing in page {
                if standing.state != ConnectionState::Active {
                    continue;
                }
                let noticed = CoverageChange::GapNoticed {
                    from: Some(from),
                    reason: reason.clone(),
                    at: now,
                };
                self.notice_gap(&standing.id, noticed).await?;
                self.look_after_soon(due, &standing.id);
            }
        }
    }

    /// Records that the host ran until now, as the last thing it does.
    pub(in crate::service) async fn last_beat(&self) {
        if let Err(error) = self.ledger.heartbeat(self.now()).await {
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
