//! The command line.
//!
//! `serve` runs a host; `inspect` looks at a component; `restore` brings back a backup; `export` and
//! `import` move everything to another place; everything else is a client of a running host's
//! HTTP API. Answers go to standard output, for people or as JSON; progress and errors go to standard error.

mod activities;
mod backup;
mod client;
mod connect;
mod connections;
mod console;
mod deliveries;
mod export;
mod failure;
mod follow;
mod import;
mod inspect;
mod missing;
mod output;
mod place;
mod progress;
mod restore;
mod restored;
mod sealing_key;
mod secrets;
mod serve;
mod table;
mod users;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::client::Client;
use self::failure::Failure;
use self::output::Output;
use crate::config::DEFAULT_DATA;

const EXAMPLES: &str = "\
Examples:
  integration-host serve --directory users.csv
  TOGGL_API_TOKEN=… integration-host test
  TOGGL_API_TOKEN=… integration-host connect --workspace 43
  integration-host users Studio
  integration-host activities --follow

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

/// Runs an integration and shows the time people log.
#[derive(Parser, Debug)]
#[command(name = "integration-host", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every command takes.
#[derive(Args, Debug)]
struct Global {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
}

/// How to reach a running host.
#[derive(Args, Debug)]
struct Target {
    /// The running host to talk to
    #[arg(
        long,
        value_name = "URL",
        env = "INTEGRATION_HOST_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    host: String,
    /// The host's data directory, which holds the admin token unless INTEGRATION_HOST_TOKEN is set
    #[arg(
        long,
        value_name = "DIR",
        env = "INTEGRATION_HOST_DATA",
        default_value = DEFAULT_DATA
    )]
    data: PathBuf,
}

