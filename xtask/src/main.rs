//! The project's own commands: `cargo xtask build | demo | test | fuzz | chaos | screenshots | bench`.

mod browser;
mod build;
mod command;
mod fuzz;
mod scim_server;
mod second_try;
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
    /// Builds target/dist/toggl.wasm, target/dist/keyvalue-storage.wasm and target/release/integration-host
    Build,
    /// Shows the whole path live: a sandbox Toggl, the host, a connected workspace, time arriving
    #[command(disable_help_flag = true)]
    Demo {
        /// Passed on to `toggl-sandbox demo`; see its --help
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
    /// Kills, floods and misleads the host, makes Toggl fail, and prints what was kept of each promise
    Chaos {
        /// For how long to fuzz at the end; 0: not at all
        #[arg(long, default_value_t = 600, value_name = "N")]
        fuzz_seconds: u64,
        /// Passed on to the chaos program; see its --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Takes the pictures of the console in docs/screenshots
    Screenshots {
        /// Passed on to the program; see its --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
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
            let storage = build::keyvalue_storage()?;
            let host = build::release_host()?;
            for built in [component, storage, host] {
                println!("{}", built.display());
            }
            Ok(())
        }
        Task::Demo { arguments } => {
            eprintln!(
                "Building the component, the host and the sandbox Toggl: some minutes the first time …"
            );
            let component = build::component()?;
            let (host, sandbox) = build::demo_programs()?;
            command::replace_self(
                std::process::Command::new(sandbox)
                    .arg("demo")
                    .arg("--component")
                    .arg(component)
                    .arg("--host")
                    .arg(host)
                    .args(arguments),
            )
        }
        Task::Test { arguments } => test::everything(arguments),
        Task::Fuzz(arguments) => fuzz::fuzz(&arguments),
        Task::Chaos {
            fuzz_seconds,
            arguments,
        } => {
            let kept = measure("chaos", arguments);
            if fuzz_seconds > 0 {
                fuzz::fuzz(&fuzz::FuzzArguments::all_for(fuzz_seconds))?;
            }
            kept
        }
        Task::Screenshots { arguments } => {
            browser::ensure()?;
            let component = build::component()?;
            let folder = build::programs()?.folder;
            command::run(
                std::process::Command::new(folder.join("screenshots"))
                    .args(arguments)
                    .current_dir(command::workspace())
                    .env("TOGGL_COMPONENT", component),
            )
        }
        Task::Bench { arguments } => measure("bench", arguments),
    }
}

/// Runs a program of the end-to-end package, everything built in release mode.
fn measure(program: &str, arguments: Vec<OsString>) -> Result<()> {
    let component = build::component()?;
    let storage = build::keyvalue_storage()?;
    let misbehaving = build::misbehaving_component()?;
    let host = build::release_host()?;
    command::run(
        cargo()
            .args(["run", "--release", "--quiet", "--package", "end-to-end"])
            .args(["--bin", program, "--"])
            .args(arguments)
            .env("TOGGL_COMPONENT", component)
            .env("KEYVALUE_STORAGE_COMPONENT", storage)
            .env("MISBEHAVING_COMPONENT", misbehaving)
            .env("INTEGRATION_HOST_PROGRAM", host),
    )
}
