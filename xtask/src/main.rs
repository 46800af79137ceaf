//! The project's own commands: `cargo xtask build | demo | test | fuzz | bench`.

mod build;
mod command;
mod fuzz;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::command::cargo;

/// Builds, demonstrates, tests and measures the project.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds target/dist/toggl.wasm and target/release/integration-host
    Build,
    /// Shows the whole path live: a sandbox Toggl, the host, a connected workspace, time arriving
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on to `integration-host demo`; see its --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Checks formatting, runs clippy, and runs every test of the workspace
    Test {
        /// Passed on to `cargo test`, such as the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Makes up inputs for everything that reads input, and looks for one that breaks a promise
    Fuzz(fuzz::FuzzArguments),
    /// Measures size and speed and prints the figures
    Bench {
        /// Passed on to the benchmark program
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Build => {
            let component = build::component()?;
            let host = build::release_host()?;
            println!("{}\n{}", component.display(), host.display());
            Ok(())
        }
        Task::Demo { arguments } => {
            let component = build::component()?;
            let programs = build::programs()?;
            command::replace_self(
                std::process::Command::new(programs.host)
                    .arg("demo")
                    .arg("--component")
                    .arg(component)
                    .arg("--sandbox")
                    .arg(programs.sandbox)
                    .args(arguments),
            )
        }
        Task::Test { arguments } => test::everything(arguments),
        Task::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Task::Bench { arguments } => {
            let component = build::component()?;
            let host = build::release_host()?;
            command::run(
                cargo()
                    .args(["run", "--release", "--quiet", "--package", "end-to-end"])
                    .args(["--bin", "bench", "--"])
                    .args(arguments)
                    .env("TOGGL_COMPONENT", component)
                    .env("INTEGRATION_HOST_PROGRAM", host),
            )
        }
    }
}
