//! Beginning to look after connections: at the start after all there are, and beside other hosts after those that
//! these have made since or left unfinished.

use std::time::Duration;

use tokio::time::Instant;

use super::due::{Due, Work};
use super::{FIRST_LOOK, jittered, random_fraction};
use crate::{Host, HostError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{ConnectionState, Standing, Standings};

/// Of connections that are taken up together, the first look at each comes so long after that at the one before:
/// else a start with many would keep the database from everything else.
const BETWEEN_FIRST_LOOKS: Duration = Duration::from_millis(10);

impl Host {
    /// Plans the work of all connections that are not looked after yet.
    pub(super) async fn take_up(&self, due: &Due) -> Result<(), HostError> {
        let mut first_look = Instant::now() + FIRST_LOOK;
        let mut standings = Standings::of(&*self.ledger);
        loop {
            let page = standings.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for standing in page {
                if self.take_up_one(due, &standing, first_look) {
                    first_look += BETWEEN_FIRST_LOOKS;
                }
            }
        }
    }

    /// Plans the work of a connection, unless it is. True: it needs a first look.
    fn take_up_one(&self, due: &Due, standing: &Standing, first_look: Instant) -> bool {
        let (id, schedule) = (&standing.id, self.schedule());
        if !self.is_of_this_integration(&standing.integration) {
            return false;
        }
        match standing.state {
            // An attempt to connect that a stop interrupted, unless somebody is still at it. Its scope stays taken
            // until it is undone.
            ConnectionState::Connecting => {
                if !due.is_due(id, Work::Undo) {
                    due.plan(id, Work::Undo, Instant::now());
                }
                false
            }
            ConnectionState::Active if !due.looks_after(id) => {
                let now = Instant::now();
                due.plan(id, Work::Look, first_look);
                due.plan(id, Work::Upkeep, now + jittered(schedule.upkeep() / 2));
                due.plan(id, Work::Watch, now + jittered(schedule.silence()));
                if standing.has_gap {
                    self.look_after_soon(due, id);
                }
                true
            }
            // A webhook may still come into being that was asked for before it was disconnected.
            ConnectionState::Disconnected if standing.is_unsettled => {
                if !due.is_due(id, Work::Undo) {
                    due.plan(id, Work::Undo, Instant::now());
                }
                false
            }
            ConnectionState::Active | ConnectionState::Disconnected => false,
        }
    }

    pub(super) fn look_after_soon(&self, due: &Due, id: &ConnectionId) {
        let delay = self.schedule().start_delay().mul_f64(random_fraction());
        due.plan_urgent(id, Work::Upkeep, Instant::now() + delay);
    }
}
