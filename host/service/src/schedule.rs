//! When background work is done. Each field is a key of `[background]` in `host.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Intervals of background work, in milliseconds. Field names are the configuration keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// How often the host records that it runs.
    pub heartbeat_ms: u64,
    /// How long the host may be away without anything being read again: the remote service delivers
    /// again what failed for a short time.
    pub outage_ms: u64,
    /// Within which time after its start the host looks after connections whose deliveries it may
    /// have missed.
    pub start_delay_ms: u64,
    /// How often a connection is checked and its team imported, on average.
    pub upkeep_ms: u64,
    /// How long to wait after a failure; doubled with each further one, up to `upkeep_ms`.
    pub retry_ms: u64,
    /// The shortest silence that is looked into. Usually it is four times the time that nearly all
    /// deliveries of the connection follow one another in.
    pub silence_ms: u64,
    /// How often the ledger is compared with the remote service although nothing seems to be wrong.
    pub verify_ms: u64,
    /// How far back that comparison reads.
    pub verify_range_ms: u64,
    /// How often everything that the ledger holds is compared with the remote service, a little at a time.
    pub sweep_ms: u64,
    /// How much before and after a gap is read, because people also log time of yesterday and of tomorrow.
    pub margin_ms: u64,
    /// How long the remote service may fail to reach the callback before a person is asked to look.
    pub callback_patience_ms: u64,
    /// How long deliveries may fail before a person is told. Many in a row are told of at once.
    pub delivery_patience_ms: u64,
    /// How long the remote service may be out of reach before a person is told.
    pub long_failure_ms: u64,
    /// The longest that anything waits because the remote service says so, where its quotas have no shorter period: Toggl's
    /// have an hour.
    pub longest_wait_ms: u64,
    /// For how long a webhook is looked for whose creation was never answered: after a 1440th, a 288th and a 48th of
    /// this time, and at its end. The secrets are kept until then.
    pub unsettled_ms: u64,
    /// For how long a host that shares its ledger with others is waited for that is at work on a connection
    /// and gives no sign of life.
    pub lease_ms: u64,
    /// Connections that are worked on at the same time.
    pub connections_at_once: usize,
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Default for Schedule {
    fn default() -> Self {
        Self {
            heartbeat_ms: MINUTE,
            outage_ms: 3 * MINUTE,
            start_delay_ms: 10_000,
            upkeep_ms: HOUR,
            retry_ms: 2 * MINUTE,
            silence_ms: 30 * MINUTE,
            verify_ms: DAY,
            verify_range_ms: 7 * DAY,
            sweep_ms: 30 * DAY,
            margin_ms: DAY,
            callback_patience_ms: 2 * HOUR,
            delivery_patience_ms: 10 * MINUTE,
            long_failure_ms: DAY,
            longest_wait_ms: DAY,
            unsettled_ms: DAY,
            lease_ms: 30_000,
            connections_at_once: 16,
        }
    }
}

impl Schedule {
    /// [`Self::heartbeat_ms`].
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    /// [`Self::outage_ms`].
    pub fn outage(&self) -> Duration {
        Duration::from_millis(self.outage_ms)
    }

    /// [`Self::start_delay_ms`].
    pub fn start_delay(&self) -> Duration {
        Duration::from_millis(self.start_delay_ms)
    }

    /// [`Self::upkeep_ms`].
    pub fn upkeep(&self) -> Duration {
        Duration::from_millis(self.upkeep_ms)
    }

    /// [`Self::retry_ms`].
    pub fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms)
    }

    /// [`Self::lease_ms`].
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// [`Self::silence_ms`].
    pub fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms)
    }

    /// [`Self::verify_ms`].
    pub fn verify(&self) -> Duration {
        Duration::from_millis(self.verify_ms)
    }

    /// [`Self::verify_range_ms`].
    pub fn verify_range(&self) -> Duration {
        Duration::from_millis(self.verify_range_ms)
    }

    /// [`Self::sweep_ms`].
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms)
    }

    /// [`Self::margin_ms`].
    pub fn margin(&self) -> Duration {
        Duration::from_millis(self.margin_ms)
    }

    /// [`Self::callback_patience_ms`].
    pub fn callback_patience(&self) -> Duration {
        Duration::from_millis(self.callback_patience_ms)
    }

    /// [`Self::delivery_patience_ms`].
    pub fn delivery_patience(&self) -> Duration {
        Duration::from_millis(self.delivery_patience_ms)
    }

    /// [`Self::longest_wait_ms`].
    pub fn longest_wait(&self) -> Duration {
        Duration::from_millis(self.longest_wait_ms)
    }

    /// [`Self::unsettled_ms`].
    pub fn unsettled(&self) -> Duration {
        Duration::from_millis(self.unsettled_ms)
    }

    /// [`Self::long_failure_ms`].
    pub fn long_failure(&self) -> Duration {
        Duration::from_millis(self.long_failure_ms)
    }
}
