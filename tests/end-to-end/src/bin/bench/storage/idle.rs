//! What connections cost of which nothing is heard.

use anyhow::Result;
use end_to_end::idle::{Idle, memory_per_connection};

use crate::print;
use crate::times::shown;

pub async fn measure(connections: usize) -> Result<()> {
    println!("\nIdle: a host with {connections} connections, in SQLite");
    let Idle {
        start_with_one,
        start_with_all,
        resident_with_one,
        resident_with_all,
        peak_with_all,
        bytes_each,
    } = memory_per_connection(connections).await?;
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    print(
        "start until it listens, one connection",
        shown(start_with_one),
        "",
    );
    print("  all connections", shown(start_with_all), "");
    print(
        "resident memory, one connection",
        megabytes(resident_with_one),
        "",
    );
    print("  all connections", megabytes(resident_with_all), "");
    print(
        "  all connections, the most at any time",
        megabytes(peak_with_all),
        "",
    );
    let each = format!("{:.2} kB", bytes_each / 1e3);
    print("  for each connection", each, "≤ 4 kB");
    Ok(())
}
