//! Components and networks that mean harm, and what others feel of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end::flood::{self, Attack};
use end_to_end::{hostile, isolation};

use super::table::Table;

/// The latency of others under attack, as a multiple of the quiet one.
const MOST_RATIO: f64 = 2.0;

const ROUNDS: usize = 5;
const DELIVERIES: usize = 400;

pub async fn components(table: &mut Table) -> Result<()> {
    let report = hostile::run().await?;
    table.promise(
        "hostile-component cases contained",
        format!("{}/{}", report.contained, report.total),
        "all",
        report.escaped.is_empty(),
    );
    for escaped in &report.escaped {
        table.detail(escaped);
    }
    for measured in isolation::measure(ROUNDS, DELIVERIES).await? {
        let what = format!(
            "p99 of another connection while one does “{}”",
            measured.attack
        );
        ratio(table, &what, measured.quiet.p99, measured.attacked.p99);
    }
    Ok(())
}

pub async fn floods(table: &mut Table) -> Result<()> {
    let measured = flood::measure(ROUNDS, DELIVERIES).await?;
    let quiet = measured
        .iter()
        .find(|measured| measured.attack == Attack::Quiet)
        .context("quiet deliveries were not measured")?;
    for attacked in measured.iter().filter(|one| one.attack != Attack::Quiet) {
        let what = match attacked.attack {
            Attack::Quiet => continue,
            Attack::SameHook => "p99 while the same hook is flooded with forgeries",
            Attack::OtherHook => "p99 while another hook is flooded",
            Attack::UnknownHooks => "p99 while hooks that do not exist are flooded",
            Attack::SlowConnections => "p99 while slow connections drip headers",
        };
        ratio(table, what, quiet.p99, attacked.p99);
        table.detail(format!(
            "{:.0} forgeries answered a second",
            attacked.attacks_per_second
        ));
    }
    Ok(())
}

fn ratio(table: &Table, what: &str, quiet: Duration, attacked: Duration) {
    let ratio = attacked.as_secs_f64() / quiet.as_secs_f64();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let seen = format!(
        "{:.1} → {:.1} ms",
        milliseconds(quiet),
        milliseconds(attacked)
    );
    table.target(
        what,
        seen,
        &format!("≤ {MOST_RATIO}× quiet"),
        ratio <= MOST_RATIO,
    );
}
