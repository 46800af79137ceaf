//! Everything that must hold before a change is accepted.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Result, anyhow, bail};

use crate::command::{cargo, run, workspace};
use crate::{browser, build, scim_server, second_try};

/// Formatting, lints, links, and every test.
pub fn everything(arguments: Vec<OsString>) -> Result<()> {
    let browser = browser::ensure();
    if browser::is_required() {
        browser.as_ref().map_err(|missing| anyhow!("{missing}"))?;
    }
    let scim_server = scim_server::program();
    if services_are_required() {
        scim_server
            .as_ref()
            .map_err(|missing| anyhow!("{missing:#}"))?;
    }
    step("formatting");
    run(cargo().args(["fmt", "--all", "--check"]))?;
    step("the components");
    let component = build::component()?;
    let misbehaving = build::misbehaving_component()?;
    let keyvalue_storage = build::keyvalue_storage()?;
    step("lints");
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    // Parts that can be left out, and what is then built.
    for (package, features) in [
        ("integration-host-server", &[][..]),
        ("integration-host-cli", &[]),
        ("integration-conformance", &["--features", "storage"]),
    ] {
        run(cargo()
            .args(["clippy", "--package", package, "--no-default-features"])
            .args(features)
            .args(["--", "-D", "warnings"]))?;
    }
    step("links in the documentation");
    run(cargo()
        .args(["doc", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "-D warnings"))?;
    check_dependencies()?;
    step("the programs");
    let programs = build::programs()?;
    let mut environment = vec![
        ("TOGGL_COMPONENT", component),
        ("MISBEHAVING_COMPONENT", misbehaving),
        ("KEYVALUE_STORAGE_COMPONENT", keyvalue_storage),
        ("INTEGRATION_HOST_PROGRAM", programs.host),
        ("TOGGL_SANDBOX_PROGRAM", programs.sandbox),
    ];
    if let Ok(program) = &scim_server {
        environment.push(("SCIM_SERVER_PROGRAM", program.clone()));
    }
    step("tests");
    let tested = run_tests(&arguments, || {
        let mut with_services = Command::new(&programs.services);
        with_services
            .current_dir(workspace())
            .arg(cargo().get_program())
            .args(["test", "--workspace", "--no-fail-fast"])
            .envs(environment.clone());
        with_services
    });
    if let Err(missing) = scim_server {
        step("user directories by SCIM were not tested");
        eprintln!("{missing:#}; then this command includes their tests");
    }
    if let Err(missing) = browser {
        step("the console was not tested");
        eprintln!(
            "{missing}; then this command includes its tests (tests/end-to-end/tests/console)"
        );
        return tested;
    }
    step("the console, in a browser");
    let axe_core = browser::axe_core()?;
    let looked_at = run_tests(&only_ignored(arguments), || {
        let mut command = cargo();
        command
            .args(["test", "--workspace", "--no-fail-fast", "--test", "console"])
            .envs(environment.clone())
            .env("AXE_CORE", &axe_core);
        command
    });
    tested.and(looked_at)
}

/// Licences, versions and sources of what the programs are made of, where cargo-deny is installed.
fn check_dependencies() -> Result<()> {
    let is_installed = Command::new("cargo-deny")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if is_installed {
        step("licences, versions and sources of dependencies");
        return run(cargo().args(["deny", "check", "licenses", "bans", "sources"]));
    }
    step("licences, versions and sources of dependencies were not checked");
    let missing = "cargo-deny is missing: `cargo install --locked cargo-deny`";
    if env::var_os("DENY").is_some_and(|value| value == "required") {
        bail!("{missing}");
    }
    eprintln!("{missing}; then this command checks them");
    Ok(())
}

/// Runs tests; what fails gets a second try if `SECOND_TRY=allowed`.
fn run_tests(arguments: &[OsString], command: impl Fn() -> Command) -> Result<()> {
    match env::var_os("SECOND_TRY").is_some_and(|value| value == "allowed") {
        true => second_try::run(command, arguments),
        false => run(command().args(arguments)),
    }
}

/// Whether a test run without a server that tests need is a failure: `SERVICE_TESTS=required` says so.
fn services_are_required() -> bool {
    env::var_os("SERVICE_TESTS").is_some_and(|value| value == "required")
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
