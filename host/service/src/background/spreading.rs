//! Telling activities of changes that many of them share, in steps so small that nobody waits for them.

use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::service;
use crate::{Host, HostError, Inner};

/// How often to look whether there is something to tell.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait when the ledger does not answer.
const WAIT_FOR_LEDGER: Duration = Duration::from_secs(5);

/// How long one step should take: whoever changes something meanwhile waits for it.
const STEP_TIME: Duration = Duration::from_millis(3);

/// How many activities one step moves.
const FIRST_STEP: usize = 50;
const SMALLEST_STEP: usize = 20;
const LARGEST_STEP: usize = 1_000;

/// For each part of the time that steps take, so many parts are everybody else's.
const PAUSES: u32 = 3;

pub(super) async fn run(inner: Weak<Inner>, mut stop: watch::Receiver<bool>) {
    let mut most = FIRST_STEP;
    loop {
        let wait = {
            let Some(service) = service(&inner) else {
                return;
            };
            let began = Instant::now();
            match service.spread_changes(most).await {
                Ok(false) => LOOK_AGAIN,
                Ok(true) => {
                    let took = began.elapsed();
                    most = fitting(most, took);
                    took * PAUSES
                }
                Err(error) => {
                    warn!(%error, "activities could not be told of a change they share");
                    WAIT_FOR_LEDGER
                }
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(wait) => {}
        }
    }
}

/// How many activities the next step moves when one with so many took so long.
fn fitting(most: usize, took: Duration) -> usize {
    let next = if took < STEP_TIME / 2 {
        most.saturating_mul(2)
    } else if took > STEP_TIME {
        most / 2
    } else {
        most
    };
    next.clamp(SMALLEST_STEP, LARGEST_STEP)
}

impl Host {
    async fn spread_changes(&self, most: usize) -> Result<bool, HostError> {
        let more = self.ledger.spread_changes(most).await?;
        if more {
            self.announce_changes();
        }
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_as_long_as_they_may_be_and_never_stop() {
        let quick = Duration::from_millis(1);
        let slow = Duration::from_secs(1);
        let mut most = FIRST_STEP;
        for _ in 0..100 {
            most = fitting(most, quick);
        }
        assert_eq!(most, LARGEST_STEP);
        for _ in 0..100 {
            most = fitting(most, slow);
        }
        assert_eq!(most, SMALLEST_STEP);
        assert_eq!(fitting(100, STEP_TIME), 100);
    }
}
