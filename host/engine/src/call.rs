//! One call: an instance of its own, limits around it, and a unit of work that is committed at the end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, info_span};
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder};

use super::concurrency::{CallClass, Full};
use super::cpu::CpuClock;
use super::limit_exceeded::{LimitExceeded, LimitKind};
use super::memory::MemoryLimiter;
use super::result_limits::{Given, ResultLimits, Returned, sentence_of};
use super::{CallError, Engine, Integration};
use crate::bindings::IntegrationComponentPre;
use crate::bindings::exports::worksights::integration::integration::{
    Error as WitError, Guest as Exports,
};
use crate::capability::directory::CallDirectory;
use crate::capability::http::{CallHttp, SecretSource, Terms};
use crate::capability::logging::CallLog;
use crate::confidential::Confidential;
use integration_host_contract::clock::{Clock, SystemClock};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{IntegrationError, Manifest};
use integration_host_directory::{EmptyDirectory, UserDirectory};
use integration_host_http::{LeaseDeadline, OutboundHttp};
use integration_host_seal::secret::Secrets;
use integration_host_storage::{
    Commit, INTEGRATION_AREA, KeyValueStore, Listener, MemoryStore, UnitOfWork,
};

/// The largest amount of random bytes a call may ask for at once.
const MAX_RANDOM_BYTES: u64 = 4096;

/// The export that takes deliveries. It has a line of its own.
pub(super) const HANDLE_WEBHOOK: &str = "handle-webhook";

/// Which connection a call is for, and what it is lent.
#[derive(Clone)]
pub struct CallContext {
    /// The connection.
    pub connection: ConnectionId,
    /// Its keys and values.
    pub store: Arc<dyn KeyValueStore>,
    /// Its secrets, looked up when a request first needs one.
    pub secrets: SecretSource,
    /// What it sends requests by the right of; when one ends, it sends no more.
    pub lease_deadlines: Vec<LeaseDeadline>,
    /// Whether a person asked for it: then it is tried although the remote service was found to refuse.
    pub asked_by_person: bool,
    /// Becomes true when a request was sent that must not be sent twice, and no answer said what came of it.
    pub unanswered: Arc<AtomicBool>,
    /// The platform's users.
    pub directory: Arc<dyn UserDirectory>,
    /// HTTP.
    pub http: Arc<OutboundHttp>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Whether a connection may store what a call wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It may.
    Enough,
    /// It stores as much as it may already, so nothing of it is committed.
    None,
}

/// What one instance can reach.
pub(super) struct CallState {
    pub(super) http: CallHttp,
    pub(super) storage: UnitOfWork,
    pub(super) directory: CallDirectory,
    pub(super) log: CallLog,
    confidential: Arc<Confidential>,
    pub(super) wasi: WasiCtx,
    pub(super) wasi_table: ResourceTable,
    memory: MemoryLimiter,
}

/// One use of a function of a component.
pub(super) struct Call<'a> {
    engine: &'a Engine,
    connection: &'a ConnectionId,
    export: &'static str,
    /// How long it may take, from start to end.
    time: Duration,
    deadline: Instant,
    pub(super) clock: CpuClock,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        connection: &'a ConnectionId,
        export: &'static str,
        time: Duration,
    ) -> Self {
        Self {
            engine,
            connection,
            export,
            time,
            deadline: Instant::now() + time,
            clock: CpuClock::new(),
        }
    }

    /// Runs it when it is its turn, until its deadline, and says in the log what stopped it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        let (connection, export) = (self.connection, self.export);
        let line = match export {
            HANDLE_WEBHOOK => CallClass::Deliveries,
            _ => CallClass::Others,
        };
        let turn = self.engine.limiter.enter(connection, line);
        let result = match timeout_at(self.deadline, turn).await {
            Ok(Ok(slot)) => {
                // Everything that is logged during the call carries these two.
                let span = info_span!("call", %connection, export);
                let work = async move {
                    let result = work.await;
                    drop(slot);
                    result
                };
                let run = self
                    .engine
                    .scheduler
                    .run(connection, &self.clock, work.instrument(span));
                match timeout_at(self.deadline, run).await {
                    Ok(ended) => ended.unwrap_or(Err(CallError::Busy)),
                    Err(_) => Err(CallError::TimedOut {
                        export,
                        time: self.time,
                    }),
                }
            }
            Ok(Err(Full)) | Err(_) => Err(CallError::Busy),
        };
        if let Err(error) = &result {
            self.engine.report(connection, export, error);
        }
        result
    }
}

