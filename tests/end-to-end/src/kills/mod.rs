//! Killing the host at random moments while deliveries arrive, and looking what became of those it
//! acknowledged.

mod administration;
mod audit;
mod between;
mod hosts;
mod load;
mod silence;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use toggl_sandbox::Scenario;

pub use self::administration::{InterruptedUseCases, interrupt_use_cases};
use self::audit::Audit;
pub use self::between::{BetweenReport, die_between};
pub use self::hosts::{HostKillPlan, HostKillReport, run_hosts};
use self::load::{Hook, Load};
use crate::process::HostProcess;
use crate::setup::{NORTHWIND, Setup};

/// A second workspace, made of the first.
pub const SOUTHWIND: i64 = NORTHWIND + 100;

/// The longest pause between the delivery that decides on a kill and the kill.
const MOST_PAUSE: Duration = Duration::from_millis(15);

/// The longest time a host that is killed while it starts is given.
const MOST_START: Duration = Duration::from_millis(400);

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct KillPlan {
    /// How often to kill the host.
    pub kills: u32,
    /// How many deliveries to have acknowledged, at least: more are sent until the last kill.
    pub deliveries: usize,
    /// Decides on everything random but the timing.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct KillReport {
    /// The plan's.
    pub seed: u64,
    /// Kills while deliveries arrived.
    pub kills: u32,
    /// How many of them hit a host that was still starting.
    pub while_starting: u32,
    /// Deliveries that were answered with 2xx.
    pub acknowledged: u64,
    /// Deliveries that were sent, again or for the first time.
    pub sent: u64,
    /// Acknowledged deliveries that were not in the ledger, or in an older state, at any time later.
    pub lost: u64,
    /// Entries that are in the ledger more than once.
    pub doubled: u64,
    /// Entries whose last state is not the one that was delivered.
    pub different: u64,
    /// Acknowledged deliveries that the delivery log has not as often as they were acknowledged, or more often
    /// than they were sent.
    pub misreported: u64,
    /// The longest a host took from its start until it listened again.
    pub slowest_recovery: Duration,
    /// Time for all of it.
    pub elapsed: Duration,
}

impl KillReport {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.lost + self.doubled + self.different + self.misreported == 0
    }
}

impl fmt::Display for KillReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} kills ({} while starting), {} deliveries acknowledged of {} sent in {:.0} s: {} lost, {} doubled, {} different, {} misreported; slowest recovery {} ms; seed {}",
            self.kills,
            self.while_starting,
            self.acknowledged,
            self.sent,
            self.elapsed.as_secs_f64(),
            self.lost,
            self.doubled,
            self.different,
            self.misreported,
            self.slowest_recovery.as_millis(),
            self.seed
        )
    }
}

/// Carries out a plan. An error means that something other than the promise went wrong: the host did
/// not start again by itself, or did not answer any more.
pub async fn run(plan: KillPlan) -> Result<KillReport> {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(plan.seed);
    // The log is to be compared to the end, so it must keep everything.
    let configuration = "[limits]\ndelivery_log_rows = 10000000\n";
    let mut setup = Setup::builder()
        .scenario(two_workspaces()?)
        .configuration(configuration)
        .start()
        .await?;
    let mut hooks = Vec::new();
    for workspace in [NORTHWIND, SOUTHWIND] {
        let connection = setup.connect(workspace).await?;
        hooks.push(Hook::of(setup.toggl(), workspace, &connection)?);
    }
    // So many that they do not run out, however much is acknowledged from one kill to the next.
    let load = Arc::new(Load::new(hooks, 4 * plan.deliveries, &mut random)?);
    let senders = load.start(plan.seed);
    let mut report = KillReport {
        seed: plan.seed,
        ..KillReport::default()
    };
    let mut audit = Audit::default();
    for kill in 0..plan.kills {
        let moment = (f64::from(kill) + random.random::<f64>()) / f64::from(plan.kills);
        load.acknowledged_reach((plan.deliveries as f64 * moment) as u64)
            .await?;
        tokio::time::sleep(MOST_PAUSE.mul_f64(random.random())).await;
        ensure!(
            !load.is_done(),
            "every delivery was acknowledged before kill {kill}"
        );
        setup.host.kill().await?;
        report.kills += 1;
        // Now and then recovery itself is interrupted.
        if random.random_ratio(1, 10) {
            setup.keep_address();
            HostProcess::start_and_kill(&setup.options, MOST_START.mul_f64(random.random()))
                .await?;
            report.while_starting += 1;
        }
        let restarted = Instant::now();
        setup
            .restart()
            .await
            .with_context(|| format!("after kill {kill}, seed {}", plan.seed))?;
        report.slowest_recovery = report.slowest_recovery.max(restarted.elapsed());
        report.lost += audit.follow(&setup.host, &load).await?;
    }
    load.acknowledged_reach(plan.deliveries as u64).await?;
    load.stop();
    for sender in senders {
        sender.await??;
    }
    report.acknowledged = load.acknowledged();
    report.sent = load.sent();
    report.lost += audit.follow(&setup.host, &load).await?;
    audit.compare(&setup.host, &load, &mut report).await?;
    setup.host.terminate().await?;
    audit::ensure_intact(&setup.options.data.join("host.sqlite"))?;
    report.kills += report.while_starting;
    report.elapsed = began.elapsed();
    Ok(report)
}

/// The built-in scenario with a second workspace, and without a quota that would end the test.
pub fn two_workspaces() -> Result<Scenario> {
    let mut scenario = Scenario::default();
    scenario.limits.hourly_quota = false;
    let organization = scenario
        .organizations
        .first_mut()
        .context("the scenario is empty")?;
    let mut second = organization
        .workspaces
        .first()
        .context("the organisation is empty")?
        .clone();
    second.id = SOUTHWIND;
    second.name = "Southwind Studio".to_owned();
    organization.workspaces.push(second);
    Ok(scenario)
}
