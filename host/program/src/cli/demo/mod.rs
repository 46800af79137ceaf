//! The whole path, live: a sandbox Toggl, a host, a connected workspace, and time arriving.
//!
//! Everything goes through real programs over real HTTP; only Toggl is replaced.

mod programs;
mod sandbox;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::json;

use self::programs::{Host, Workplace};
use self::sandbox::Sandbox;
use self::verdict::Verdict;
use super::activities::show_one;
use super::client::Client;
use super::console::sign_in_link;
use super::failure::Failure;
use super::follow::follow;
use super::output::Output;
use super::serve::shutdown_requested;
use integration_host_server::api::{ConnectionView, MemberList, TestReportView};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host demo                      until Ctrl-C
  integration-host demo --exit-after 50      then a summary; exit code 1 if anything was lost
  integration-host demo --data ./demo        keep the data";

/// How often the demo looks whether enough was delivered.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(super) struct Arguments {
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
    /// The integration to run [default: as for serve]
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The sandbox Toggl to run [default: toggl-sandbox beside this program]
    #[arg(long, value_name = "FILE")]
    sandbox: Option<PathBuf>,
}

/// `demo`
pub(super) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let workplace = Workplace::prepare(arguments.data)?;
    let sandbox = Sandbox::start(arguments.sandbox).await?;
    let directory = sandbox.write_directory(&workplace).await?;
    let host = Host::start(
        &workplace,
        &directory,
        &sandbox,
        arguments.component.as_deref(),
        arguments.listen.as_deref(),
    )
    .await?;
    let client = Client::new(host.url(), workplace.data())?;
    let connection = connect(&client, &sandbox, output).await?;
    let console = sign_in_link(&client).await?;
    output.progress(&format!(
        "\nConsole      {} (signs in once; another one: integration-host console)\n\
         API          {}/api/v1 (documented at {1}/api/openapi.json)\n\
         Admin token  in the file {}\n\
         Sandbox      {} (its control API: toggl-sandbox --help)\n\
         Host's log   {}\n\n\
         The team logs time; this is what the platform sees:\n",
        console.link,
        host.url(),
        workplace.data().join("admin-token").display(),
        sandbox.url(),
        workplace.log().display(),
    ));

    sandbox.start_team(arguments.per_second).await?;
    let showing = follow(&client, async |activity| output.item(activity, show_one));
    let stopping = async {
        match arguments.exit_after {
            Some(wanted) => until_delivered(&sandbox, wanted).await,
            None => {
                shutdown_requested()?.await;
                Ok(())
            }
        }
    };
    tokio::select! {
        result = showing => result?,
        result = stopping => result?,
    }
    finish(&client, &sandbox, &connection, output).await
}

async fn connect(
    client: &Client,
    sandbox: &Sandbox,
    output: &Output,
) -> Result<ConnectionView, Failure> {
    let secrets = json!({ "api-token": sandbox.token() });
    let report: TestReportView = client
        .send(Method::POST, &["test"], &json!({ "secrets": secrets }))
        .await?;
    let connectable = report
        .scopes
        .iter()
        .filter(|scope| scope.connectable)
        .count();
    output.progress(&format!(
        "Test Connection: the token is {}'s; {} of {} workspaces can be connected",
        report.account.name,
        connectable,
        report.scopes.len()
    ));
    let scope = report
        .scopes
        .iter()
        .find(|scope| scope.connectable)
        .ok_or_else(|| Failure::failed("the sandbox has no workspace that can be connected"))?;
    output.progress(&format!("Connecting {} …", scope.name));
    let body = json!({ "secrets": secrets, "scope_id": scope.id, "name": null });
    let connection: ConnectionView = client.send(Method::POST, &["connections"], &body).await?;
    output.progress(&format!(
        "Connected: the webhook is made, {} of {} team members were matched by e-mail",
        connection.users.mapped, connection.users.total
    ));
    map_one_by_hand(client, &connection, output).await?;
    Ok(connection)
}

/// Maps the first active member whom nobody's address matches, as a person would on the Users tab.
async fn map_one_by_hand(
    client: &Client,
    connection: &ConnectionView,
    output: &Output,
) -> Result<(), Failure> {
    let path = ["connections", &connection.id, "users"];
    let members: MemberList = client.get(&path, &[]).await?;
    let unmatched = members
        .users
        .iter()
        .find(|member| member.user.is_none() && member.remote_user.active);
    let Some(member) = unmatched else {
        return Ok(());
    };
    let body = json!({ "user_id": sandbox::SPARE_USER });
    let path = [
        "connections",
        &connection.id,
        "users",
        &member.remote_user.id,
    ];
    let _: serde_json::Value = client.send(Method::PUT, &path, &body).await?;
    output.progress(&format!("Mapped {} by hand", member.remote_user.name));
    Ok(())
}

async fn until_delivered(sandbox: &Sandbox, wanted: u64) -> Result<(), Failure> {
    while sandbox.delivered().await? < wanted {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Lets everything arrive, compares the host's activities with Toggl's entries, and says so.
async fn finish(
    client: &Client,
    sandbox: &Sandbox,
    connection: &ConnectionView,
    output: &Output,
) -> Result<(), Failure> {
    sandbox.stop_team().await?;
    let verdict = Verdict::reach(client, sandbox, connection).await?;
    output.answer(&verdict, Verdict::describe)?;
    if verdict.is_good() {
        Ok(())
    } else {
        Err(Failure::failed("the host does not have what Toggl has"))
    }
}
