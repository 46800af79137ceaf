//! Running a host.

use std::io::{self, IsTerminal as _};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::PanicHookInfo;

use clap::Args;
use serde::Serialize;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use super::output::Output;
use super::secrets::variables;
use super::table::facts;
use crate::assembly;
use crate::assembly::lock;
use crate::assembly::presence;
use crate::assembly::presence::Beginning;
use crate::config::{LogFormat, Overrides, Settings};
use integration_host::Host;
use integration_host::log_output::LogOutput;
use integration_host_contract::sentence::{on_one_line, quoted};
use integration_host_server::{AdminToken, AdminTokenSource, Server, SignInLinks};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host serve --directory users.csv
  integration-host serve --listen 127.0.0.1:8080 --public-url https://host.example.com
  integration-host serve --upstream api.example.com=http://127.0.0.1:9000

Every flag has a variable, and a key of the same name with _ for - in host.toml, which also has the
sections [limits] and [hosts]; upstream and proxy are in [hosts]. INTEGRATION_HOST_TOKEN sets the admin
token; without it, one is made in DIR/admin-token. INTEGRATION_HOST_SEALING_KEY holds the sealing key
itself, and sealing_key_command in host.toml is a program that prints it; without any of them, one is
made in DIR/sealing-key.";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    overrides: Overrides,
    /// Make a database that is missing, although something shows that there was one
    #[arg(long)]
    new: bool,
}

/// What a person sees once the host runs.
#[derive(Serialize)]
struct Summary {
    listening: String,
    console: String,
    callback_base: String,
    data: String,
    storage: String,
    ledger: String,
    directory: Option<String>,
    users: u64,
    integration: Integration,
    hosts: Vec<String>,
    proxy: Option<String>,
    admin_token_file: Option<String>,
    sealing_key: String,
}

#[derive(Serialize)]
struct Integration {
    id: String,
    name: String,
    version: String,
    /// What its secrets are called.
    #[serde(skip)]
    secrets: Vec<String>,
}

/// `serve`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let mut settings = Settings::resolve(arguments.overrides)?;
    log_to_standard_error(&settings)?;
    assembly::create_data_directory(&settings.data).map_err(|error| {
        Failure::usage(format!(
            "cannot make the data directory {}: {error}; name one that can be written to with --data",
            settings.data.display()
        ))
    })?;
    let _locks = lock::take(&settings).map_err(|error| Failure::failed(error.to_string()))?;
    let beginning = match arguments.new {
        true => Beginning::NewHost,
        false => Beginning::Host,
    };
    presence::prepare(&settings, beginning)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let environment = std::env::var(AdminToken::VARIABLE).ok();
    let (admin_token, source) = AdminToken::obtain(environment, &settings.data)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let listener = listen(&settings).await?;
    // With port 0 the system chose one, and callback URLs must name it.
    settings.listen = listener.local_addr()?;
    let shutdown = shutdown_requested()?;
    let service = assembly::assemble(&settings)
        .await
        .map_err(|error| Failure::failed(format!("{error:#}")))?;
    let sign_in_links = SignInLinks::default();
    // What is printed elsewhere than on a terminal is kept, and others read it.
    let is_for_a_person = io::stdout().is_terminal();
    let console = match is_for_a_person {
        true => sign_in_links.issue().link(&settings.callback_base()),
        false => settings.callback_base(),
    };
    let summary = summarise(&settings, &service, &source, console).await?;
    let printed = output.item(&summary, |summary| {
        describe(summary, settings.is_loopback(), is_for_a_person)
    });
    if printed.is_err() {
        // Whoever started it may have closed that, or its disk is full: no reason not to work.
        tracing::warn!(
            listening = summary.listening,
            "what this host is could not be printed"
        );
    }
    let server = Server::new(&service)
        .admin_token(admin_token)
        .limits(settings.limits)
        .trusted_proxies(settings.trusted_proxies)
        .sign_in_links(sign_in_links);
    let served = server.serve(listener, shutdown).await;
    service.stop().await;
    served.map_err(|error| Failure::failed(format!("the server stopped: {error}")))
}

