//! Killing one of several hosts that share a database every second, while deliveries arrive, hosts stand
//! still, and the database ends and is started again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use test_services::Ending;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::audit::Audit;
use super::load::{Hook, Load};
use super::{KillReport, MOST_START, NORTHWIND, SOUTHWIND, two_workspaces};
use crate::cluster::{Cluster, LOGGING};

/// How often a host is killed, if those before have started again by then.
const BETWEEN_KILLS: Duration = Duration::from_secs(1);

/// The longest time until a host that was killed is started again.
const MOST_DOWN: Duration = Duration::from_millis(300);

/// How long the database is down.
const DATABASE_DOWN: Duration = Duration::from_millis(500);

/// More deliveries than hosts take between two kills. The load is to end with the last kill, not before.
const MOST_BETWEEN_KILLS: usize = 10_000;

/// How long hosts wait for one that gives no sign of life, as in [`CONFIGURATION`].
const LEASE: Duration = Duration::from_secs(2);

/// For how many kills a host stands still: three times as long as its lease. Others take over what it holds, and
/// then it wakes.
const KILLS_IN_PAUSE: u32 = 6;

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
    /// How often one stands still past its lease while others are killed; at most once in 12 kills.
    pub pauses: u32,
    /// How often the database ends, in one way after the other, and is started again.
    pub database_restarts: u32,
    /// Decides on everything random but the timing.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct HostKillReport {
    /// What became of the deliveries.
    pub deliveries: KillReport,
    /// How often a host stood still past its lease and went on.
    pub pauses: u32,
    /// How often the database ended and was started again.
    pub database_restarts: u32,
    /// The longest time in which no host acknowledged anything.
    pub longest_silence: Duration,
    /// Pieces of background work.
    pub work: usize,
    /// When two hosts were at work on the same connection at the same time.
    pub collisions: Vec<String>,
}

