//! When background work is done. Each field is a key of `[background]` in `host.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use integration_host_contract::limits::milliseconds;

/// Intervals of background work. Field names are the configuration keys, which end in `_ms` for times.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// How often the host records that it runs.
    #[serde(rename = "heartbeat_ms", with = "milliseconds")]
    pub heartbeat: Duration,
    /// How long the host may be away without anything being read again: the remote service delivers
    /// again what failed for a short time.
    #[serde(rename = "outage_ms", with = "milliseconds")]
    pub outage: Duration,
    /// Within which time after its start the host looks after connections whose deliveries it may
    /// have missed.
    #[serde(rename = "start_delay_ms", with = "milliseconds")]
    pub start_delay: Duration,
    /// How often a connection is checked and its team imported, on average.
    #[serde(rename = "upkeep_ms", with = "milliseconds")]
    pub upkeep: Duration,
    /// How long to wait after a failure; doubled with each further one, up to `upkeep`.
    #[serde(rename = "retry_ms", with = "milliseconds")]
    pub retry: Duration,
    /// The shortest silence that is looked into. Usually it is four times the time that nearly all
    /// deliveries of the connection follow one another in.
    #[serde(rename = "silence_ms", with = "milliseconds")]
    pub silence: Duration,
    /// How often the ledger is compared with the remote service although nothing seems to be wrong.
    #[serde(rename = "verify_ms", with = "milliseconds")]
    pub verify: Duration,
    /// How far back that comparison reads.
    #[serde(rename = "verify_range_ms", with = "milliseconds")]
    pub verify_range: Duration,
    /// How often everything that the ledger holds is compared with the remote service, a little at a time.
    #[serde(rename = "sweep_ms", with = "milliseconds")]
    pub sweep: Duration,
    /// How much before and after a gap is read, because people also log time of yesterday and of tomorrow.
    #[serde(rename = "margin_ms", with = "milliseconds")]
    pub margin: Duration,
    /// How long the remote service may fail to reach the callback before a person is asked to look.
    #[serde(rename = "callback_patience_ms", with = "milliseconds")]
    pub callback_patience: Duration,
    /// How long deliveries may fail before a person is told. Many in a row are told of at once.
    #[serde(rename = "delivery_patience_ms", with = "milliseconds")]
    pub delivery_patience: Duration,
    /// How long the remote service may be out of reach before a person is told.
    #[serde(rename = "long_failure_ms", with = "milliseconds")]
    pub long_failure: Duration,
    /// The longest that anything waits because the remote service says so, where its quotas have no shorter period: Toggl's
    /// have an hour.
    #[serde(rename = "longest_wait_ms", with = "milliseconds")]
    pub longest_wait: Duration,
    /// For how long a webhook is looked for whose creation was never answered: after a 1440th, a 288th and a 48th of
    /// this time, and at its end. The secrets are kept until then.
    #[serde(rename = "unsettled_ms", with = "milliseconds")]
    pub unsettled: Duration,
    /// For how long a host that shares its ledger with others is waited for that is at work on a connection
    /// and gives no sign of life.
    #[serde(rename = "lease_ms", with = "milliseconds")]
    pub lease: Duration,
    /// Connections that are worked on at the same time.
    pub connections_at_once: usize,
}

const DAY: Duration = Duration::from_hours(24);

impl Default for Schedule {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_mins(1),
            outage: Duration::from_mins(3),
            start_delay: Duration::from_secs(10),
            upkeep: Duration::from_hours(1),
            retry: Duration::from_mins(2),
            silence: Duration::from_mins(30),
            verify: DAY,
            verify_range: Duration::from_hours(7 * 24),
            sweep: Duration::from_hours(30 * 24),
            margin: DAY,
            callback_patience: Duration::from_hours(2),
            delivery_patience: Duration::from_mins(10),
            long_failure: DAY,
            longest_wait: DAY,
            unsettled: DAY,
            lease: Duration::from_secs(30),
            connections_at_once: 16,
        }
    }
}
