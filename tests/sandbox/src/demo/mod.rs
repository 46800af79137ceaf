//! The whole path, live: a sandbox Toggl, a host, a connected workspace, and time arriving.
//!
//! The host is the real program with the real component, asked over real HTTP; only Toggl is replaced.

mod activity;
mod host;
mod output;
mod verdict;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use toggl_sandbox::control::Flush;
use toggl_sandbox::{Activity, DeliveryState, RunningSandbox, Sandbox, Scenario};

use self::host::Host;
use self::output::Output;
use self::verdict::Verdict;

pub(crate) const EXAMPLES: &str = "\
Examples:
  toggl-sandbox demo                      until Ctrl-C
  toggl-sandbox demo --exit-after 50      then a summary; exit code 1 if anything was lost
  toggl-sandbox demo --data ./demo        keep the data";

/// A platform user nobody in the team is, for mapping by hand.
const SPARE_USER: &str = "user-spare";

/// How often the demo looks whether enough was delivered.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often it asks the host for what is new.
const FOLLOW: Duration = Duration::from_millis(50);

/// How long what is on its way at the end may take.
const FLUSH: Flush = Flush { timeout_ms: 30_000 };

#[derive(Args)]
pub(crate) struct Arguments {
    /// Stop after this many deliveries, check that nothing was lost, and print a summary
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=5_000))]
    exit_after: Option<u64>,
    /// Changes the team makes each second
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    per_second: f64,
    /// Where the host listens [default: 127.0.0.1:8080, or a free port if that one is taken]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Keep the host's data in this directory [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The integration to run [default: as for `integration-host serve`]
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The host to run [default: integration-host beside this program]
    #[arg(long, value_name = "FILE")]
    host: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A connection, as far as the demo needs it.
#[derive(Deserialize)]
struct Connection {
    id: String,
    users: MappedUsers,
}

#[derive(Deserialize)]
struct MappedUsers {
    mapped: u64,
    total: u64,
}

/// What signs in to the console once.
#[derive(Deserialize)]
struct SignInLink {
    path: String,
}

/// `demo`
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let output = Output::new(arguments.json);
    // A temporary directory goes when this is dropped.
    let (data, _temporary) = data_directory(arguments.data)?;
    let sandbox = Sandbox::start(Scenario::default()).await?;
    let directory = write_directory(&sandbox, &data)?;
    let host = host::Options {
        program: arguments.host,
        component: arguments.component,
        listen: arguments.listen,
        data: &data,
        directory: &directory,
        toggl: sandbox.base_url(),
    };
    let host = host.start().await?;
    let connection = connect(&host, &sandbox, &output).await?;
    let link: SignInLink = host.post("sign-in-links", &json!({})).await?;
    output.progress(&format!(
        "\nConsole      {}{} (signs in once; another one: integration-host console)\n\
         API          {}/api/v1 (documented at {2}/api/openapi.json)\n\
         Admin token  in the file {}\n\
         Sandbox      {} (its control API: toggl-sandbox --help)\n\
         Host's log   {}\n\n\
         The team logs time; this is what the platform sees:\n",
        host.url(),
        link.path,
        host.url(),
        host.token_file().display(),
        sandbox.base_url(),
        host.log().display(),
    ));

    let now = host.changes("now").await?.next;
    let team = sandbox.control().activity(Activity {
        workspace_id: Some(first_workspace(&sandbox)),
        per_second: arguments.per_second,
        events: Some(u64::from(u32::MAX)),
        ..Activity::default()
    });
    let stopping = async {
        match arguments.exit_after {
            Some(wanted) => until_delivered(&sandbox, wanted).await,
            None => asked_to_stop().await?,
        }
        anyhow::Ok(())
    };
    tokio::select! {
        result = follow(&host, now, &output) => result?,
        result = stopping => result?,
        worked = team => { worked?; }
    }
    finish(&host, &sandbox, &connection, &output).await
}

