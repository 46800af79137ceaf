//! The SCIM service that the tests of user directories need: a Python program in an environment of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use crate::command::{run, target_directory, workspace};

/// What is installed: exact versions, and the checksums of their archives.
const REQUIREMENTS: &str = "tests/services/python/scim-server.txt";

/// The program. It is installed once and kept in the target folder.
pub fn program() -> Result<PathBuf> {
    let requirements = workspace().join(REQUIREMENTS);
    let folder = target_directory().join("scim-server");
    let program = folder.join("bin/scim2-server");
    // Written last, so that an installation that was cut off is made again.
    let installed = folder.join("installed.txt");
    let wanted = fs::read_to_string(&requirements)?;
    if program.is_file() && fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(program);
    }
    make_environment(&folder)?;
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--require-hashes"])
        .arg("--requirement")
        .arg(&requirements))
    .context("the SCIM service for the tests could not be installed")?;
    fs::write(installed, wanted)?;
    Ok(program)
}

fn make_environment(folder: &std::path::Path) -> Result<()> {
    let python = env::var_os("PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let output = Command::new(python)
        .args(["-m", "venv", "--clear"])
        .arg(folder)
        .stdin(Stdio::null())
        .output();
    if !output.is_ok_and(|output| output.status.success()) {
        bail!(
            "the SCIM service needs Python; install Debian's package python3-venv, or name a Python in PYTHON"
        );
    }
    Ok(())
}
