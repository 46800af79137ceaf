//! The engine: loads integration components and runs their calls.
//!
//! Three lifetimes: [`Engine`] lives as long as the process, [`Integration`] as long as a loaded
//! component, and a call has an instance of its own that is discarded when the call ends.

mod call;
mod config;
mod error;
mod exports;
mod linker;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::Component;

pub use self::call::CallContext;
pub use self::error::{CallError, LoadError};
use self::linker::build_linker;
use crate::bindings::IntegrationComponentPre;
use crate::contract::Manifest;
use crate::limits::Limits;

/// How often the engine looks whether a call has used up its CPU time.
const TICK: Duration = Duration::from_millis(10);

/// The engine of a process.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    limits: Arc<Limits>,
    /// One permit per instance the pool holds.
    permits: Arc<Semaphore>,
}

impl Engine {
    /// Starts the engine. `cache_directory` holds compiled components, so that the next start is quick.
    pub fn new(limits: Limits, cache_directory: Option<&Path>) -> Result<Self, LoadError> {
        let engine_error = |error: wasmtime::Error| LoadError::Engine(format!("{error:#}"));
        let config = config::engine_config(&limits, cache_directory).map_err(engine_error)?;
        let inner = wasmtime::Engine::new(&config).map_err(engine_error)?;
        start_ticking(&inner)?;
        let permits = usize::try_from(limits.concurrent_calls).unwrap_or(usize::MAX);
        Ok(Self {
            inner,
            limits: Arc::new(limits),
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
        })
    }
}

/// Advances the engine's epoch until the engine is gone.
fn start_ticking(engine: &wasmtime::Engine) -> Result<(), LoadError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("epoch".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(|error| LoadError::Engine(error.to_string()))
}

/// A loaded component, ready to run calls.
pub struct Integration {
    engine: Engine,
    pre: IntegrationComponentPre<call::CallState>,
    manifest: Manifest,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Integration {
    /// Compiles a component, or takes it from the cache, and asks for its manifest.
    pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let component = Component::new(&engine.inner, bytes)
            .map_err(|error| LoadError::uncompiled(bytes, &error))?;
        let component_type = component.component_type();
        let imports: Vec<_> = component_type
            .imports(&engine.inner)
            .map(|(name, _)| name.to_owned())
            .collect();
        let exports: Vec<_> = component_type
            .exports(&engine.inner)
            .map(|(name, _)| name.to_owned())
            .collect();

        let linker =
            build_linker(&engine.inner).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        if let Some(import) = imports.iter().find(|import| !linker::lends(import)) {
            return Err(LoadError::UnknownImport(import.clone()));
        }
        let pre = linker
            .instantiate_pre(&component)
            .and_then(IntegrationComponentPre::new)
            .map_err(|error| LoadError::wrong_contract(&error))?;
        let manifest = call::describe(engine, &pre).await?;
        Ok(Self {
            engine: engine.clone(),
            pre,
            manifest,
            imports,
            exports,
        })
    }

    /// The limits of its calls and of what they lead to.
    pub(crate) fn limits(&self) -> &Limits {
        &self.engine.limits
    }

    /// What the integration is and needs.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
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
