//! `missing`: activities that the remote service does not list any more.

use clap::Args;
use reqwest::Method;

use super::client::Client;
use super::failure::Failure;
use super::output::{Output, printable};
use super::table::Table;
use integration_host_server::api::{MissingList, MissingStateView, TakeBackRequest, TakenBack};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host missing Studio
  integration-host missing Studio --take-back
  integration-host missing Studio --take-back --entry 3141592653";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The connection's id or name
    connection: String,
    /// Do not count them as deleted; they stay until the remote service tells of their deletion
    #[arg(long)]
    take_back: bool,
    /// Take back for this entry only; may be given several times
    #[arg(long = "entry", value_name = "ID", requires = "take_back")]
    entries: Vec<String>,
}

/// `missing`
pub(super) async fn run(
    arguments: Arguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = client.connection(&arguments.connection).await?;
    if !arguments.take_back {
        let list: MissingList = client
            .get(&["connections", &connection.id, "missing"], &[])
            .await?;
        let remote = client.integration().await;
        let remote = remote.map_or("The remote service".to_owned(), |remote| remote.name);
        return output.answer(&list, |list| describe(list, &remote));
    }
    let request = TakeBackRequest {
        entry_ids: (!arguments.entries.is_empty()).then_some(arguments.entries),
    };
    let taken: TakenBack = client
        .send(
            Method::POST,
            &["connections", &connection.id, "missing", "take-back"],
            &request,
        )
        .await?;
    output.answer(&taken, |taken| match taken.taken_back {
        0 => "Nothing is marked as deleted because it is missing.".to_owned(),
        1 => "One activity is no longer marked as deleted.".to_owned(),
        more => format!("{more} activities are no longer marked as deleted."),
    })
}

fn describe(list: &MissingList, remote: &str) -> String {
    if list.missing.is_empty() {
        return format!(
            "{} lists everything that it listed before.",
            printable(remote)
        );
    }
    let mut table = Table::new(&["ENTRY", "STATE", "MISSING SINCE", "LAST ASKED FOR", "TIMES"]);
    for one in &list.missing {
        table.row([
            one.entry_id.clone(),
            match one.state {
                MissingStateView::Suspected => "asked for again",
                MissingStateView::Marked => "marked as deleted",
                MissingStateView::Kept => "kept",
            }
            .to_owned(),
            one.first_missed_at.to_string(),
            one.asked_at.to_string(),
            one.times.to_string(),
        ]);
    }
    table.render()
}
