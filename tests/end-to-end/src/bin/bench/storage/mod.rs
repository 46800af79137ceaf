//! What providers of storage and ledgers take, and how far they go.

mod hosts;
mod idle;
mod ledger;
mod moving;
mod providers;
mod sharing;

use anyhow::Result;
use clap::{Args, ValueEnum};

/// How much of it to measure.
#[derive(Args)]
pub struct StorageArguments {
    /// Only this part; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// How many activities the largest ledger has; ten million take up some 20 GB
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u32).range(10_000..))]
    activities: u32,
    /// How many connections are idle
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Calls of each storage provider.
    Providers,
    /// Deliveries to several hosts on one Postgres.
    Hosts,
    /// Reads of ledgers of all sizes, and moving them.
    Ledger,
    /// Connections of which nothing is heard.
    Idle,
    /// Changes of what all activities of a ledger share.
    Sharing,
}

pub async fn measure(arguments: &StorageArguments) -> Result<()> {
    let has = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    if has(Part::Providers) {
        providers::measure().await?;
    }
    if has(Part::Hosts) {
        hosts::measure().await?;
    }
    if has(Part::Ledger) {
        ledger::measure(arguments.activities).await?;
    }
    if has(Part::Idle) {
        idle::measure(arguments.connections).await?;
    }
    if has(Part::Sharing) {
        sharing::measure(arguments.activities).await?;
    }
    Ok(())
}