fn data_directory(given: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    let Some(data) = given else {
        let temporary = tempfile::Builder::new()
            .prefix("integration-demo-")
            .tempdir()
            .context("a temporary directory cannot be made")?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::create_dir_all(&data)
        .with_context(|| format!("the directory {} cannot be made", data.display()))?;
    Ok((data, None))
}

/// The workspace that the scenario's first user owns.
fn first_workspace(sandbox: &RunningSandbox) -> i64 {
    let state = sandbox.control().state();
    state.workspaces.first().map_or(0, |workspace| workspace.id)
}

/// Writes a directory of platform users: the team, as far as it has addresses, and one more.
fn write_directory(sandbox: &RunningSandbox, data: &Path) -> Result<PathBuf> {
    let state = sandbox.control().state();
    let workspace = first_workspace(sandbox);
    let is_in_team = |user: i64| {
        let mut members = state.members.iter();
        members.any(|member| member.user_id == user && member.workspace_id == workspace)
    };
    let mut users: Vec<_> = state
        .users
        .iter()
        .filter(|user| is_in_team(user.id))
        .filter_map(|user| Some((user, user.email.as_ref()?.to_lowercase())))
        .collect();
    users.dedup_by(|(_, one), (_, other)| one == other);
    let mut rows: Vec<Value> = users
        .into_iter()
        .map(|(user, email)| {
            json!({ "id": format!("user-{}", user.id), "email": email, "name": user.name })
        })
        .collect();
    rows.push(json!({
        "id": SPARE_USER, "email": "reception@example.com", "name": "Reception"
    }));
    let path = data.join("users.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&rows)?)
        .context("the directory of users cannot be written")?;
    Ok(path)
}

async fn connect(host: &Host, sandbox: &RunningSandbox, output: &Output) -> Result<Connection> {
    #[derive(Deserialize)]
    struct Report {
        account: Named,
        scopes: Vec<Scope>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct Scope {
        id: String,
        name: String,
        connectable: bool,
    }
    let secrets = json!({ "api-token": sandbox.token() });
    let report: Report = host.post("test", &json!({ "secrets": secrets })).await?;
    let connectable: Vec<&Scope> = report
        .scopes
        .iter()
        .filter(|scope| scope.connectable)
        .collect();
    output.progress(&format!(
        "Test Connection: the token is {}'s; {} of {} workspaces can be connected",
        report.account.name,
        connectable.len(),
        report.scopes.len()
    ));
    let Some(scope) = connectable.first() else {
        bail!("the sandbox has no workspace that can be connected");
    };
    output.progress(&format!("Connecting {} …", scope.name));
    let body = json!({ "secrets": secrets, "scope_id": scope.id, "name": null });
    let connection: Connection = host.post("connections", &body).await?;
    output.progress(&format!(
        "Connected: the webhook is made, {} of {} team members were matched by e-mail",
        connection.users.mapped, connection.users.total
    ));
    map_one_by_hand(host, &connection, output).await?;
    Ok(connection)
}

/// Maps the first active member whom nobody's address matches, as a person would on the Users tab.
async fn map_one_by_hand(host: &Host, connection: &Connection, output: &Output) -> Result<()> {
    #[derive(Deserialize)]
    struct Members {
        users: Vec<Member>,
    }
    #[derive(Deserialize)]
    struct Member {
        remote_user: RemoteUser,
        user: Option<Value>,
    }
    #[derive(Deserialize)]
    struct RemoteUser {
        id: String,
        name: String,
        active: bool,
    }
    let path = format!("connections/{}/users", connection.id);
    let members: Members = host.get(&path, &[]).await?;
    let unmatched = members
        .users
        .iter()
        .find(|member| member.user.is_none() && member.remote_user.active);
    let Some(Member { remote_user, .. }) = unmatched else {
        return Ok(());
    };
    let path = format!("{path}/{}", remote_user.id);
    host.put(&path, &json!({ "user_id": SPARE_USER })).await?;
    output.progress(&format!("Mapped {} by hand", remote_user.name));
    Ok(())
}

/// Shows whatever changes from a place of the change feed on.
async fn follow(host: &Host, mut place: String, output: &Output) -> Result<()> {
    loop {
        let changes = host.changes(&place).await?;
        for activity in &changes.activities {
            output.item(activity, activity::show)?;
        }
        place = changes.next;
        tokio::time::sleep(FOLLOW).await;
    }
}

async fn until_delivered(sandbox: &RunningSandbox, wanted: u64) {
    loop {
        let deliveries = sandbox.control().deliveries();
        let delivered = deliveries
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Delivered);
        if delivered.count() as u64 >= wanted {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits for Ctrl-C, or until the program is asked to end in another way.
async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
            _ = hangup.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Lets everything arrive, compares the host's activities with Toggl's entries, and says so.
async fn finish(
    host: &Host,
    sandbox: &RunningSandbox,
    connection: &Connection,
    output: &Output,
) -> Result<()> {
    sandbox.control().stop_activities();
    sandbox.control().flush(FLUSH).await;
    let verdict = Verdict::reach(host, sandbox.control(), &connection.id).await?;
    output.answer(&verdict, Verdict::describe)?;
    if !verdict.is_good() {
        bail!("the host does not have what Toggl has");
    }
    Ok(())
}
