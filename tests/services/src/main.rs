//! Runs a command with servers beside it that its tests can use: `test-services COMMAND ARGUMENT…`. What is not installed
//! is left out, which the tests say; `SERVICE_TESTS=required` makes that a failure.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use test_services::{Durability, PostgresServer, RedisServer};

fn main() -> Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments
        .next()
        .context("name the command to run with servers beside it")?;
    let mut command = Command::new(program);
    command.args(arguments);
    // Held until the command has ended.
    let mut postgres = None;
    if env::var_os("TEST_POSTGRES_URL").is_none() {
        postgres = PostgresServer::start(Durability::Process)?;
    }
    if let Some(server) = &postgres {
        command.env("TEST_POSTGRES_URL", server.url());
    }
    let mut redis = None;
    if env::var_os("TEST_REDIS_URL").is_none() {
        redis = RedisServer::start(&[])?;
    }
    if let Some(server) = &redis {
        command.env("TEST_REDIS_URL", server.url());
    }
    let status = command
        .status()
        .with_context(|| format!("{command:?} cannot be started"))?;
    Ok(
        match status.code().and_then(|code| u8::try_from(code).ok()) {
            Some(code) => ExitCode::from(code),
            None => ExitCode::FAILURE,
        },
    )
}
