//! Every time-out and limit, in one table. Each is a key of `[limits]` in `host.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time-outs and limits. Field names are the configuration keys and carry the unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// Calls into integrations that run at the same time; further ones wait their turn. A quarter is kept
    /// free for deliveries.
    pub concurrent_calls: u32,
    /// Of these, deliveries of one connection, and as many of its other calls.
    pub calls_per_connection: u32,
    /// Deliveries of one connection that may wait for their turn, and as many of its other calls. One more
    /// is answered 503.
    pub waiting_calls_per_connection: u32,
    /// CPU time of one call, what the host computes for it included.
    pub cpu_ms: u64,
    /// A call that answers a delivery, from start to end.
    pub delivery_timeout_ms: u64,
    /// Any other call, from start to end. Connecting a large workspace is paced at one request a second.
    pub call_timeout_ms: u64,
    /// HTTP requests one call may make. Repetitions of one that failed in passing do not count.
    pub http_requests_per_call: u32,
    /// One HTTP exchange.
    pub http_timeout_ms: u64,
    /// How often an HTTP request is sent at most if it fails in passing and may be repeated.
    pub http_attempts: u32,
    /// Delay before its first repetition; it doubles from one to the next.
    pub http_retry_delay_ms: u64,
    /// Body of one HTTP response.
    pub http_response_bytes: usize,
    /// Data that a component may hand over at once: with one use of a capability, or as a call's result.
    pub transfer_bytes: usize,
    /// Things listed in a call's result, such as activities, team members and tags.
    pub result_items: usize,
    /// Any one text in a call's result, such as a description. What is written to the delivery log and
    /// errors are cut instead.
    pub result_text_bytes: usize,
    /// Body of the integration's answer to a delivery.
    pub delivery_answer_bytes: usize,
    /// Keys one connection may have in storage.
    pub storage_keys_per_connection: usize,
    /// Keys and values one connection may have in storage.
    pub storage_bytes_per_connection: usize,
    /// One request to storage, connecting included.
    pub storage_timeout_ms: u64,
    /// One request to the ledger.
    pub ledger_timeout_ms: u64,
    /// Lines one call may log.
    pub log_lines_per_call: u32,
    /// Lines that calls of one connection may log in a minute; and, apart from that, warnings of the host
    /// about that connection's calls.
    pub log_lines_per_minute: u32,
    /// File of a component.
    pub component_bytes: usize,
    /// Compiling a component that is not in the cache.
    pub component_load_timeout_ms: u64,
    /// Body of a delivery.
    pub delivery_bytes: usize,
    /// Body of an API request.
    pub api_request_bytes: usize,
    /// Bodies over 64 KiB that are read or handled at the same time, an eighth of them of one source; one over 1 MiB
    /// counts for each MiB that it has begun, and smaller ones are not counted.
    pub large_requests: u32,
    /// Connections that are open at the same time. When nearly all are in use, those that wait for longest make
    /// room for new ones.
    pub connections: u32,
    /// Connections that one address may have open at the same time, and no more than are left; beside those on which
    /// somebody known is served. Trusted proxies may have all.
    pub connections_per_source: u32,
    /// Request line and headers of a request.
    pub header_bytes: usize,
    /// Waiting for a request on an open connection and reading its headers.
    pub header_timeout_ms: u64,
    /// Reading a request's body, at the API and at hooks.
    pub request_read_timeout_ms: u64,
    /// Waiting for the next piece of a request's body.
    pub request_stall_timeout_ms: u64,
    /// Waiting for a client to take the next piece of its answer.
    pub response_stall_timeout_ms: u64,
    /// Once a delivery was refused that only the integration could verify: how many per second are still looked at, for
    /// each hook and source.
    pub refused_deliveries_per_second: u32,
    /// How long after its arrival the refusal of a delivery is answered, so that the time tells nothing.
    pub refusal_delay_ms: u64,
    /// Wrong admin tokens from one source before it is locked out.
    pub wrong_admin_tokens: u32,
    /// The first lock-out of a source. Each further wrong token doubles it, up to an hour.
    pub lock_out_ms: u64,
    /// How long calls that are running may take to finish when the host is asked to stop.
    pub shutdown_ms: u64,
    /// How often a call is run again when its commit loses a race.
    pub conflict_retries: u32,
    /// How long `sealing_key_command` may take.
    pub sealing_key_command_ms: u64,
    /// How long one question to a user directory elsewhere may take, or the command that prints its token.
    pub directory_timeout_ms: u64,
    /// How long whoever fetches a backup may take to read on.
    pub backup_stall_ms: u64,
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
            calls_per_connection: 4,
            waiting_calls_per_connection: 256,
            cpu_ms: 2_000,
            delivery_timeout_ms: 5_000,
            call_timeout_ms: 60_000,
            http_requests_per_call: 50,
            http_timeout_ms: 20_000,
            http_attempts: 4,
            http_retry_delay_ms: 250,
            http_response_bytes: 8 << 20,
            transfer_bytes: 16 << 20,
            result_items: 50_000,
            result_text_bytes: 64 << 10,
            delivery_answer_bytes: 64 << 10,
            storage_keys_per_connection: 100_000,
            storage_bytes_per_connection: 64 << 20,
            storage_timeout_ms: 4_000,
            ledger_timeout_ms: 15_000,
            log_lines_per_call: 100,
            log_lines_per_minute: 1_000,
            component_bytes: 16 << 20,
            component_load_timeout_ms: 120_000,
            delivery_bytes: 4 << 20,
            api_request_bytes: 256 << 10,
            large_requests: 32,
            connections: 800,
            connections_per_source: 200,
            header_bytes: 32 << 10,
            header_timeout_ms: 15_000,
            request_read_timeout_ms: 10_000,
            request_stall_timeout_ms: 5_000,
            response_stall_timeout_ms: 30_000,
            refused_deliveries_per_second: 100,
            refusal_delay_ms: 50,
            wrong_admin_tokens: 10,
            lock_out_ms: 30_000,
            shutdown_ms: 10_000,
            conflict_retries: 5,
            sealing_key_command_ms: 30_000,
            directory_timeout_ms: 10_000,
            backup_stall_ms: 60_000,
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

    /// [`Self::cpu_ms`].
    pub fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }

    /// [`Self::component_load_timeout_ms`].
    pub fn component_load_timeout(&self) -> Duration {
        Duration::from_millis(self.component_load_timeout_ms)
    }

    /// [`Self::storage_timeout_ms`].
    pub fn storage_timeout(&self) -> Duration {
        Duration::from_millis(self.storage_timeout_ms)
    }

    /// [`Self::ledger_timeout_ms`].
    pub fn ledger_timeout(&self) -> Duration {
        Duration::from_millis(self.ledger_timeout_ms)
    }

    /// [`Self::http_timeout_ms`].
    pub fn http_timeout(&self) -> Duration {
        Duration::from_millis(self.http_timeout_ms)
    }

    /// [`Self::http_retry_delay_ms`].
    pub fn http_retry_delay(&self) -> Duration {
        Duration::from_millis(self.http_retry_delay_ms)
    }

    /// [`Self::request_read_timeout_ms`].
    pub fn request_read_timeout(&self) -> Duration {
        Duration::from_millis(self.request_read_timeout_ms)
    }

    /// [`Self::request_stall_timeout_ms`].
    pub fn request_stall_timeout(&self) -> Duration {
        Duration::from_millis(self.request_stall_timeout_ms)
    }

    /// [`Self::header_timeout_ms`].
    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    /// [`Self::response_stall_timeout_ms`].
    pub fn response_stall_timeout(&self) -> Duration {
        Duration::from_millis(self.response_stall_timeout_ms)
    }

    /// [`Self::refusal_delay_ms`].
    pub fn refusal_delay(&self) -> Duration {
        Duration::from_millis(self.refusal_delay_ms)
    }

    /// [`Self::lock_out_ms`].
    pub fn lock_out(&self) -> Duration {
        Duration::from_millis(self.lock_out_ms)
    }

    /// [`Self::shutdown_ms`].
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms)
    }

    /// [`Self::directory_timeout_ms`].
    pub fn directory_timeout(&self) -> Duration {
        Duration::from_millis(self.directory_timeout_ms)
    }

    /// [`Self::sealing_key_command_ms`].
    pub fn sealing_key_command(&self) -> Duration {
        Duration::from_millis(self.sealing_key_command_ms)
    }

    /// [`Self::backup_stall_ms`].
    pub fn backup_stall(&self) -> Duration {
        Duration::from_millis(self.backup_stall_ms)
    }

    /// [`Self::replay_delay_ms`].
    pub fn replay_delay(&self) -> Duration {
        Duration::from_millis(self.replay_delay_ms)
    }
}
