//! Deliveries a second with several hosts on one Postgres database, and what the time is spent on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use end_to_end::NORTHWIND;
use end_to_end::cluster::Cluster;
use end_to_end::kills::{SOUTHWIND, two_workspaces};
use test_services::{Durability, PostgresServer};

use crate::times::Times;
use crate::{load, resources};

const MOST_HOSTS: usize = 3;
const WARM_UP: u64 = 5_000;
const DELIVERIES: u64 = 20_000;
const SENDERS: u64 = 64;

/// By then Postgres has counted what was done.
const COUNTED: Duration = Duration::from_secs(2);

const CONFIGURATION: &str = "[limits]\ndelivery_log_rows = 10000000\n";

const TRANSACTIONS: &str = "SELECT sum(xact_commit)::bigint FROM pg_stat_database";
const LOG_BYTES: &str = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";

pub async fn measure() -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!(
        "\nDeliveries: {DELIVERIES} by {SENDERS} senders; hosts, Postgres, senders and balancer share {cores} cores"
    );
    println!(
        "{:<8} {:>10} {:>20} {:>30} {:>12} {:>14} {:>12}",
        "",
        "",
        "acknowledged within",
        "processor time of a delivery",
        "cores busy",
        "transactions",
        "log"
    );
    println!(
        "{:<8} {:>10} {:>20} {:>10} {:>9} {:>9} {:>12} {:>14} {:>12}",
        "hosts",
        "a second",
        "half / 99 of 100",
        "hosts",
        "Postgres",
        "senders",
        "",
        "a delivery",
        "a delivery"
    );
    for hosts in 1..=MOST_HOSTS {
        let Some(database) = PostgresServer::start(Durability::Disk)? else {
            return Ok(());
        };
        measure_with(hosts, database).await?;
    }
    Ok(())
}

async fn measure_with(hosts: usize, database: PostgresServer) -> Result<()> {
    let scenario = two_workspaces()?;
    let mut cluster = Cluster::start_on(database, hosts, scenario, CONFIGURATION).await?;
    for workspace in [NORTHWIND, SOUTHWIND] {
        cluster.connect(workspace).await?;
    }
    let subscriptions = cluster.sandbox.control().subscriptions();
    load::deliver(&subscriptions, 0..WARM_UP, SENDERS).await?;
    // As Postgres does by itself within minutes: until then its plans are for tables that are nearly empty.
    cluster.database().execute("ANALYZE")?;

    let before = Used::by(&cluster, hosts).await?;
    let began = Instant::now();
    let numbers = WARM_UP..WARM_UP + DELIVERIES;
    let times = Times::new(load::deliver(&subscriptions, numbers, SENDERS).await?);
    let elapsed = began.elapsed();
    let used = Used::by(&cluster, hosts).await?.since(&before);

    let a_delivery = |time: Duration| format!("{} µs", time.as_micros() / u128::from(DELIVERIES));
    let busy = used.hosts + used.postgres + used.senders;
    println!(
        "{hosts:<8} {:>10.0} {times:>20} {:>10} {:>9} {:>9} {:>12.2} {:>14.2} {:>10} B",
        DELIVERIES as f64 / elapsed.as_secs_f64(),
        a_delivery(used.hosts),
        a_delivery(used.postgres),
        a_delivery(used.senders),
        busy.as_secs_f64() / elapsed.as_secs_f64(),
        used.transactions as f64 / DELIVERIES as f64,
        used.log_bytes / DELIVERIES as i64,
    );
    Ok(())
}

/// What has been used so far.
struct Used {
    hosts: Duration,
    postgres: Duration,
    /// This process: senders, balancer and the sandbox Toggl.
    senders: Duration,
    transactions: i64,
    log_bytes: i64,
}

impl Used {
    async fn by(cluster: &Cluster, hosts: usize) -> Result<Self> {
        tokio::time::sleep(COUNTED).await;
        let of_host = |number| {
            let id = cluster.host(number)?.id().context("a host has ended")?;
            resources::processor_time(id)
        };
        let database = cluster.database();
        let postgres = database.process_id().context("Postgres has ended")?;
        Ok(Self {
            hosts: (0..hosts).map(of_host).sum::<Result<_>>()?,
            postgres: resources::processor_time_with_children(postgres)?,
            senders: resources::processor_time(std::process::id())?,
            transactions: database.number(TRANSACTIONS)?,
            log_bytes: database.number(LOG_BYTES)?,
        })
    }

    fn since(self, before: &Self) -> Self {
        Self {
            hosts: self.hosts.saturating_sub(before.hosts),
            postgres: self.postgres.saturating_sub(before.postgres),
            senders: self.senders.saturating_sub(before.senders),
            transactions: self.transactions - before.transactions,
            log_bytes: self.log_bytes - before.log_bytes,
        }
    }
}
