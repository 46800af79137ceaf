//! The delivery log.

use clap::Args;
use reqwest::Method;

use super::client::Client;
use super::connections::moment;
use super::failure::Failure;
use super::output::{Output, printable};
use super::table::Table;
use integration_host_ledger::DeliveryStatus;
use integration_host_server::api::{DeliveryList, DeliveryView, ReplayRequest, ReplayResult};

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host deliveries
  integration-host deliveries --status failed --connection Studio";

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  integration-host replay k7m2p9x4bdq8w3nt
  integration-host replay --all
  integration-host replay --all --connection Studio";

#[derive(Args, Debug)]
pub(super) struct ListArguments {
    /// Of this connection only: its id or name
    #[arg(long)]
    connection: Option<String>,
    /// With this outcome only
    #[arg(long, value_parser = ["accepted", "ping", "ignored", "failed", "superseded", "refused"])]
    status: Option<String>,
    /// At most so many, 1 to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArguments {
    /// The delivery's id, from `deliveries`
    #[arg(required_unless_present = "all")]
    delivery: Option<String>,
    /// Every failed delivery that is kept
    #[arg(long, conflicts_with = "delivery")]
    all: bool,
    /// With --all, of this connection only: its id or name
    #[arg(long, requires = "all")]
    connection: Option<String>,
}

/// `deliveries`
pub(super) async fn list(
    arguments: ListArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let limit = arguments.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    let connection = match &arguments.connection {
        Some(connection) => Some(client.connection(connection).await?.id),
        None => None,
    };
    query.extend(connection.as_deref().map(|id| ("connection", id)));
    query.extend(arguments.status.as_deref().map(|status| ("status", status)));
    let list: DeliveryList = client.get(&["deliveries"], &query).await?;
    output.answer(&list, |list| {
        if list.deliveries.is_empty() {
            return "No deliveries.".to_owned();
        }
        let mut table = Table::new(&[
            "DELIVERY",
            "RECEIVED",
            "CONNECTION",
            "STATUS",
            "TIME",
            "ATTEMPTS",
            "DETAIL",
        ]);
        for delivery in &list.deliveries {
            table.row([
                delivery.id.clone(),
                moment(delivery.received_at),
                delivery.connection_id.clone(),
                DeliveryStatus::from(delivery.status).as_str().to_owned(),
                format!("{:.1} ms", delivery.elapsed_us as f64 / 1e3),
                delivery.attempts.to_string(),
                delivery.detail.clone(),
            ]);
        }
        table.render()
    })
}

/// `replay`
pub(super) async fn replay(
    arguments: ReplayArguments,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let Some(id) = &arguments.delivery else {
        return replay_all(arguments.connection.as_deref(), client, output).await;
    };
    let delivery: DeliveryView = client.post(&["deliveries", id, "replay"]).await?;
    let status = DeliveryStatus::from(delivery.status);
    output.answer(&delivery, |delivery| {
        format!(
            "The delivery is now {}: {}",
            status.as_str(),
            printable(&delivery.detail)
        )
    })?;
    match status {
        DeliveryStatus::Failed => Err(Failure::Reported),
        _ => Ok(()),
    }
}

/// `replay --all`
async fn replay_all(
    connection: Option<&str>,
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let connection = match connection {
        Some(connection) => Some(client.connection(connection).await?.id),
        None => None,
    };
    let mut request = ReplayRequest {
        connection,
        ..ReplayRequest::default()
    };
    let mut total: Option<ReplayResult> = None;
    loop {
        let step: ReplayResult = client
            .send(Method::POST, &["deliveries", "replay"], &request)
            .await?;
        request.before = Some(step.before);
        let so_far = total.map_or(step, |total| ReplayResult {
            replayed: total.replayed + step.replayed,
            failed: total.failed + step.failed,
            ..step
        });
        total = Some(so_far);
        // Nothing done and something left would go on for ever.
        if so_far.remaining == 0 || step.replayed + step.failed == 0 {
            output.answer(&so_far, summary)?;
            return match so_far.failed + so_far.remaining {
                0 => Ok(()),
                _ => Err(Failure::Reported),
            };
        }
        output.progress(&format!(
            "{} replayed, {} failed again, {} to go …",
            so_far.replayed, so_far.failed, so_far.remaining
        ));
    }
}

fn summary(result: &ReplayResult) -> String {
    match (result.replayed, result.failed + result.remaining) {
        (0, 0) => "No failed delivery is kept.".to_owned(),
        (replayed, 0) => format!("{replayed} deliveries replayed; none is left."),
        (replayed, left) => format!(
            "{replayed} deliveries replayed; {left} failed again and are kept: `integration-host deliveries --status failed` says why."
        ),
    }
}
