//! Building the component and the programs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, run, target_directory};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Builds the Toggl component and returns its path.
pub fn component() -> Result<PathBuf> {
    wasm("toggl-integration", "toggl.wasm")
}

/// Builds the storage provider that is a component and returns its path.
pub fn keyvalue_storage() -> Result<PathBuf> {
    wasm("keyvalue-storage", "keyvalue-storage.wasm")
}

/// Builds the component that tests how misbehaviour is contained, and returns its path.
pub fn misbehaving_component() -> Result<PathBuf> {
    wasm("misbehaving", "misbehaving.wasm")
}

/// Builds a package as a component and puts it into the `dist` folder under this name.
fn wasm(package: &str, name: &str) -> Result<PathBuf> {
    ensure_wasm_target()?;
    run(cargo()
        .args(["build", "--lib", "--package", package])
        .args(["--target", WASM_TARGET, "--profile", "component"]))?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    let built = target_directory()
        .join(WASM_TARGET)
        .join("component")
        .join(file);
    let distribution = target_directory().join("dist");
    fs::create_dir_all(&distribution)
        .with_context(|| format!("{} cannot be made", distribution.display()))?;
    let component = distribution.join(name);
    fs::copy(&built, &component).with_context(|| format!("{} is missing", built.display()))?;
    Ok(component)
}

/// Builds the two programs that the demo runs and returns their paths: nothing that only tests or other providers need,
/// and as quickly as may be.
pub fn demo_programs() -> Result<(PathBuf, PathBuf)> {
    let (host, sandbox) = ("integration-host", "toggl-sandbox");
    run(cargo()
        .args(["build", "--profile", "demo", "--no-default-features"])
        .args(["--package", "integration-host-cli", "--bin", host])
        .args(["--package", sandbox, "--bin", sandbox]))?;
    let folder = target_directory().join("demo");
    Ok((folder.join(host), folder.join(sandbox)))
}

/// The programs that the tests run.
pub struct Programs {
    pub folder: PathBuf,
    pub host: PathBuf,
    pub sandbox: PathBuf,
    /// Runs a command with servers of other makers beside it.
    pub services: PathBuf,
}

/// Builds all programs for development. The whole workspace at once, so that every dependency is built
/// once, with the same features.
pub fn programs() -> Result<Programs> {
    run(cargo().args(["build", "--workspace", "--bins"]))?;
    let folder = target_directory().join("debug");
    Ok(Programs {
        host: folder.join("integration-host"),
        sandbox: folder.join("toggl-sandbox"),
        services: folder.join("test-services"),
        folder,
    })
}

/// Builds the host for production and returns its path.
pub fn release_host() -> Result<PathBuf> {
    let name = "integration-host";
    let package = "integration-host-cli";
    run(cargo().args(["build", "--release", "--package", package, "--bin", name]))?;
    Ok(target_directory().join("release").join(name))
}

/// Adds the WebAssembly target where rustup did not do so by itself.
fn ensure_wasm_target() -> Result<()> {
    let sysroot = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .context("rustc cannot be started; install Rust from https://rustup.rs")?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if libraries.is_dir() {
        return Ok(());
    }
    eprintln!("Adding the target {WASM_TARGET} …");
    let added = run(Command::new("rustup").args(["target", "add", WASM_TARGET]));
    if let Err(error) = added {
        bail!("the target {WASM_TARGET} is missing and could not be added: {error:#}");
    }
    Ok(())
}