impl Integration {
    /// Runs `export` in a new instance and commits what it wrote to storage. When the commit loses a
    /// race, the call is run again, at most `conflict_retries` times.
    pub(super) async fn run<A: Given + Send + Sync + 'static, T: Returned + Send + 'static>(
        &self,
        context: &CallContext,
        name: &'static str,
        time: Duration,
        conflict_retries: u32,
        arguments: A,
        export: impl for<'a> Fn(
            &'a Exports,
            &'a mut Store<CallState>,
            &'a A,
        ) -> BoxFuture<'a, wasmtime::Result<Result<T, WitError>>>
        + Send
        + Sync
        + 'static,
    ) -> Result<T::Plain, CallError>
    where
        T::Plain: Send + 'static,
    {
        let full = self.engine.storage_full();
        let keep =
            move |value: T::Plain, room: Room| -> BoxFuture<'static, Result<T::Plain, CallError>> {
                let kept = match room {
                    Room::Enough => Ok(value),
                    Room::None => Err(CallError::stopped(name, full.clone())),
                };
                Box::pin(std::future::ready(kept))
            };
        self.run_and_hand_over(
            context,
            name,
            time,
            conflict_retries,
            arguments,
            export,
            keep,
        )
        .await
    }

    /// The same, except that what the call returned is handed over before what it wrote is committed, and nothing is
    /// committed if that fails, or if there is no room for it. It may be handed over again, when the commit loses a
    /// race or the host is killed in between: so storage never says that something was told which was not.
    #[expect(clippy::too_many_arguments, reason = "they are those of a call")]
    pub(super) async fn run_and_hand_over<
        A: Given + Send + Sync + 'static,
        T: Returned + Send + 'static,
        R: Send + 'static,
    >(
        &self,
        context: &CallContext,
        name: &'static str,
        time: Duration,
        conflict_retries: u32,
        arguments: A,
        export: impl for<'a> Fn(
            &'a Exports,
            &'a mut Store<CallState>,
            &'a A,
        ) -> BoxFuture<'a, wasmtime::Result<Result<T, WitError>>>
        + Send
        + Sync
        + 'static,
        hand_over: impl Fn(T::Plain, Room) -> BoxFuture<'static, Result<R, CallError>>
        + Send
        + Sync
        + 'static,
    ) -> Result<R, CallError>
    where
        T::Plain: Send,
    {
        let call = Call::new(&self.engine, &context.connection, name, time);
        let (engine, pre, context) = (self.engine.clone(), self.pre.clone(), context.clone());
        let (deadline, clock) = (call.deadline, call.clock.clone());
        let longest_wait = self.manifest().pacing.longest_wait_seconds();
        let attempts = async move {
            for _ in 0..=conflict_retries {
                let mut store = new_store(&engine, &context, deadline, &clock);
                let result = {
                    let component = pre
                        .instantiate_async(&mut store)
                        .await
                        .map_err(|error| CallError::ended(name, &error))?;
                    export(
                        component.worksights_integration_integration(),
                        &mut store,
                        &arguments,
                    )
                    .await
                    .map_err(|error| CallError::ended(name, &error))?
                };
                let confidential = Arc::clone(&store.data().confidential);
                if let Some(text) = arguments.confidential() {
                    confidential.note(text.as_bytes());
                }
                let value = without_secrets(result, &confidential)
                    .await
                    .map_err(|error| IntegrationError::from(error).waiting_at_most(longest_wait))?;
                let value = ResultLimits::take(value, &engine.limits)
                    .map_err(|exceeded| CallError::stopped(name, exceeded))?;
                let unit = store.into_data().storage;
                if !engine.quota.admits(&unit).await? {
                    return hand_over(value, Room::None).await;
                }
                let value = hand_over(value, Room::Enough).await?;
                match unit.finish().await? {
                    Commit::Committed => return Ok(value),
                    Commit::Conflict => {}
                }
            }
            Err(CallError::Conflict)
        };
        call.run(attempts).await
    }
}

