//! Several hosts on one database, of which one is killed every second.

use anyhow::Result;
use end_to_end::kills::{HostKillPlan, run_hosts};

use super::table::Table;

const HOSTS: usize = 3;

/// How many kills there are for each host that stands still, and for each end of the database.
const KILLS_FOR_PAUSE: u32 = 15;
const KILLS_FOR_DATABASE: u32 = 12;

pub async fn run(kills: u32, seed: u64, table: &mut Table) -> Result<()> {
    let plan = HostKillPlan {
        hosts: HOSTS,
        kills,
        pauses: kills / KILLS_FOR_PAUSE,
        database_restarts: kills / KILLS_FOR_DATABASE,
        seed,
    };
    let Some(report) = run_hosts(plan).await? else {
        table.detail("several hosts were left out, because Postgres is not installed");
        return Ok(());
    };
    let deliveries = &report.deliveries;
    table.promise(
        "kill -9 of one of three hosts each second, survived",
        deliveries.kills,
        "all",
        true,
    );
    table.detail(format!(
        "in {} s, {} of them while it started again; slowest recovery {} ms",
        deliveries.elapsed.as_secs(),
        deliveries.while_starting,
        deliveries.slowest_recovery.as_millis()
    ));
    table.promise(
        "hosts stopped past their lease / ends of the database",
        format!("{} / {}", report.pauses, report.database_restarts),
        "all",
        (report.pauses, report.database_restarts) == (plan.pauses, plan.database_restarts),
    );
    table.detail(format!(
        "the longest time in which nothing was acknowledged was {} ms",
        report.longest_silence.as_millis()
    ));
    table.promise(
        "acknowledged by any host, and lost / doubled",
        format!("{} / {}", deliveries.lost, deliveries.doubled),
        "0 / 0",
        deliveries.is_clean(),
    );
    table.detail(format!(
        "{} acknowledged of {} sent, {} different, {} misreported",
        deliveries.acknowledged, deliveries.sent, deliveries.different, deliveries.misreported
    ));
    table.promise(
        "background work done by two hosts at once",
        report.collisions.len(),
        "0",
        report.collisions.is_empty() && report.work > 0,
    );
    table.detail(format!("{} pieces of background work", report.work));
    for collision in &report.collisions {
        table.detail(collision);
    }
    Ok(())
}
