//! What the tests of the console need beside this workspace: a browser, and axe-core.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::command::{run, target_directory};

/// The version of axe-core the pages are held to, and what npm says its archive's checksum is. A newer
/// version knows more rules: raise it on purpose.
const AXE_CORE: &str = "axe-core@4.14.1";
const AXE_CORE_INTEGRITY: &str = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// What is needed of the archive.
const AXE_CORE_SCRIPT: &str = "package/axe.min.js";

/// What Chromium is called where.
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Whether a test run without a browser is a failure: `BROWSER_TESTS=required` says so.
pub fn is_required() -> bool {
    env::var_os("BROWSER_TESTS").is_some_and(|value| value == "required")
}

/// Fails with what is missing and where to get it.
pub fn ensure() -> Result<()> {
    let named = |variable: &str| env::var_os(variable).into_iter();
    let chromium = named("CHROMIUM").chain(CHROMIUM.map(OsString::from));
    let chromedriver = named("CHROMEDRIVER").chain(["chromedriver".into()]);
    if first_that_runs(chromium).is_none() || first_that_runs(chromedriver).is_none() {
        bail!(
            "Chromium or chromedriver is missing; install Debian's packages chromium and chromium-driver, or name the programs in CHROMIUM and CHROMEDRIVER"
        );
    }
    Ok(())
}

fn first_that_runs(mut programs: impl Iterator<Item = OsString>) -> Option<OsString> {
    programs.find(|program| {
        let version = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    })
}

/// The script of axe-core. It is fetched once and kept in the target folder.
pub fn axe_core() -> Result<PathBuf> {
    let folder = target_directory().join("browser");
    let fetched = folder.join(AXE_CORE);
    if !fetched.join(AXE_CORE_SCRIPT).is_file() {
        fetch_axe_core(&fetched)?;
    }
    let script = folder.join("axe.min.js");
    fs::copy(fetched.join(AXE_CORE_SCRIPT), &script)?;
    Ok(script)
}

/// Fetches axe-core with npm into a folder.
fn fetch_axe_core(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let packed = Command::new("npm")
        .args(["pack", AXE_CORE, "--json", "--silent"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| {
            format!("{AXE_CORE} is needed, and npm, which fetches it, cannot be started; install Debian's package npm")
        })?;
    let packed: Value = serde_json::from_slice(&packed.stdout)
        .with_context(|| format!("npm could not fetch {AXE_CORE}"))?;
    let named = |pointer| packed.pointer(pointer).and_then(Value::as_str);
    let integrity = named("/0/integrity").context("npm names no checksum")?;
    if integrity != AXE_CORE_INTEGRITY {
        bail!("{AXE_CORE} is not what it was when it was chosen: its checksum is {integrity}");
    }
    let archive = named("/0/filename").context("npm names no archive")?;
    run(Command::new("tar")
        .args(["-xzf", archive, AXE_CORE_SCRIPT])
        .current_dir(folder))
}
