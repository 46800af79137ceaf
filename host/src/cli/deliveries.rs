//! The delivery log.

use clap::Args;

use super::client::Client;
use super::connections::moment;
use super::failure::Failure;
use super::output::{Output, printable};
use super::table::Table;
use crate::api::{DeliveryList, DeliveryView};
use crate::ledger::DeliveryStatus;

pub(super) const EXAMPLES: &str = "\
Examples:
  integration-host deliveries
  integration-host deliveries --status failed --connection Studio";

#[derive(Args, Debug)]
pub(super) struct ListArguments {
    /// Of this connection only: its id or name
    #[arg(long)]
    connection: Option<String>,
    /// With this outcome only
    #[arg(long, value_parser = ["accepted", "ping", "ignored", "failed"])]
    status: Option<String>,
    /// At most so many, 1 to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArguments {
    /// The delivery's id, from `deliveries`
    delivery: String,
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
            "ATTEMPTS",
            "DETAIL",
        ]);
        for delivery in &list.deliveries {
            table.row([
                delivery.id.clone(),
                moment(delivery.received_at),
                delivery.connection_id.clone(),
                DeliveryStatus::from(delivery.status).as_str().to_owned(),
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
    let delivery: DeliveryView = client
        .post(&["deliveries", &arguments.delivery, "replay"])
        .await?;
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
