//! The compiled component.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use integration_host_contract::limits::Limits;
use integration_host_contract::{Manifest, Pacing};
use integration_host_engine::{Engine, Integration};
use tempfile::TempDir;

/// Longer than an input may take.
const LONG: Duration = Duration::from_secs(120);

/// An engine, and the folder that keeps it from compiling the component more than once.
static ENGINE: LazyLock<Mutex<(Engine, TempDir)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    // How long a call may wait is for the fuzzer to say, which knows how busy the machine may be.
    let limits = Limits {
        delivery_timeout: LONG,
        call_timeout: LONG,
        ..Limits::default()
    };
    let engine = Engine::new(limits, Some(folder.path())).expect("an engine");
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

/// What it says of itself, but that nobody is spared by waiting: no Toggl here is a real one.
pub fn unpaced_manifest(integration: &Integration) -> Manifest {
    Manifest {
        pacing: Pacing {
            burst: u32::MAX,
            requests_per_minute: u32::MAX,
            longest_quota_seconds: 0,
        },
        ..integration.manifest().clone()
    }
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
