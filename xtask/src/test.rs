//! Everything that must hold before a change is accepted.

use std::ffi::OsString;

use anyhow::Result;

use crate::build;
use crate::command::{cargo, run};

/// Formatting, lints, and every test.
pub fn everything(arguments: Vec<OsString>) -> Result<()> {
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
    step("tests");
    run(cargo()
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(arguments)
        .env("TOGGL_COMPONENT", component)
        .env("MISBEHAVING_COMPONENT", misbehaving)
        .env("INTEGRATION_HOST_PROGRAM", programs.host)
        .env("TOGGL_SANDBOX_PROGRAM", programs.sandbox))
}

fn step(name: &str) {
    eprintln!("── {name}");
}
