//! Discovering connections to maintain: all of them at the start, and later those that other hosts of the same ledger made
//! or left unfinished.

use std::time::Duration;

use tokio::time::Instant;

use super::job_queue::{Job, JobQueue};
use super::{FIRST_LOOK, jittered, random_fraction};
use crate::{Host, HostError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ConnectionScan, ConnectionState, ConnectionSummary};

/// Of connections that are taken up together, the first look at each comes so long after that at the one before:
/// else a start with many would keep the database from everything else.
const BETWEEN_FIRST_LOOKS: Duration = Duration::from_millis(10);

impl Host {
    /// Plans the jobs of all connections that are not maintained yet.
    pub(super) async fn discover(&self, queue: &JobQueue) -> Result<(), HostError> {
        let mut first_look = Instant::now() + FIRST_LOOK;
        let mut scan_connections = ConnectionScan::of(&*self.ledger);
        loop {
            let page = scan_connections.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for summary in page {
                if self.discover_one(queue, &summary, first_look) {
                    first_look += BETWEEN_FIRST_LOOKS;
                }
            }
        }
    }

    /// Plans the work of a connection, unless it is. True: it needs a first look.
    fn discover_one(
        &self,
        queue: &JobQueue,
        summary: &ConnectionSummary,
        first_look: Instant,
    ) -> bool {
        let (id, schedule) = (&summary.id, self.schedule());
        if !self.is_of_this_integration(&summary.integration) {
            return false;
        }
        match summary.state {
            // An attempt to connect that a stop interrupted, unless somebody is still at it. Its scope stays taken
            // until it is undone.
            ConnectionState::Connecting => {
                if !queue.is_due(id, Job::Undo) {
                    queue.plan(id, Job::Undo, Instant::now());
                }
                false
            }
            ConnectionState::Active if !queue.maintains(id) => {
                let now = Instant::now();
                queue.plan(id, Job::Resume, first_look);
                queue.plan(id, Job::Upkeep, now + jittered(schedule.upkeep / 2));
                queue.plan(id, Job::Watch, now + jittered(schedule.silence));
                if summary.has_gap {
                    self.maintain_soon(queue, id);
                }
                true
            }
            // A webhook may still come into being that was asked for before it was disconnected.
            ConnectionState::Disconnected if summary.is_unsettled => {
                if !queue.is_due(id, Job::Undo) {
                    queue.plan(id, Job::Undo, Instant::now());
                }
                false
            }
            ConnectionState::Active | ConnectionState::Disconnected => false,
        }
    }

    pub(super) fn maintain_soon(&self, queue: &JobQueue, id: &ConnectionId) {
        let delay = self.schedule().start_delay.mul_f64(random_fraction());
        queue.plan_urgent(id, Job::Upkeep, Instant::now() + delay);
    }
}
