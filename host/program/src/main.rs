//! The `integration-host` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    integration_host_cli::cli::main()
}
