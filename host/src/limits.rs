//! Every time-out and limit, in one table. Each is a key of `[limits]` in `host.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time-outs and limits. Field names are the configuration keys and carry the unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// Calls into integrations that run at the same time; further ones wait their turn.
    pub concurrent_calls: u32,
    /// CPU time of one call, in whole ticks of ten milliseconds.
    pub cpu_ms: u64,
    /// A call that answers a delivery, from start to end.
    pub delivery_timeout_ms: u64,
    /// Any other call, from start to end. Connecting a large workspace is paced at one request a second.
    pub call_timeout_ms: u64,
    /// HTTP requests one call may make, retries included.
    pub http_requests_per_call: u32,
    /// One HTTP exchange.
    pub http_timeout_ms: u64,
    /// Body of one HTTP response.
    pub http_response_bytes: usize,
    /// Lines one call may log.
    pub log_lines_per_call: u32,
    /// Body of a delivery.
    pub delivery_bytes: usize,
    /// Body of an API request.
    pub api_request_bytes: usize,
    /// Reading a request's body, at the API and at hooks.
    pub request_read_timeout_ms: u64,
    /// How long calls that are running may take to finish when the host is asked to stop.
    pub shutdown_ms: u64,
    /// How often a call is run again when its commit loses a race.
    pub conflict_retries: u32,
    /// Deliveries the log keeps of one connection, beside failed ones that can be replayed.
    pub delivery_log_rows: u32,
    /// How long the log keeps a delivery.
    pub delivery_log_days: u32,
    /// Failed deliveries kept for replay, over all connections. The oldest go first.
    pub failed_deliveries: u32,
    /// Bytes these may have together, sealed.
    pub failed_delivery_bytes: usize,
    /// How long a failed delivery is kept for replay.
    pub failed_delivery_days: u32,
    /// How long after it failed a delivery is handled again; twice as long after each further failure, up
    /// to ten minutes.
    pub replay_delay_ms: u64,
    /// How often a delivery is handled before only a person has it handled again.
    pub replay_attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 32 << 20,
            concurrent_calls: 64,
            cpu_ms: 2_000,
            delivery_timeout_ms: 5_000,
            call_timeout_ms: 60_000,
            http_requests_per_call: 50,
            http_timeout_ms: 20_000,
            http_response_bytes: 8 << 20,
            log_lines_per_call: 100,
            delivery_bytes: 1 << 20,
            api_request_bytes: 256 << 10,
            request_read_timeout_ms: 10_000,
            shutdown_ms: 10_000,
            conflict_retries: 5,
            delivery_log_rows: 10_000,
            delivery_log_days: 90,
            failed_deliveries: 1_000,
            failed_delivery_bytes: 64 << 20,
            failed_delivery_days: 30,
            replay_delay_ms: 10_000,
            replay_attempts: 100,
        }
    }
}

impl Limits {
    /// [`Self::delivery_timeout_ms`].
    pub fn delivery_timeout(&self) -> Duration {
        Duration::from_millis(self.delivery_timeout_ms)
    }

    /// [`Self::call_timeout_ms`].
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// [`Self::http_timeout_ms`].
    pub fn http_timeout(&self) -> Duration {
        Duration::from_millis(self.http_timeout_ms)
    }

    /// [`Self::request_read_timeout_ms`].
    pub fn request_read_timeout(&self) -> Duration {
        Duration::from_millis(self.request_read_timeout_ms)
    }

    /// [`Self::shutdown_ms`].
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }

    /// [`Self::replay_delay_ms`].
    pub fn replay_delay(&self) -> Duration {
        Duration::from_millis(self.replay_delay_ms)
    }
}
