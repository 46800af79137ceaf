//! `toggl-sandbox`: the sandbox Toggl as a program, and a demo of a host with it.

mod demo;

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use toggl_sandbox::{
    Sandbox, Scenario, control,
    scenario::{DEFAULT_SCENARIO, DEFAULT_TOKEN},
};

#[derive(Parser)]
#[command(version, about = "A sandbox Toggl: API v9, Reports v3 and Webhooks v1 on a loopback port", after_long_help = after_help(), args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// A scenario in TOML instead of the built-in team.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Prints the built-in scenario, to start one's own from, and exits.
    #[arg(long)]
    print_scenario: bool,
}

#[derive(Subcommand)]
enum Command {
    /// The whole path, live: a sandbox Toggl, a host, a connected workspace, and time arriving
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Arguments),
}

fn after_help() -> String {
    format!(
        "The built-in scenario is \"Northwind Studio\", a team of twelve. Its owner's API token is {DEFAULT_TOKEN} (public on purpose).\n\
         Point an integration at http://ADDRESS:PORT/api/v9, /reports/api/v3 and /webhooks/api/v1.\n\n{}",
        control::ROUTES
    )
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has read enough, as `head` does.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(Command::Demo(arguments)) = arguments.command {
        return demo::run(arguments).await;
    }
    if arguments.print_scenario {
        print!("{DEFAULT_SCENARIO}");
        return Ok(());
    }
    let scenario = match &arguments.scenario {
        Some(path) => Scenario::load(path)?,
        None => Scenario::default(),
    };
    let mut sandbox = Sandbox::start_on(scenario, arguments.listen).await?;
    println!("Sandbox Toggl on {}", sandbox.base_url());
    println!("API token of the account owner: {}", sandbox.token());
    for workspace in sandbox.control().state().workspaces {
        println!("Workspace {}: {}", workspace.id, workspace.name);
    }
    tokio::select! {
        () = sandbox.finished() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    sandbox.stop().await;
    Ok(())
}
