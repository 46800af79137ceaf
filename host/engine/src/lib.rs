//! The engine: loads integration components and runs their calls.
//!
//! Three lifetimes: [`Engine`] lives as long as the process, [`Integration`] as long as a loaded
//! component, and a call has an instance of its own that is discarded when the call ends.
#![deny(missing_docs)]

pub mod bindings;
pub mod capability;
mod component_store;
mod confidential;
pub mod log_budget;

mod call;
mod concurrency;
mod config;
mod cpu;
mod cpu_scheduler;
mod error;
mod exports;
mod limit_exceeded;
mod load;
mod manifest;
mod memory;
mod result_limits;
mod storage_component;

pub use self::component_store::{ComponentStore, UnusableComponent};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::warn;

pub use self::call::CallContext;
use self::concurrency::{CallClass, ConcurrencyLimiter};
use self::config::{RESERVATIONS, Reservation};
use self::cpu_scheduler::CpuScheduler;
pub use self::error::{CallError, LoadError};
use self::limit_exceeded::LimitExceeded;
pub use self::limit_exceeded::LimitKind;
pub use self::storage_component::StorageComponent;
pub(crate) use self::storage_component::StorageContext;
use crate::bindings::IntegrationComponentPre;
use crate::log_budget::LogBudget;
use integration_host_contract::Manifest;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::limits::Limits;
use integration_host_contract::supervision;
use integration_host_storage::StorageQuota;

/// How often a component that computes lets others go first, and is asked whether it has used up its CPU
/// time.
const TICK: Duration = Duration::from_millis(2);

/// Memory of one instance of a storage provider: a list is made in one piece, and holds up to 64 values of 1 MiB when
/// the host goes through what a connection has.
const STORAGE_MEMORY_BYTES: usize = 256 << 20;

/// What it may hand over at once, for the same reason.
const STORAGE_TRANSFER_BYTES: usize = 128 << 20;

/// The engine of a process.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    /// What runs in it, as the log calls it.
    runs: &'static str,
    limits: Arc<Limits>,
    limiter: Arc<ConcurrencyLimiter>,
    scheduler: Arc<CpuScheduler>,
    quota: Arc<StorageQuota>,
    /// For what components log.
    guest_lines: Arc<LogBudget>,
    /// For what the host says about them.
    warnings: Arc<LogBudget>,
}

impl Engine {
    /// Starts the engine. `cache_directory` holds compiled components, so that the next start is quick.
    pub fn new(limits: Limits, cache_directory: Option<&Path>) -> Result<Self, LoadError> {
        Self::running("integration", limits, cache_directory)
    }

    /// An engine for a storage provider that is a component, with limits that suit one.
    pub fn for_storage(limits: &Limits, cache_directory: Option<&Path>) -> Result<Self, LoadError> {
        let limits = Limits {
            memory_bytes: STORAGE_MEMORY_BYTES,
            transfer_bytes: STORAGE_TRANSFER_BYTES,
            ..limits.clone()
        };
        Self::running("storage component", limits, cache_directory)
    }

    fn running(
        runs: &'static str,
        limits: Limits,
        cache_directory: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let inner = Self::with_enough_space(&limits, cache_directory)?;
        start_ticking(&inner)?;
        let scheduler =
            CpuScheduler::new().map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self {
            inner,
            runs,
            limiter: Arc::new(ConcurrencyLimiter::new(&limits)),
            scheduler: Arc::new(scheduler),
            quota: Arc::new(StorageQuota::new(
                limits.storage_keys_per_connection,
                limits.storage_bytes_per_connection,
            )),
            guest_lines: Arc::new(LogBudget::new(limits.log_lines_per_minute)),
            warnings: Arc::new(LogBudget::new(limits.log_lines_per_minute)),
            limits: Arc::new(limits),
        })
    }

    /// The engine, with as much address space as there is.
    fn with_enough_space(
        limits: &Limits,
        cache_directory: Option<&Path>,
    ) -> Result<wasmtime::Engine, LoadError> {
        let mut cause = String::new();
        for reservation in RESERVATIONS {
            let made = config::engine_config(limits, cache_directory, reservation)
                .and_then(|config| wasmtime::Engine::new(&config));
            match made {
                Ok(engine) => {
                    if reservation != Reservation::Whole {
                        warn!(
                            cause,
                            "this machine, or a limit of this process such as `ulimit -v`, has little address space, so memory is checked at every access and calls take a little longer"
                        );
                    }
                    return Ok(engine);
                }
                Err(error) => cause = format!("{error:#}"),
            }
        }
        Err(LoadError::Engine(format!(
            "{cause}; if memory or address space is short, set `concurrent_calls` in [limits] of host.toml to fewer than {}, or raise what limits this process, such as `ulimit -v`",
            limits.concurrent_calls
        )))
    }

    fn storage_full(&self) -> LimitExceeded {
        let text = format!(
            "it stores more than {} keys or {} bytes for this connection",
            self.limits.storage_keys_per_connection, self.limits.storage_bytes_per_connection
        );
        LimitExceeded::new(LimitKind::Storage, text)
    }

    /// Says in the log which limit a call hit, or that it trapped. What the integration itself reports as
    /// an error is not a failure of the call.
    fn report(&self, connection: &ConnectionId, export: &'static str, error: &CallError) {
        let limit = error.limit().map(LimitKind::as_str);
        let cause = match error {
            CallError::Trap { cause, .. } | CallError::Stopped { cause, .. } => cause.clone(),
            CallError::TimedOut { .. } | CallError::Busy => error.to_string(),
            _ => return,
        };
        if self.warnings.admits(connection) {
            warn!(%connection, export, limit, cause, "the {} was stopped", self.runs);
        }
    }
}

/// Advances the engine's epoch until the engine is gone.
fn start_ticking(engine: &wasmtime::Engine) -> Result<(), LoadError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            supervision::thread("epoch", |_| {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    thread::sleep(TICK);
                }
            });
        })
        .map(drop)
        .map_err(|error| LoadError::Engine(error.to_string()))
}

/// A loaded component, ready to run calls.
#[derive(Clone)]
pub struct Integration {
    engine: Engine,
    pre: IntegrationComponentPre<call::CallState>,
    manifest: Manifest,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Integration {
    /// Whether so many deliveries of a connection wait already that one more would be turned away.
    pub fn is_busy(&self, connection: &ConnectionId) -> bool {
        self.engine
            .limiter
            .is_full(connection, CallClass::Deliveries)
    }

    /// What the integration is and needs.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The limits of the engine that runs it.
    pub fn limits(&self) -> &Limits {
        &self.engine.limits
    }

    /// The interfaces the component imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces the component exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }
}
