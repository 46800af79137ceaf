//! Measures what a user pays, and prints it beside what was promised. `cargo xtask bench` builds everything in
//! release mode and runs it. Ratios are of things measured in turn in one run.

mod console;
mod delivery;
mod host;
mod load;
mod native;
mod pages;
mod resources;
mod storage;
mod times;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::storage::StorageArguments;

/// Measures what a user pays, and prints it beside what was promised
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

/// Something else than the component, a delivery and the host.
#[derive(Subcommand)]
enum What {
    /// What the console waits for, with a ledger that takes minutes to fill
    Console,
    /// What storage and ledgers of each kind take, and how far they go
    Storage(StorageArguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // What a host in this process cannot do explains a figure that is missing.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match arguments.what {
            None => {
                print("component", size()?, "≤ 400 kB");
                delivery::measure().await?;
                host::measure().await
            }
            Some(What::Console) => {
                pages::measure().await?;
                console::measure().await
            }
            Some(What::Storage(arguments)) => storage::measure(&arguments).await,
        }
    })
}

fn size() -> Result<String> {
    let bytes = std::fs::metadata(end_to_end::component()?)?.len();
    Ok(format!("{:.1} kB", bytes as f64 / 1000.0))
}

/// One line of the table.
fn print(what: &str, figure: String, promised: &str) {
    println!("{what:<52} {figure:>24}   {promised}");
}

/// The median of some times.
fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