/// What a component returned, without the secrets that its sentences may repeat.
async fn without_secrets<T: Returned>(
    mut result: Result<T, WitError>,
    confidential: &Confidential,
) -> Result<T, WitError> {
    let sentences = match &mut result {
        Ok(value) => value.sentences(),
        Err(error) => vec![sentence_of(error)],
    };
    for sentence in sentences {
        *sentence = confidential.blot(std::mem::take(sentence)).await;
    }
    result
}

fn new_store(
    engine: &Engine,
    context: &CallContext,
    deadline: Instant,
    clock: &CpuClock,
) -> Store<CallState> {
    let limits = &engine.limits;
    let confidential = Arc::new(Confidential::new(
        context.connection.clone(),
        context.secrets.clone(),
    ));
    let state = CallState {
        http: CallHttp::new(
            Arc::clone(&context.http),
            context.connection.clone(),
            context.secrets.clone(),
            Terms {
                lease_deadlines: context.lease_deadlines.clone(),
                asked_by_person: context.asked_by_person,
                unanswered: Arc::clone(&context.unanswered),
            },
            deadline,
            Arc::clone(&engine.warnings),
            Arc::clone(&confidential),
        ),
        storage: UnitOfWork::new(
            Arc::clone(&context.store),
            Arc::clone(&context.clock),
            context.connection.clone(),
            INTEGRATION_AREA,
        )
        .telling(noting(&confidential)),
        directory: CallDirectory::new(Arc::clone(&context.directory)),
        log: CallLog::new(
            context.connection.clone(),
            limits.log_lines_per_call,
            Arc::clone(&engine.guest_lines),
            Arc::clone(&confidential),
        ),
        confidential,
        wasi: WasiCtxBuilder::new()
            .wall_clock(WallClock(Arc::clone(&context.clock)))
            .max_random_size(MAX_RANDOM_BYTES)
            .build(),
        wasi_table: ResourceTable::new(),
        memory: MemoryLimiter {
            max_memory_bytes: limits.memory_bytes,
        },
    };
    bounded(engine, state, |state| &mut state.memory, clock)
}

/// Takes note of the values that storage shows to a call.
fn noting(confidential: &Arc<Confidential>) -> Listener {
    let confidential = Arc::clone(confidential);
    Arc::new(move |value| confidential.note(value))
}

/// A place for one instance, which ends it at the engine's limits.
pub(super) fn bounded<T: Send + 'static>(
    engine: &Engine,
    state: T,
    memory: fn(&mut T) -> &mut MemoryLimiter,
    clock: &CpuClock,
) -> Store<T> {
    let limits = &engine.limits;
    let mut store = Store::new(&engine.inner, state);
    store.limiter(move |state| memory(state));
    store.set_hostcall_fuel(limits.transfer_bytes);
    // The component asks at every tick, as long as it runs, whether it may go on.
    let (clock, most) = (clock.clone(), limits.cpu);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if clock.spent() < most {
            return Ok(UpdateDeadline::Yield(1));
        }
        let text = format!("it used up its CPU time of {} ms", most.as_millis());
        Err(LimitExceeded::new(LimitKind::Cpu, text).into())
    });
    store
}

/// The host's clock as the component sees it.
pub(super) struct WallClock(pub(super) Arc<dyn Clock>);

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
        lease_deadlines: Vec::new(),
        asked_by_person: false,
        unanswered: Arc::default(),
        store: Arc::new(MemoryStore::new(Arc::new(SystemClock))),
        secrets: SecretSource::Given(Secrets::new()),
        directory: Arc::new(EmptyDirectory),
        http: Arc::new(OutboundHttp::nothing()),
        clock: Arc::new(SystemClock),
    };
    let export = "describe";
    let time = engine.limits.delivery_timeout;
    let call = Call::new(engine, &nothing.connection, export, time);
    let (engine, pre, context) = (engine.clone(), pre.clone(), nothing.clone());
    let (deadline, clock) = (call.deadline, call.clock.clone());
    let asking = async move {
        let mut store = new_store(&engine, &context, deadline, &clock);
        let component = pre
            .instantiate_async(&mut store)
            .await
            .map_err(|error| CallError::ended(export, &error))?;
        let manifest = component
            .worksights_integration_integration()
            .call_describe(&mut store)
            .await
            .map_err(|error| CallError::ended(export, &error))?;
        ResultLimits::take(manifest, &engine.limits)
            .map_err(|exceeded| CallError::stopped(export, exceeded))
    };
    call.run(asking).await
}
