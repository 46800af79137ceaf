//! Loading a component: from a file's bytes to something that can run calls, and the one place where what it may import is
//! defined.

use std::thread;

use tokio::sync::oneshot;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::wall_clock;
use wasmtime_wasi::p2::bindings::random::random;
use wasmtime_wasi::random::WasiRandom;

use super::call::CallState;
use super::{Engine, Integration, LoadError, call, manifest};
use crate::bindings::IntegrationComponentPre;
use crate::bindings::wasi::logging::logging;
use crate::bindings::worksights::integration::{http, storage, user_directory};
use crate::capability::directory::CallDirectory;
use crate::capability::http::CallHttp;
use crate::capability::logging::CallLog;
use integration_host_storage::UnitOfWork;

impl Integration {
    /// Compiles a component, or takes it from the cache, and asks for its manifest.
    pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let component = compile(engine, bytes).await?;
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
        if let Some(import) = imports.iter().find(|import| !lends(import)) {
            return Err(LoadError::UnknownImport(import.clone()));
        }
        let pre = linker
            .instantiate_pre(&component)
            .and_then(IntegrationComponentPre::new)
            .map_err(|error| LoadError::wrong_contract(&error))?;
        let manifest = call::describe(engine, &pre).await?;
        if let Some(fault) = manifest::fault(&manifest) {
            return Err(LoadError::BadManifest(fault));
        }
        Ok(Self {
            engine: engine.clone(),
            pre,
            manifest,
            imports,
            exports,
        })
    }
}

/// Compiles within bounds. It cannot be interrupted, so it has a thread of its own, which a host that
/// gives up leaves behind when it ends; the size of the file bounds how long it can go on.
pub(super) async fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    let limits = &engine.limits;
    if bytes.len() > limits.component_bytes {
        return Err(LoadError::TooLarge {
            most: limits.component_bytes,
        });
    }
    let (sender, compiled) = oneshot::channel();
    let (inner, copy) = (engine.inner.clone(), bytes.to_vec());
    thread::Builder::new()
        .name("compile".into())
        .spawn(move || drop(sender.send(Component::new(&inner, copy))))
        .map_err(|error| LoadError::Engine(error.to_string()))?;
    let time = limits.component_load_timeout;
    match tokio::time::timeout(time, compiled).await {
        Ok(Ok(result)) => result.map_err(|error| LoadError::uncompiled(bytes, &error)),
        Ok(Err(_)) => Err(LoadError::Broken("the compiler failed".to_owned())),
        Err(_) => Err(LoadError::TooSlow { time }),
    }
}

/// The interfaces a component may import, without their versions.
const LENT: [&str; 6] = [
    "worksights:integration/http",
    "worksights:integration/storage",
    "worksights:integration/user-directory",
    "wasi:clocks/wall-clock",
    "wasi:random/random",
    "wasi:logging/logging",
];

/// Whether an import, such as `wasi:random/random@0.2.0`, is of an interface the host lends.
fn lends(import: &str) -> bool {
    let interface = import
        .split_once('@')
        .map_or(import, |(interface, _)| interface);
    LENT.contains(&interface)
}

/// A linker with everything the host lends, and nothing else.
fn build_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    http::add_to_linker::<_, HasSelf<CallHttp>>(&mut linker, |call: &mut CallState| {
        &mut call.http
    })?;
    storage::add_to_linker::<_, HasSelf<UnitOfWork>>(&mut linker, |call| &mut call.storage)?;
    user_directory::add_to_linker::<_, HasSelf<CallDirectory>>(&mut linker, |call| {
        &mut call.directory
    })?;
    logging::add_to_linker::<_, HasSelf<CallLog>>(&mut linker, |call| &mut call.log)?;
    wall_clock::add_to_linker::<_, WasiClocks>(&mut linker, |call| WasiClocksCtxView {
        ctx: call.wasi.clocks(),
        table: &mut call.wasi_table,
    })?;
    random::add_to_linker::<_, WasiRandom>(&mut linker, |call| call.wasi.random())?;
    Ok(linker)
}
