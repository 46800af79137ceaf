//! Everything that must hold before a change is accepted.

use std::ffi::OsString;

use anyhow::{Result, anyhow};

use crate::command::{cargo, run};
use crate::{browser, build};

/// Formatting, lints, and every test.
pub fn everything(arguments: Vec<OsString>) -> Result<()> {
    let browser = browser::ensure();
    if browser::is_required() {
        browser.as_ref().map_err(|missing| anyhow!("{missing}"))?;
    }
    step("formatting");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    step("the components");
    let component = build::component()?;
    let misbehaving = build::misbehaving_component()?;
    step("lints");
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    step("the programs");
    let programs = build::programs()?;
    let environment = [
        ("TOGGL_COMPONENT", component),
        ("MISBEHAVING_COMPONENT", misbehaving),
        ("INTEGRATION_HOST_PROGRAM", programs.host),
        ("TOGGL_SANDBOX_PROGRAM", programs.sandbox),
    ];
    step("tests");
    run(cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(&arguments)
        .envs(environment.clone()))?;
    if let Err(missing) = browser {
        step("the console was not tested");
        eprintln!(
            "{missing}; then this command includes its tests (tests/end-to-end/tests/console)"
        );
        return Ok(());
    }
    step("the console, in a browser");
    run(cargo()
        .args(["test", "--workspace", "--no-fail-fast", "--test", "console"])
        .args(only_ignored(arguments))
        .envs(environment)
        .env("AXE_CORE", browser::axe_core()?))
}

/// The tests of the console are marked as ignored, because whoever runs `cargo test` may have no browser.
fn only_ignored(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if !arguments.iter().any(|argument| argument == "--") {
        arguments.push("--".into());
    }
    arguments.push("--ignored".into());
    arguments
}

fn step(name: &str) {
    eprintln!("── {name}");
}
