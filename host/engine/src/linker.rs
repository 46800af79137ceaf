//! What the host lends: the one place where imports are defined.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::p2::bindings::clocks::wall_clock;
use wasmtime_wasi::p2::bindings::random::random;
use wasmtime_wasi::random::WasiRandom;

use super::call::CallState;
use crate::bindings::wasi::logging::logging;
use crate::bindings::worksights::integration::{http, storage, user_directory};
use crate::capability::directory::LentDirectory;
use crate::capability::http::CallHttp;
use crate::capability::logging::LentLog;
use integration_host_storage::UnitOfWork;

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
pub(super) fn lends(import: &str) -> bool {
    let interface = import
        .split_once('@')
        .map_or(import, |(interface, _)| interface);
    LENT.contains(&interface)
}

/// A linker with everything the host lends, and nothing else.
pub(super) fn build_linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    http::add_to_linker::<_, HasSelf<CallHttp>>(&mut linker, |call: &mut CallState| {
        &mut call.http
    })?;
    storage::add_to_linker::<_, HasSelf<UnitOfWork>>(&mut linker, |call| &mut call.storage)?;
    user_directory::add_to_linker::<_, HasSelf<LentDirectory>>(&mut linker, |call| {
        &mut call.directory
    })?;
    logging::add_to_linker::<_, HasSelf<LentLog>>(&mut linker, |call| &mut call.log)?;
    wall_clock::add_to_linker::<_, WasiClocks>(&mut linker, |call| WasiClocksCtxView {
        ctx: call.wasi.clocks(),
        table: &mut call.wasi_table,
    })?;
    random::add_to_linker::<_, WasiRandom>(&mut linker, |call| call.wasi.random())?;
    Ok(linker)
}
