//! What `cargo xtask test` has built.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use integration_host_contract::limits::Limits;
use integration_host_engine::{Engine, Integration};

/// The Toggl component.
pub fn component() -> Result<PathBuf> {
    built("TOGGL_COMPONENT", "dist/toggl.wasm")
}

/// The component that misbehaves on purpose.
pub fn misbehaving_component() -> Result<PathBuf> {
    built("MISBEHAVING_COMPONENT", "dist/misbehaving.wasm")
}

/// The storage provider that is a component.
pub fn keyvalue_storage_component() -> Result<PathBuf> {
    built("KEYVALUE_STORAGE_COMPONENT", "dist/keyvalue-storage.wasm")
}

/// The host program.
pub fn host_program() -> Result<PathBuf> {
    built("INTEGRATION_HOST_PROGRAM", "debug/integration-host")
}

/// The sandbox Toggl as a program.
pub fn sandbox_program() -> Result<PathBuf> {
    built("TOGGL_SANDBOX_PROGRAM", "debug/toggl-sandbox")
}

/// The script of axe-core, which looks for what keeps people from using a page.
pub(crate) fn axe_core() -> Result<String> {
    let path = built("AXE_CORE", "browser/axe.min.js")?;
    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The folder of the host program.
pub fn program_folder() -> Result<PathBuf> {
    host_program()?
        .parent()
        .map(Path::to_owned)
        .context("the host program is in no folder")
}

/// Loads a component into an engine with these limits.
pub async fn load_component(path: &Path, limits: Limits) -> Result<Integration> {
    let bytes = std::fs::read(path)?;
    let engine = Engine::new(limits, None)?;
    Ok(Integration::load(&engine, &bytes).await?)
}

fn built(variable: &str, below_target: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => target_directory()?.join(below_target),
    };
    if !path.is_file() {
        bail!(
            "{} is missing; run the tests with `cargo xtask test`",
            path.display()
        );
    }
    Ok(path)
}

/// The folder this program was built into.
fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
        .context("the target folder cannot be found; run the tests with `cargo xtask test`")
}