/// A command and how to reach the host that carries it out.
#[derive(Args, Debug)]
struct Remote<A: Args> {
    #[command(flatten)]
    arguments: A,
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run a host
    #[command(after_help = serve::EXAMPLES)]
    Serve(Box<serve::Arguments>),
    /// Print a link that opens the console in a browser
    #[command(after_help = console::EXAMPLES)]
    Console(Remote<console::Arguments>),
    /// Check an API token and list what it could connect
    #[command(after_help = connect::TEST_EXAMPLES)]
    Test(Remote<connect::TestArguments>),
    /// Connect something that `test` lists
    #[command(after_help = connect::CONNECT_EXAMPLES)]
    Connect(Remote<connect::ConnectArguments>),
    /// List connections
    Connections(Remote<connections::ListArguments>),
    /// Show one connection
    #[command(after_help = connections::SHOW_EXAMPLES)]
    Show(Remote<connections::ShowArguments>),
    /// List a connection's team and who is mapped to whom
    #[command(after_help = users::USERS_EXAMPLES)]
    Users(Remote<users::UsersArguments>),
    /// Import a connection's team again; what was mapped by hand stays
    #[command(after_help = users::REFRESH_EXAMPLES)]
    RefreshUsers(Remote<users::RefreshArguments>),
    /// Map a team member to a user by hand
    #[command(after_help = users::MAP_EXAMPLES)]
    Map(Remote<users::MapArguments>),
    /// List activities, or follow them live
    #[command(after_help = activities::EXAMPLES)]
    Activities(Remote<activities::Arguments>),
    /// Compare a connection with the remote service and repair what can be repaired; exit code 1 if a problem is left
    Check(Remote<connections::CheckArguments>),
    /// Take a connection's webhook over from another copy of this host
    TakeOver(Remote<connections::CopyArguments>),
    /// Give a connection of a copied host a webhook of its own
    Separate(Remote<connections::CopyArguments>),
    /// Read a range of activities from the remote service, to close a gap in deliveries
    #[command(after_help = connections::RECONCILE_EXAMPLES)]
    Reconcile(Remote<connections::ReconcileArguments>),
    /// List activities that the remote service does not list any more, or take back that they count as deleted
    #[command(after_help = missing::EXAMPLES)]
    Missing(Remote<missing::Arguments>),
    /// Rename a connection
    #[command(after_help = connections::RENAME_EXAMPLES)]
    Rename(Remote<connections::RenameArguments>),
    /// Give a connection a new API token; mappings stay
    #[command(after_help = connect::SET_TOKEN_EXAMPLES)]
    SetToken(Remote<connect::SetTokenArguments>),
    /// Disconnect: removes the webhook at the remote service and erases the token; activities and mappings stay
    Disconnect(Remote<connections::DisconnectArguments>),
    /// List webhook deliveries, newest first
    #[command(after_help = deliveries::EXAMPLES)]
    Deliveries(Remote<deliveries::ListArguments>),
    /// Handle a failed delivery again, or all of them
    #[command(after_help = deliveries::REPLAY_EXAMPLES)]
    Replay(Remote<deliveries::ReplayArguments>),
    /// Copy everything a running host keeps into a file, secrets sealed
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(Remote<backup::BackupArguments>),
    /// Bring a backup back into an empty data directory
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Arguments),
    /// Say that the ledger was brought back to an earlier moment by other means than `restore`
    #[command(after_help = restored::EXAMPLES)]
    Restored(restored::Arguments),
    /// Write everything of a host that is stopped, secrets sealed, to move it to another place
    #[command(after_help = export::EXAMPLES)]
    Export(export::Arguments),
    /// Take over what `export` wrote, into an empty place
    #[command(after_help = import::EXAMPLES)]
    Import(import::Arguments),
    /// Seal everything with another key while the host runs
    #[command(after_help = sealing_key::ROTATE_EXAMPLES)]
    RotateKey(Remote<sealing_key::RotateArguments>),
    /// Show what a component is, wants and may do, before it is trusted
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::Arguments),
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        // Help and version are answers; clap prints those as they are.
        Err(answer) if answer.exit_code() == 0 || is_help(&answer) => answer.exit(),
        Err(error) => return Failure::from(error).report(),
    };
    let output = Output::new(cli.global.json);
    // Fails only when a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::failed(format!("cannot start: {error}")).report();
        }
    };
    match runtime.block_on(run(cli.command, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Reads arguments and variables. A variable that is empty is not set: that is how files of variables are written in which
/// others may be filled in.
fn parse() -> Result<Cli, clap::Error> {
    let mut matches = without_empty_variables(Cli::command()).try_get_matches()?;
    Cli::from_arg_matches_mut(&mut matches)
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |variable: &OsStr| {
        std::env::var_os(variable).is_some_and(|value| value.to_string_lossy().trim().is_empty())
    };
    command
        .mut_args(|argument| match argument.get_env() {
            Some(variable) if is_empty(variable) => argument.env(Resettable::Reset),
            _ => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// Whether the arguments were so few that the help is the best answer.
fn is_help(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

async fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(*arguments, output).await,
        Command::Inspect(arguments) => inspect::run(arguments, output).await,
        Command::Console(remote) => {
            console::run(&remote.target.client()?, &remote.arguments, output).await
        }
        Command::Test(remote) => {
            connect::test(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Connect(remote) => {
            connect::connect(remote.arguments, &remote.target.client()?, output).await
        }
        Command::SetToken(remote) => {
            connect::set_token(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Connections(remote) => connections::list(&remote.target.client()?, output).await,
        Command::Show(remote) => {
            connections::show(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Check(remote) => {
            connections::check(remote.arguments, &remote.target.client()?, output).await
        }
        Command::TakeOver(remote) => {
            let client = remote.target.client()?;
            connections::settle_copy(remote.arguments, "take-over", &client, output).await
        }
        Command::Separate(remote) => {
            let client = remote.target.client()?;
            connections::settle_copy(remote.arguments, "separate", &client, output).await
        }
        Command::Reconcile(remote) => {
            connections::reconcile(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Missing(remote) => {
            missing::run(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Rename(remote) => {
            connections::rename(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Disconnect(remote) => {
            connections::disconnect(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Users(remote) => {
            users::list(remote.arguments, &remote.target.client()?, output).await
        }
        Command::RefreshUsers(remote) => {
            users::refresh(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Map(remote) => {
            users::map(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Activities(remote) => {
            activities::run(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Deliveries(remote) => {
            deliveries::list(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Replay(remote) => {
            deliveries::replay(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Backup(remote) => {
            backup::backup(remote.arguments, &remote.target.client()?, output).await
        }
        Command::Restore(arguments) => restore::run(arguments, output).await,
        Command::Restored(arguments) => restored::run(arguments, output).await,
        Command::Export(arguments) => export::run(arguments, output).await,
        Command::Import(arguments) => import::run(arguments, output).await,
        Command::RotateKey(remote) => {
            sealing_key::rotate_key(remote.arguments, &remote.target.client()?, output).await
        }
    }
}

impl Target {
    fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.host, &self.data)
    }
}

#[cfg(test)]
mod tests;
