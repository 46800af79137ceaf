//! Storage providers that are components: loading one, and calling it. The bounds are those of integrations, on
//! an engine of its own: an integration waits for its storage, so the two must not wait for the same turns.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::warn;
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::wall_clock;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use super::call::{Call, WallClock, bounded};
use super::load::compile;
use super::memory::MemoryLimiter;
use super::{CallError, Engine, LoadError};
use crate::bindings::storage_provider::StorageProviderPre;
use crate::bindings::storage_provider::exports::worksights::integration::storage as wit;
use crate::bindings::storage_provider::wasi::keyvalue::{atomics, store};
use crate::capability::keyvalue::LentBuckets;
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::KeyValueStore;

/// The interfaces a storage provider may import, without their versions.
const LENT: [&str; 3] = [
    "wasi:keyvalue/store",
    "wasi:keyvalue/atomics",
    "wasi:clocks/wall-clock",
];

/// The interface it must export.
const STORAGE: &str = "worksights:integration/storage@0.1.0";

/// A loaded storage provider, ready to run calls.
#[derive(Clone)]
pub struct StorageComponent {
    engine: Engine,
    pre: StorageProviderPre<ProviderState>,
}

/// Which connection a call is for, and what it is lent.
pub(crate) struct StorageContext {
    pub(crate) connection: ConnectionId,
    /// What keeps the buckets.
    pub(crate) buckets: Arc<dyn KeyValueStore>,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long it may take, from start to end.
    pub(crate) timeout: Duration,
}

/// What one instance can reach.
struct ProviderState {
    buckets: LentBuckets,
    wasi: WasiCtx,
    wasi_table: ResourceTable,
    memory: MemoryLimiter,
}

impl StorageComponent {
    /// Compiles a component, or takes it from the cache.
    ///
    /// # Errors
    /// It is no component, exports no storage, or imports what a storage provider is not lent.
    pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let component = compile(engine, bytes).await?;
        let component_type = component.component_type();
        let mut exports = component_type.exports(&engine.inner);
        if !exports.any(|(name, _)| name == STORAGE) {
            return Err(LoadError::NoStorage);
        }
        let lends = |import: &str| LENT.contains(&import.split('@').next().unwrap_or_default());
        let mut imports = component_type.imports(&engine.inner);
        if let Some((import, _)) = imports.find(|(import, _)| !lends(import)) {
            return Err(LoadError::UnknownImport(import.to_owned()));
        }
        let linker =
            build_linker(&engine.inner).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let pre = linker
            .instantiate_pre(&component)
            .and_then(StorageProviderPre::new)
            .map_err(|error| LoadError::wrong_contract(&error))?;
        Ok(Self {
            engine: engine.clone(),
            pre,
        })
    }

    /// The entry with this key.
    pub(crate) async fn get(
        &self,
        context: StorageContext,
        key: String,
    ) -> Result<Result<Option<wit::Entry>, wit::Error>, CallError> {
        self.run(context, "get", key, |exports, store, key| {
            Box::pin(exports.call_get(store, key))
        })
        .await
    }

    /// Entries whose key starts with `prefix`, beginning after the key `after`.
    pub(crate) async fn list(
        &self,
        context: StorageContext,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Vec<wit::Entry>, wit::Error>, CallError> {
        let arguments = (prefix, after, limit);
        self.run(context, "list", arguments, |exports, store, arguments| {
            let (prefix, after, limit) = arguments;
            Box::pin(exports.call_list(store, prefix, after.as_deref(), *limit))
        })
        .await
    }

    /// Applies all writes if every expectation holds.
    pub(crate) async fn commit(
        &self,
        context: StorageContext,
        expected: Vec<wit::Expectation>,
        writes: Vec<wit::Write>,
    ) -> Result<Result<wit::CommitOutcome, wit::Error>, CallError> {
        let arguments = (expected, writes);
        self.run(context, "commit", arguments, |exports, store, arguments| {
            let (expected, writes) = arguments;
            Box::pin(exports.call_commit(store, expected, writes))
        })
        .await
    }

    /// Says in the log that it returned what it must not.
    pub(crate) fn report_breach(&self, connection: &ConnectionId, export: &str, cause: &str) {
        if self.engine.warnings.admits(connection) {
            warn!(%connection, export, cause, "the storage component breaks its contract");
        }
    }

    /// Runs `export` in a new instance. What it returns is as the component says.
    async fn run<A: Send + Sync + 'static, T: Send + 'static>(
        &self,
        context: StorageContext,
        name: &'static str,
        arguments: A,
        export: impl for<'a> FnOnce(
            &'a wit::Guest,
            &'a mut Store<ProviderState>,
            &'a A,
        ) -> BoxFuture<'a, wasmtime::Result<Result<T, wit::Error>>>
        + Send
        + 'static,
    ) -> Result<Result<T, wit::Error>, CallError> {
        let (engine, pre) = (&self.engine, self.pre.clone());
        let call = Call::new(engine, &context.connection, name, context.timeout);
        let state = ProviderState {
            buckets: LentBuckets::new(context.buckets, context.connection.clone()),
            wasi: WasiCtxBuilder::new()
                .wall_clock(WallClock(context.clock))
                .build(),
            wasi_table: ResourceTable::new(),
            memory: MemoryLimiter {
                max_memory_bytes: engine.limits.memory_bytes,
            },
        };
        let mut store = bounded(engine, state, |state| &mut state.memory, &call.clock);
        let calling = async move {
            let component = pre
                .instantiate_async(&mut store)
                .await
                .map_err(|error| CallError::ended(name, &error))?;
            let exports = component.worksights_integration_storage();
            export(exports, &mut store, &arguments)
                .await
                .map_err(|error| CallError::ended(name, &error))
        };
        call.run(calling).await
    }
}

fn build_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<ProviderState>> {
    let mut linker = Linker::new(engine);
    store::add_to_linker::<_, HasSelf<LentBuckets>>(&mut linker, |call: &mut ProviderState| {
        &mut call.buckets
    })?;
    atomics::add_to_linker::<_, HasSelf<LentBuckets>>(&mut linker, |call| &mut call.buckets)?;
    wall_clock::add_to_linker::<_, WasiClocks>(&mut linker, |call| WasiClocksCtxView {
        ctx: call.wasi.clocks(),
        table: &mut call.wasi_table,
    })?;
    Ok(linker)
}
