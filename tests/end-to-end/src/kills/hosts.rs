//! Killing, pausing and restarting hosts that share a database, and the database itself, while
//! deliveries arrive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use super::audit::Audit;
use super::load::{Hook, Load};
use super::{KillReport, NORTHWIND, SOUTHWIND, two_workspaces};
use crate::cluster::{Cluster, LOGGING};

/// How long hosts wait for one that gives no sign of life.
const LEASE: Duration = Duration::from_secs(2);

/// Background work without a pause, so that hosts meet.
const CONFIGURATION: &str = "[limits]
delivery_log_rows = 10000000
[background]
heartbeat_ms = 500
upkeep_ms = 400
silence_ms = 300
retry_ms = 200
start_delay_ms = 100
lease_ms = 2000
";

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct HostKillPlan {
    /// How many hosts share the database.
    pub hosts: usize,
    /// How often to kill one of them.
    pub kills: u32,
    /// How many deliveries to send until they are acknowledged.
    pub deliveries: usize,
    /// Decides on everything random but the timing.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct HostKillReport {
    /// What became of the deliveries.
    pub deliveries: KillReport,
    /// Pieces of background work.
    pub work: usize,
    /// When two hosts were at work on the same connection at the same time.
    pub collisions: Vec<String>,
}

/// Carries out a plan; `None`: Postgres is not installed, which was said.
pub async fn run_hosts(plan: HostKillPlan) -> Result<Option<HostKillReport>> {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(plan.seed);
    let configuration = format!("{LOGGING}{CONFIGURATION}");
    let Some(mut cluster) = Cluster::start(plan.hosts, two_workspaces()?, &configuration).await?
    else {
        return Ok(None);
    };
    let mut hooks = Vec::new();
    for workspace in [NORTHWIND, SOUTHWIND] {
        let connection = cluster.connect(workspace).await?;
        hooks.push(Hook::of(cluster.sandbox.control(), workspace, &connection)?);
    }
    let load = Arc::new(Load::new(hooks, plan.deliveries, &mut random)?);
    let senders = load.start(plan.seed);
    let mut report = KillReport {
        seed: plan.seed,
        ..KillReport::default()
    };
    let mut audit = Audit::default();
    for kill in 0..plan.kills {
        // At these the load has got so far; kills are spread over it.
        let moment = (f64::from(kill) + random.random::<f64>()) / (f64::from(plan.kills) + 3.0);
        load.acknowledged_reach((plan.deliveries as f64 * moment) as u64)
            .await?;
        ensure!(
            !load.is_done(),
            "every delivery was acknowledged before kill {kill}"
        );
        let host = random.random_range(0..plan.hosts);
        if kill == plan.kills / 3 {
            // Others take over what it holds, and then it wakes.
            cluster.pause(host, LEASE * 2).await?;
        } else if kill == plan.kills * 2 / 3 {
            cluster.restart_database().await?;
        }
        cluster.kill(host).await?;
        report.kills += 1;
        sleep(Duration::from_millis(random.random_range(0..300))).await;
        let restarted = Instant::now();
        cluster
            .start_again(host)
            .await
            .with_context(|| format!("after kill {kill}, seed {}", plan.seed))?;
        report.slowest_recovery = report.slowest_recovery.max(restarted.elapsed());
        let witness = random.random_range(0..plan.hosts);
        report.lost += audit.follow(cluster.host(witness)?, &load).await?;
    }
    for sender in senders {
        sender.await??;
    }
    report.acknowledged = load.acknowledged();
    report.sent = load.sent();
    let host = cluster.host(0)?;
    report.lost += audit.follow(host, &load).await?;
    audit.compare(host, &load, &mut report).await?;
    report.elapsed = began.elapsed();
    let (work, collisions) = cluster.background_work().await?;
    Ok(Some(HostKillReport {
        deliveries: report,
        work,
        collisions,
    }))
}
