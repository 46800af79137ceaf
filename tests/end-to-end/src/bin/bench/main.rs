//! Measures what a user pays, and prints it beside what was promised. `cargo xtask bench` builds
//! everything in release mode and runs it; `cargo xtask bench console` measures what the console waits for,
//! with a ledger that takes a minute to fill. Ratios are of things measured in turn in one run.

mod console;
mod delivery;
mod host;
mod native;
mod pages;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let what = std::env::args().nth(1);
    runtime.block_on(async {
        match what.as_deref() {
            None => {
                print("component", size()?, "≤ 300 kB");
                delivery::measure().await?;
                host::measure().await
            }
            Some("console") => {
                pages::measure().await?;
                console::measure().await
            }
            Some(other) => {
                bail!("there is nothing to measure called “{other}”; give console, or nothing")
            }
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
