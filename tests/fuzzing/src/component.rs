//! The compiled component.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use integration_host::engine::{Engine, Integration};
use integration_host::limits::Limits;
use tempfile::TempDir;

/// An engine, and the folder that keeps it from compiling the component more than once.
static ENGINE: LazyLock<Mutex<(Engine, TempDir)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::new(Limits::default(), Some(folder.path())).expect("an engine");
    Mutex::new((engine, folder))
});

/// Loads the component.
pub async fn load() -> Integration {
    let engine = ENGINE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .0
        .clone();
    let path = path();
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{} cannot be read ({error}); build it with `cargo xtask test` or `cargo xtask fuzz`",
            path.display()
        )
    });
    Integration::load(&engine, &bytes)
        .await
        .expect("the component loads")
}

/// Where `cargo xtask` says it is, or has put it.
fn path() -> PathBuf {
    let below = Path::new("dist/toggl.wasm");
    if let Some(path) = std::env::var_os("TOGGL_COMPONENT") {
        return path.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .map(|folder| folder.join(below))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")).join(below)
        })
}
