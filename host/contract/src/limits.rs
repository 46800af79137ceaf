//! Every time-out and limit, in one table. Each is a key of `[limits]` in `host.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time-outs and limits. Field names are the configuration keys, which end in `_ms` for times.
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
    #[serde(rename = "cpu_ms", with = "milliseconds")]
    pub cpu: Duration,
    /// A call that answers a delivery, from start to end.
    #[serde(rename = "delivery_timeout_ms", with = "milliseconds")]
    pub delivery_timeout: Duration,
    /// Any other call, from start to end. Connecting a large scope is paced at one request a second.
    #[serde(rename = "call_timeout_ms", with = "milliseconds")]
    pub call_timeout: Duration,
    /// HTTP requests one call may make. Repetitions of one that failed in passing do not count.
    pub http_requests_per_call: u32,
    /// One HTTP exchange.
    #[serde(rename = "http_timeout_ms", with = "milliseconds")]
    pub http_timeout: Duration,
    /// How often an HTTP request is sent at most if it fails in passing and may be repeated.
    pub http_attempts: u32,
    /// Delay before its first repetition; it doubles from one to the next.
    #[serde(rename = "http_retry_delay_ms", with = "milliseconds")]
    pub http_retry_delay: Duration,
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
    #[serde(rename = "storage_timeout_ms", with = "milliseconds")]
    pub storage_timeout: Duration,
    /// One request to the ledger.
    #[serde(rename = "ledger_timeout_ms", with = "milliseconds")]
    pub ledger_timeout: Duration,
    /// Lines one call may log.
    pub log_lines_per_call: u32,
    /// Lines that calls of one connection may log in a minute; and, apart from that, warnings of the host
    /// about that connection's calls.
    pub log_lines_per_minute: u32,
    /// File of a component.
    pub component_bytes: usize,
    /// Compiling a component that is not in the cache.
    #[serde(rename = "component_load_timeout_ms", with = "milliseconds")]
    pub component_load_timeout: Duration,
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
    #[serde(rename = "header_timeout_ms", with = "milliseconds")]
    pub header_timeout: Duration,
    /// Reading a request's body, at the API and at hooks.
    #[serde(rename = "request_read_timeout_ms", with = "milliseconds")]
    pub request_read_timeout: Duration,
    /// Waiting for the next piece of a request's body.
    #[serde(rename = "request_stall_timeout_ms", with = "milliseconds")]
    pub request_stall_timeout: Duration,
    /// Waiting for a client to take the next piece of its answer.
    #[serde(rename = "response_stall_timeout_ms", with = "milliseconds")]
    pub response_stall_timeout: Duration,
    /// Once a delivery was refused that only the integration could verify: how many per second are still looked at, for
    /// each hook and source.
    pub refused_deliveries_per_second: u32,
    /// How long after its arrival the refusal of a delivery is answered, so that the time tells nothing.
    #[serde(rename = "refusal_delay_ms", with = "milliseconds")]
    pub refusal_delay: Duration,
    /// Wrong admin tokens from one source before it is locked out.
    pub wrong_admin_tokens: u32,
    /// The first lock-out of a source. Each further wrong token doubles it, up to an hour.
    #[serde(rename = "lock_out_ms", with = "milliseconds")]
    pub lock_out: Duration,
    /// How long calls that are running may take to finish when the host is asked to stop.
    #[serde(rename = "shutdown_ms", with = "milliseconds")]
    pub shutdown: Duration,
    /// How often a call is run again when its commit loses a race.
    pub conflict_retries: u32,
    /// How long `sealing_key_command` may take.
    #[serde(rename = "sealing_key_command_ms", with = "milliseconds")]
    pub sealing_key_command: Duration,
    /// How long one question to a user directory elsewhere may take, or the command that prints its token.
    #[serde(rename = "directory_timeout_ms", with = "milliseconds")]
    pub directory_timeout: Duration,
    /// How long whoever fetches a backup may take to read on.
    #[serde(rename = "backup_stall_ms", with = "milliseconds")]
    pub backup_stall: Duration,
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
    #[serde(rename = "replay_delay_ms", with = "milliseconds")]
    pub replay_delay: Duration,
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
            cpu: Duration::from_secs(2),
            delivery_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(60),
            http_requests_per_call: 50,
            http_timeout: Duration::from_secs(20),
            http_attempts: 4,
            http_retry_delay: Duration::from_millis(250),
            http_response_bytes: 8 << 20,
            transfer_bytes: 16 << 20,
            result_items: 50_000,
            result_text_bytes: 64 << 10,
            delivery_answer_bytes: 64 << 10,
            storage_keys_per_connection: 100_000,
            storage_bytes_per_connection: 64 << 20,
            storage_timeout: Duration::from_secs(4),
            ledger_timeout: Duration::from_secs(15),
            log_lines_per_call: 100,
            log_lines_per_minute: 1_000,
            component_bytes: 16 << 20,
            component_load_timeout: Duration::from_secs(120),
            delivery_bytes: 4 << 20,
            api_request_bytes: 256 << 10,
            large_requests: 32,
            connections: 800,
            connections_per_source: 200,
            header_bytes: 32 << 10,
            header_timeout: Duration::from_secs(15),
            request_read_timeout: Duration::from_secs(10),
            request_stall_timeout: Duration::from_secs(5),
            response_stall_timeout: Duration::from_secs(30),
            refused_deliveries_per_second: 100,
            refusal_delay: Duration::from_millis(50),
            wrong_admin_tokens: 10,
            lock_out: Duration::from_secs(30),
            shutdown: Duration::from_secs(10),
            conflict_retries: 5,
            sealing_key_command: Duration::from_secs(30),
            directory_timeout: Duration::from_secs(10),
            backup_stall: Duration::from_secs(60),
            delivery_log_rows: 10_000,
            delivery_log_days: 90,
            failed_deliveries: 1_000,
            failed_delivery_bytes: 64 << 20,
            failed_delivery_days: 30,
            replay_delay: Duration::from_secs(10),
            replay_attempts: 100,
        }
    }
}

/// Times as the configuration has them: whole milliseconds, under keys that end in `_ms`. To be named by `serde(with)`.
pub mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes a time. What is longer than a number can say is the longest that it can.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a time.
    ///
    /// # Errors
    /// It is no whole number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
