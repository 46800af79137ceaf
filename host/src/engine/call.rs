//! One call: an instance of its own, limits around it, and a unit of work that is committed at the end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, Trap, UpdateDeadline};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder};

use super::{CallError, Engine, Integration, TICK};
use crate::bindings::IntegrationComponentPre;
use crate::bindings::exports::worksights::integration::integration::{
    Error as WitError, Guest as Exports,
};
use crate::capability::http::{CallHttp, HttpLender, SecretSource};
use crate::capability::logging::LentLog;
use crate::capability::storage::{
    Commit, INTEGRATION_AREA, KeyValueStore, MemoryStore, UnitOfWork,
};
use crate::capability::user_directory::{EmptyDirectory, LentDirectory, UserDirectory};
use crate::clock::{Clock, SystemClock};
use crate::contract::{IntegrationError, Manifest};
use crate::id::ConnectionId;
use crate::secret::Secrets;

/// The largest amount of random bytes a call may ask for at once.
const MAX_RANDOM_BYTES: u64 = 4096;

/// Which connection a call is for, and what it is lent.
#[derive(Clone)]
pub struct CallContext {
    /// The connection.
    pub connection: ConnectionId,
    /// Its keys and values.
    pub store: Arc<dyn KeyValueStore>,
    /// Its secrets, looked up when a request first needs one.
    pub secrets: SecretSource,
    /// The platform's users.
    pub directory: Arc<dyn UserDirectory>,
    /// HTTP.
    pub http: Arc<HttpLender>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What one instance can reach.
pub(super) struct CallState {
    pub(super) http: CallHttp,
    pub(super) storage: UnitOfWork,
    pub(super) directory: LentDirectory,
    pub(super) log: LentLog,
    pub(super) wasi: WasiCtx,
    pub(super) wasi_table: ResourceTable,
    memory: StoreLimits,
    ticks_left: u64,
}

impl Integration {
    /// Runs `export` in a new instance and commits what it wrote to storage. When the commit loses a
    /// race, the call is run again, at most `conflict_retries` times.
    pub(super) async fn run<A, T>(
        &self,
        context: &CallContext,
        name: &'static str,
        time: Duration,
        conflict_retries: u32,
        arguments: &A,
        export: impl for<'a> Fn(
            &'a Exports,
            &'a mut Store<CallState>,
            &'a A,
        ) -> BoxFuture<'a, wasmtime::Result<Result<T, WitError>>>,
    ) -> Result<T, CallError> {
        let deadline = Instant::now() + time;
        let attempts = async {
            for _ in 0..=conflict_retries {
                let _permit = self.engine.permits.acquire().await;
                let mut store = new_store(&self.engine, context, deadline);
                let result = {
                    let component = self
                        .pre
                        .instantiate_async(&mut store)
                        .await
                        .map_err(|error| trap(name, &error))?;
                    export(
                        component.worksights_integration_integration(),
                        &mut store,
                        arguments,
                    )
                    .await
                    .map_err(|error| trap(name, &error))?
                };
                let value = result.map_err(IntegrationError::from)?;
                match store.into_data().storage.finish().await? {
                    Commit::Committed => return Ok(value),
                    Commit::Conflict => {}
                }
            }
            Err(CallError::Conflict)
        };
        let result = timeout_at(deadline, attempts)
            .await
            .unwrap_or(Err(CallError::TimedOut { export: name, time }));
        if let Err(CallError::Trap { cause, .. }) = &result {
            warn!(connection = %context.connection, export = name, cause, "the integration failed");
        }
        result
    }
}

fn new_store(engine: &Engine, context: &CallContext, deadline: Instant) -> Store<CallState> {
    let limits = &engine.limits;
    let mut store = Store::new(
        &engine.inner,
        CallState {
            http: CallHttp::new(
                Arc::clone(&context.http),
                context.connection.clone(),
                context.secrets.clone(),
                deadline,
            ),
            storage: UnitOfWork::new(
                Arc::clone(&context.store),
                Arc::clone(&context.clock),
                context.connection.clone(),
                INTEGRATION_AREA,
            ),
            directory: LentDirectory(Arc::clone(&context.directory)),
            log: LentLog::new(context.connection.clone(), limits.log_lines_per_call),
            wasi: WasiCtxBuilder::new()
                .wall_clock(WallClock(Arc::clone(&context.clock)))
                .max_random_size(MAX_RANDOM_BYTES)
                .build(),
            wasi_table: ResourceTable::new(),
            memory: StoreLimitsBuilder::new()
                .memory_size(limits.memory_bytes)
                .trap_on_grow_failure(true)
                .build(),
            ticks_left: ticks(limits.cpu_ms),
        },
    );
    store.limiter(|state| &mut state.memory);
    // The callback runs only while the component does: a tick that passes during a host call
    // counts once, however long the host call took. So it counts CPU time, not waiting.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        let state = store.data_mut();
        state.ticks_left = state.ticks_left.saturating_sub(1);
        Ok(if state.ticks_left == 0 {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Yield(1)
        })
    });
    store
}

fn ticks(cpu_ms: u64) -> u64 {
    let tick_ms = u64::try_from(TICK.as_millis()).unwrap_or(u64::MAX);
    cpu_ms.div_ceil(tick_ms).max(1)
}

/// A trap, in words for the log.
fn trap(export: &'static str, error: &wasmtime::Error) -> CallError {
    let cause = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => "it used up its CPU time".to_owned(),
        Some(trap) => trap.to_string(),
        None => format!("{error:#}"),
    };
    CallError::Trap { export, cause }
}

/// The host's clock as the component sees it.
struct WallClock(Arc<dyn Clock>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::try_from(self.0.now().as_duration()).unwrap_or_default()
    }
}

/// Asks a component for its manifest. It has nothing to call yet.
pub(super) async fn describe(
    engine: &Engine,
    pre: &IntegrationComponentPre<CallState>,
) -> Result<Manifest, CallError> {
    let nothing = CallContext {
        connection: ConnectionId::new("describe"),
        store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
        secrets: SecretSource::Given(Secrets::new()),
        directory: Arc::new(EmptyDirectory),
        http: Arc::new(HttpLender::nothing()),
        clock: Arc::new(SystemClock),
    };
    let time = engine.limits.delivery_timeout();
    let deadline = Instant::now() + time;
    let asking = async {
        let mut store = new_store(engine, &nothing, deadline);
        let component = pre
            .instantiate_async(&mut store)
            .await
            .map_err(|error| trap("describe", &error))?;
        component
            .worksights_integration_integration()
            .call_describe(&mut store)
            .await
            .map(Manifest::from)
            .map_err(|error| trap("describe", &error))
    };
    timeout_at(deadline, asking)
        .await
        .unwrap_or(Err(CallError::TimedOut {
            export: "describe",
            time,
        }))
}
