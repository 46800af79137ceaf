//! Breaks what can break and prints beside each promise what was seen. `cargo xtask chaos` builds
//! everything in release mode and runs it; the exit code is 1 if anything was lost, doubled or got out.

mod attacks;
mod faults;
mod hosts;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use end_to_end::histories;
use end_to_end::kills::{self, KillPlan};
use end_to_end::world::{self, Kind};

use self::table::Table;

/// Kills in the middle of connecting, disconnecting, renaming and mapping.
const INTERRUPTIONS: u32 = 40;

/// Breaks what can break, and shows what is kept
#[derive(Parser)]
struct Arguments {
    /// Only this part; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// How often the host, or one of several, is killed while deliveries arrive
    #[arg(long, default_value_t = 120)]
    kills: u32,
    /// How many deliveries arrive while the only host is killed
    #[arg(long, default_value_t = 60_000)]
    deliveries: usize,
    /// How many histories are played
    #[arg(long, default_value_t = 10_000)]
    histories: u32,
    /// How many histories of a world that lies are played on each kind of database
    #[arg(long, default_value_t = 200)]
    seeds: u32,
    /// Decides on everything random but the timing [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The host, by kill -9.
    Kills,
    /// Several hosts and the database they share.
    Hosts,
    /// The order and number of deliveries.
    Histories,
    /// Toggl and the network to it.
    Faults,
    /// The component.
    Components,
    /// The network from outside.
    Floods,
    /// The network from outside, with everybody there at once.
    Strangers,
    /// What Toggl says, the clocks, the directory, and what the databases were put back to.
    World,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut table = Table::new();
    runtime.block_on(run(&arguments, seed, &mut table))?;
    println!("seed {seed}");
    Ok(if table.has_broken_promises() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn run(arguments: &Arguments, seed: u64, table: &mut Table) -> Result<()> {
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    if wanted(Part::Kills) {
        let plan = KillPlan {
            kills: arguments.kills,
            deliveries: arguments.deliveries,
            seed,
        };
        kill(plan, table).await?;
    }
    if wanted(Part::Hosts) {
        hosts::run(arguments.kills, seed, table).await?;
    }
    if wanted(Part::Histories) {
        let report = histories::run(arguments.histories, seed).await?;
        table.promise(
            "histories that ended as Toggl has them",
            report.histories,
            "all",
            report.histories == arguments.histories,
        );
        table.detail(format!(
            "{} deliveries of {} events, {} lost, {} entries compared",
            report.deliveries, report.events, report.lost, report.compared
        ));
    }
    if wanted(Part::Faults) {
        faults::run(table).await?;
    }
    if wanted(Part::Components) {
        attacks::components(table).await?;
    }
    if wanted(Part::Floods) {
        attacks::floods(table).await?;
    }
    if wanted(Part::Strangers) {
        attacks::strangers(table, seed).await?;
    }
    if wanted(Part::World) {
        for kind in [Kind::Sqlite, Kind::Postgres] {
            lie(kind, arguments.seeds, seed, table).await?;
        }
    }
    Ok(())
}

async fn lie(kind: Kind, seeds: u32, seed: u64, table: &mut Table) -> Result<()> {
    let report = world::run(kind, seed, seeds).await?;
    table.promise(
        &format!("worlds that lied, found back to the truth ({kind:?})"),
        report.histories,
        "all",
        report.histories == seeds,
    );
    table.detail(format!(
        "{} steps, {} entries compared, {} requests to Toggl; slowest {} ms after the truth was told",
        report.steps,
        report.entries,
        report.requests,
        report.slowest.as_millis()
    ));
    Ok(())
}

async fn kill(plan: KillPlan, table: &mut Table) -> Result<()> {
    let report = kills::run(plan).await?;
    table.promise("kill -9 under load, survived", report.kills, "all", true);
    table.detail(format!(
        "{} of them while it started again; slowest recovery {} ms",
        report.while_starting,
        report.slowest_recovery.as_millis()
    ));
    table.promise(
        "acknowledged deliveries lost / doubled",
        format!("{} / {}", report.lost, report.doubled),
        "0 / 0",
        report.is_clean(),
    );
    table.detail(format!(
        "{} acknowledged of {} sent, {} different, {} misreported",
        report.acknowledged, report.sent, report.different, report.misreported
    ));
    let interrupted = kills::interrupt_use_cases(INTERRUPTIONS, plan.seed).await?;
    table.detail(interrupted.to_string());
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let Some(between) = kills::die_between(&end_to_end::component()?, kind).await? else {
            continue;
        };
        table.promise(
            &format!("{kind:?}: died between storage and ledger, different afterwards"),
            format!("{} / {}", between.deaths, between.failures.len()),
            "all / 0",
            between.failures.is_empty(),
        );
        for failure in between.failures {
            table.detail(failure);
        }
    }
    Ok(())
}