async fn listen(settings: &Settings) -> Result<TcpListener, Failure> {
    let mut bound = TcpListener::bind(settings.listen).await;
    // Every address of both families includes those of one where the system has but that.
    if settings.listen.ip() == Ipv6Addr::UNSPECIFIED
        && bound.as_ref().is_err_and(is_about_the_family)
    {
        bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.listen.port())).await;
    }
    bound.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; stop it, or choose another port with --listen"
            }
            io::ErrorKind::PermissionDenied => {
                "choose a port above 1023 with --listen, or allow this program to use that one"
            }
            _ => "choose an address of this machine with --listen",
        };
        Failure::failed(format!(
            "cannot listen on {}: {error}; {remedy}",
            settings.listen
        ))
    })
}

/// Whether a system without IPv6 said so: whatever is not about the port.
fn is_about_the_family(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

fn log_to_standard_error(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|_| {
        Failure::usage(format!(
            "`log_level` is {}; it must be a level such as info, or a filter such as integration_host=debug",
            quoted(&settings.log_level)
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Else what cannot be written would be told by a panic.
        .log_internal_errors(false)
        .with_writer(|| LogOutput);
    let installed = match settings.log_format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A program that embeds this one may log its own way already.
    if installed.is_err() {
        tracing::debug!("logging was set up before");
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Panics go where everything else is logged, and like everything else on one line.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("it says no more");
    let message = on_one_line(message);
    tracing::error!(place, %message, "a defect in this program");
}

/// Completes when the program is asked to stop. Installed before anything is started, so that a signal
/// during the start is not lost.
fn shutdown_requested() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let cannot = |error| Failure::failed(format!("cannot watch for signals: {error}"));
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
        // The terminal is gone. Whoever has it ignored, as `nohup` does, wants the host to go on.
        let mut hangup = match is_hangup_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup()).map_err(cannot)?),
        };
        Ok(async move {
            let hung_up = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = hung_up => "SIGHUP",
            };
            tracing::info!(signal = name, "asked to stop; finishing what is under way");
        })
    }
    #[cfg(not(unix))]
    {
        let _: fn(std::io::Error) -> Failure = cannot;
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Whether the program was started with SIGHUP ignored. Only Linux tells; elsewhere it is taken to be not.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signals are counted from 1, and this is the first.
    mask.is_some_and(|mask| mask & 1 == 1)
}

async fn summarise(
    settings: &Settings,
    service: &Host,
    source: &AdminTokenSource,
    console: String,
) -> Result<Summary, Failure> {
    let manifest = service.manifest();
    let users = service
        .count_users()
        .await
        .map_err(|error| Failure::failed(error.to_string()))?;
    let approved = |host: &&String| {
        settings
            .hosts
            .approved
            .as_ref()
            .is_none_or(|approved| approved.contains(host))
    };
    Ok(Summary {
        listening: format!("http://{}", settings.listen),
        console,
        callback_base: settings.callback_base(),
        data: settings.data.display().to_string(),
        storage: settings.storage.to_string(),
        ledger: settings.ledger.to_string(),
        directory: settings
            .directory
            .as_ref()
            .map(|directory| directory.to_string()),
        users,
        integration: Integration {
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            secrets: (manifest.secrets.iter())
                .map(|secret| secret.name.clone())
                .collect(),
        },
        hosts: manifest
            .hosts
            .iter()
            .filter(approved)
            .map(|host| {
                let overridden = settings
                    .hosts
                    .upstream
                    .iter()
                    .find(|upstream| upstream.host() == host);
                match overridden {
                    Some(upstream) => format!("{host} at {}", upstream.origin()),
                    None => host.clone(),
                }
            })
            .collect(),
        proxy: settings.hosts.proxy.as_ref().map(ToString::to_string),
        admin_token_file: match source {
            AdminTokenSource::Environment => None,
            AdminTokenSource::File(path) => Some(path.display().to_string()),
        },
        sealing_key: settings.sealing_key.to_string(),
    })
}

