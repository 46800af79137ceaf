//! Components and networks that mean harm, and what others feel of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end::flood::{self, Attack};
use end_to_end::strangers::{self, Strangers};
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

/// The most that the host may take and log for strangers, in bytes.
const MOST_MEMORY: u64 = 256 << 20;
const MOST_LOG: usize = 100 << 10;
/// And the latency of genuine deliveries among them, as a multiple of the quiet one.
const MOST_RATIO_AMONG_STRANGERS: f64 = 5.0;

/// A hundred sources of each kind.
const CROWD: Strangers = Strangers {
    sources: 100,
    idle: 3,
    forging: 6,
    flooding: 20,
    deliveries: 4_000,
    seed: 0,
};

/// Forgers alone: some ten thousand forged deliveries a second where the machine can.
const FORGERS: Strangers = Strangers {
    idle: 0,
    flooding: 0,
    ..CROWD
};

pub async fn strangers(table: &mut Table, seed: u64) -> Result<()> {
    for (name, crowd) in [("strangers", CROWD), ("forgers", FORGERS)] {
        among(name, Strangers { seed, ..crowd }, table).await?;
    }
    Ok(())
}

async fn among(name: &str, crowd: Strangers, table: &mut Table) -> Result<()> {
    let seen = strangers::run(crowd).await?;
    table.promise(
        &format!("genuine deliveries refused / lost among {name}"),
        format!("{} / {}", seen.refused, seen.lost),
        "0 / 0",
        seen.refused + seen.lost == 0,
    );
    table.detail(format!(
        "{} sent again because a connection was closed; {} health checks without an answer",
        seen.sent_again, seen.unhealthy
    ));
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    table.target(
        &format!("p99 among {name}"),
        format!(
            "{:.1} → {:.1} ms",
            milliseconds(seen.quiet_p99),
            milliseconds(seen.p99)
        ),
        &format!("≤ {MOST_RATIO_AMONG_STRANGERS}× quiet"),
        seen.ratio() <= MOST_RATIO_AMONG_STRANGERS,
    );
    table.detail(format!(
        "{:.0} forged, {:.0} repeated and {:.0} other requests answered a second",
        seen.forged_per_second, seen.repeated_per_second, seen.others_per_second
    ));
    let (before, after) = seen.memory;
    table.promise(
        &format!("memory that {name} cost"),
        format!("{} → {} MiB", before >> 20, after >> 20),
        &format!("≤ {} MiB more", MOST_MEMORY >> 20),
        after.saturating_sub(before) <= MOST_MEMORY,
    );
    table.promise(
        &format!("log that {name} cause"),
        format!("{} kB", seen.logged / 1000),
        &format!("≤ {} kB", MOST_LOG / 1000),
        seen.logged <= MOST_LOG,
    );
    table.promise(
        "rows of a delivery that came again and again",
        seen.rows_of_repeated,
        "≤ 1",
        seen.rows_of_repeated <= 1,
    );
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