/// Carries out a plan; `None`: Postgres is not installed, which was said.
pub async fn run_hosts(plan: HostKillPlan) -> Result<Option<HostKillReport>> {
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
    let most_deliveries = MOST_BETWEEN_KILLS * plan.kills as usize;
    let load = Arc::new(Load::new(hooks, most_deliveries, &mut random)?);
    let senders = load.start(plan.seed);
    let began = Instant::now();
    let mut trial = Trial {
        pauses: spread(plan.pauses, plan.kills, &mut random),
        database_ends: spread(plan.database_restarts, plan.kills, &mut random),
        cluster,
        load,
        audit: Audit::default(),
        random,
        asleep: None,
        report: HostKillReport {
            deliveries: KillReport {
                seed: plan.seed,
                ..KillReport::default()
            },
            pauses: 0,
            database_restarts: 0,
            longest_silence: Duration::ZERO,
            work: 0,
            collisions: Vec::new(),
        },
    };
    let mut ticks = interval(BETWEEN_KILLS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for kill in 0..plan.kills {
        ticks.tick().await;
        let strike = trial.strike(kill).await;
        strike.with_context(|| format!("at kill {kill}, seed {}", plan.seed))?;
    }
    trial.wake().await?;
    trial.load.stop();
    for sender in senders {
        sender.await??;
    }
    trial.report.deliveries.elapsed = began.elapsed();
    Ok(Some(trial.finish().await?))
}

/// The kills at which something else happens as well: one in the first half of each of equal parts.
fn spread(times: u32, kills: u32, random: &mut impl Rng) -> Vec<u32> {
    let part = |number: u32| f64::from(kills) / f64::from(times) * f64::from(number);
    (0..times)
        .map(|number| part(number) + part(1) / 2.0 * random.random::<f64>())
        .map(|kill| kill as u32)
        .collect()
}

/// What is going on.
struct Trial {
    cluster: Cluster,
    load: Arc<Load>,
    audit: Audit,
    random: StdRng,
    /// The kills at which a host begins to stand still.
    pauses: Vec<u32>,
    /// The kills at which the database ends.
    database_ends: Vec<u32>,
    /// Who stands still, and until which kill.
    asleep: Option<(usize, u32)>,
    report: HostKillReport,
}

impl Trial {
    /// Kills a host and whatever else is due, and looks whether anything is lost.
    async fn strike(&mut self, kill: u32) -> Result<()> {
        ensure!(
            !self.load.is_done(),
            "there is nothing left to deliver: these hosts are faster than expected"
        );
        if self.asleep.is_some_and(|(_, until)| until <= kill) {
            self.wake().await?;
        }
        if self.pauses.contains(&kill) {
            let host = self.any()?;
            self.cluster.pause(host).await?;
            self.asleep = Some((host, kill + KILLS_IN_PAUSE));
        }
        let host = self.any()?;
        self.cluster.kill(host).await?;
        self.report.deliveries.kills += 1;
        if self.database_ends.contains(&kill) {
            self.restart_database().await?;
        }
        sleep(MOST_DOWN.mul_f64(self.random.random())).await;
        // Now and then its start is interrupted.
        if self.random.random_ratio(1, 10) {
            let after = MOST_START.mul_f64(self.random.random());
            self.cluster.start_and_kill(host, after).await?;
            self.report.deliveries.kills += 1;
            self.report.deliveries.while_starting += 1;
        }
        let restarted = Instant::now();
        self.cluster.start_again(host).await?;
        let slowest = &mut self.report.deliveries.slowest_recovery;
        *slowest = restarted.elapsed().max(*slowest);
        let witness = self.any()?;
        self.look(witness).await
    }

    async fn restart_database(&mut self) -> Result<()> {
        let ways = [Ending::Orderly, Ending::Killed, Ending::Immediate];
        let way = ways
            .iter()
            .cycle()
            .nth(self.report.database_restarts as usize);
        self.cluster
            .end_database(*way.context("there is no way to end it")?)?;
        sleep(DATABASE_DOWN).await;
        self.cluster.start_database_again()?;
        self.report.database_restarts += 1;
        Ok(())
    }

    /// Wakes whoever stands still, and has it tell what others acknowledged.
    async fn wake(&mut self) -> Result<()> {
        if let Some((host, _)) = self.asleep.take() {
            let time = self.cluster.wake(host).await?;
            ensure!(time > LEASE, "a host stood still for {time:?} only");
            self.report.pauses += 1;
            self.look(host).await?;
        }
        Ok(())
    }

    /// Whether a host shows everything that any has acknowledged.
    async fn look(&mut self, host: usize) -> Result<()> {
        let host = self.cluster.host(host)?;
        let lost = match self.audit.follow(host, &self.load).await {
            // A host cuts connections that were silent for long, and one that stood still does so as it wakes,
            // while they are used. Whoever asks, asks again.
            Err(error) if error.is::<reqwest::Error>() => {
                self.audit.follow(host, &self.load).await?
            }
            lost => lost?,
        };
        self.report.deliveries.lost += lost;
        Ok(())
    }

    /// Any host that does not stand still.
    fn any(&mut self) -> Result<usize> {
        let awake = self.cluster.awake();
        let any = awake.choose(&mut self.random);
        any.copied().context("every host stands still")
    }

    /// Compares everything when nothing happens any more.
    async fn finish(mut self) -> Result<HostKillReport> {
        let report = &mut self.report.deliveries;
        report.acknowledged = self.load.acknowledged();
        report.sent = self.load.sent();
        let host = self.cluster.host(0)?;
        report.lost += self.audit.follow(host, &self.load).await?;
        self.audit.compare(host, &self.load, report).await?;
        self.report.longest_silence = self.load.silence.longest();
        let (work, collisions) = self.cluster.background_work().await?;
        Ok(HostKillReport {
            work,
            collisions,
            ..self.report
        })
    }
}