fn describe(summary: &Summary, is_loopback: bool, signs_in: bool) -> String {
    let mut text = facts(&[
        ("Listening on", summary.listening.clone()),
        ("Console", summary.console.clone()),
        ("Callbacks", format!("{}/hooks/…", summary.callback_base)),
        (
            "Integration",
            format!(
                "{} {}",
                summary.integration.name, summary.integration.version
            ),
        ),
        (
            "It may call",
            match &summary.proxy {
                Some(proxy) => format!("{}, through the proxy {proxy}", summary.hosts.join(", ")),
                None => summary.hosts.join(", "),
            },
        ),
        ("Data", summary.data.clone()),
        ("Storage", summary.storage.clone()),
        ("Ledger", summary.ledger.clone()),
        (
            "Directory",
            match &summary.directory {
                Some(place) => format!("{place} ({} users)", summary.users),
                None => {
                    "none, so nobody is matched; name a file of users with --directory".to_owned()
                }
            },
        ),
        (
            "Admin token",
            match &summary.admin_token_file {
                Some(path) => format!("in the file {path}"),
                None => "from INTEGRATION_HOST_TOKEN".to_owned(),
            },
        ),
        ("Sealing key", format!("from {}", summary.sealing_key)),
    ]);
    if is_loopback {
        text.push_str(
            "\nDeliveries can come from this machine only. For an account on the internet, give the https address\nunder which this host is reached: --public-url https://host.example.com\n",
        );
    }
    text.push_str(&next_step(summary, signs_in));
    text
}

fn next_step(summary: &Summary, signs_in: bool) -> String {
    let data = match &summary.admin_token_file {
        Some(_) => format!(" --data {}", summary.data),
        None => String::new(),
    };
    let target = format!("--host {}{data}", summary.listening);
    let console = match signs_in {
        true => format!(
            "open the console; the link signs in once, and `integration-host console {target}` prints another."
        ),
        false => format!(
            "`integration-host console {target}` prints a link that opens the console, once."
        ),
    };
    let Integration { id, secrets, .. } = &summary.integration;
    let variables = variables(id, secrets.iter().map(String::as_str));
    format!(
        "\nNext: {console}\n\
         Or go on here: {variables}integration-host test {target}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            listening: "http://127.0.0.1:8080".into(),
            console: "http://127.0.0.1:8080/sign-in?code=0123".into(),
            callback_base: "http://127.0.0.1:8080".into(),
            data: "data".into(),
            storage: "sqlite:data/host.sqlite".into(),
            ledger: "sqlite:data/host.sqlite".into(),
            directory: Some("users.csv".into()),
            users: 12,
            integration: Integration {
                id: "toggl".into(),
                name: "Toggl Track".into(),
                version: "0.1.0".into(),
                secrets: vec!["api-token".into()],
            },
            hosts: vec!["api.track.toggl.com".into()],
            proxy: None,
            admin_token_file: Some("data/admin-token".into()),
            sealing_key: "the file data/sealing-key".into(),
        }
    }

    #[test]
    fn after_the_start_a_person_knows_where_everything_is_and_what_to_do() {
        let text = describe(&summary(), true, true);
        for expected in [
            "Listening on  http://127.0.0.1:8080",
            "http://127.0.0.1:8080/sign-in?code=0123",
            "http://127.0.0.1:8080/hooks/…",
            "Toggl Track 0.1.0",
            "users.csv (12 users)",
            "in the file data/admin-token",
            "from the file data/sealing-key",
            "--public-url",
            "integration-host console --host http://127.0.0.1:8080 --data data",
            "TOGGL_API_TOKEN=… integration-host test --host http://127.0.0.1:8080 --data data",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }

    #[test]
    fn a_log_says_which_command_makes_a_link() {
        let text = describe(&summary(), true, false);
        let command =
            "`integration-host console --host http://127.0.0.1:8080 --data data` prints a link";
        assert!(text.contains(command), "{text}");
        assert!(!text.contains("the link signs in once"), "{text}");
    }
}
