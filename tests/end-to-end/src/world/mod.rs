//! A world that lies: random truths and random lies for a while, and then the truth.
//!
//! A *history* is a list of steps that a seed decides on: people log time, rename and map; the sandbox Toggl tells lies, fails, loses
//! deliveries, and has its webhook changed by somebody; clocks jump, the directory empties, hosts are suspended and killed, and
//! databases are put back to an earlier state. Then everything tells the truth, and the host must find back to it by itself: its ledger,
//! its mappings and its webhook are compared with what is true. A difference is told with the seed and the shortest history that shows it.

mod compare;
mod directory;
mod history;
mod host;
mod play;
mod reader;
mod shorten;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use integration_host::schedule::Schedule;
use integration_host_contract::limits::Limits;
use integration_host_engine::{Engine, Integration};

pub use self::history::{History, Step};
pub use self::stores::Kind;
pub(crate) use self::stores::Stores;
use crate::built;

/// Histories that are played at the same time: they mostly wait.
const AT_ONCE: usize = 6;

/// What the histories have in common.
struct Common {
    integration: Integration,
    limits: Limits,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Histories played.
    pub histories: u32,
    /// Their steps.
    pub steps: u64,
    /// Entries compared with Toggl's.
    pub entries: u64,
    /// Requests that were sent to Toggl.
    pub requests: u64,
    /// The longest time until everything was as it should be, once the truth was told.
    pub slowest: Duration,
}

/// Plays histories with the seeds from `first` on, and compares each with the truth.
///
/// # Errors
/// Some end differently: each is told when it is found, and the text has the first one's seed, difference and shortest history that
/// shows it.
pub async fn run(kind: Kind, first: u64, histories: u32) -> Result<Report> {
    let limits = Limits::default();
    let engine = Engine::new(limits.clone(), None)?;
    let bytes = std::fs::read(built::component()?)?;
    let common = Arc::new(Common {
        integration: Integration::load(&engine, &bytes).await?,
        limits,
    });
    let mut report = Report::default();
    let mut different = BTreeMap::new();
    let mut running = tokio::task::JoinSet::new();
    let mut seeds = (0..u64::from(histories)).map(|number| first.wrapping_add(number));
    loop {
        while running.len() < AT_ONCE
            && let Some(seed) = seeds.next()
        {
            let common = Arc::clone(&common);
            running.spawn(async move {
                let played = play::play(&common, kind, &History::of(seed)).await;
                (seed, played)
            });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        match ended? {
            (_, Ok(played)) => report.add(&played),
            (seed, Err(difference)) => {
                // It may be a matter of time, and not come again.
                let history = History::of(seed);
                eprintln!("seed {seed} ({kind:?}) differs: {difference:#}\n{history}");
                different.insert(seed, difference);
            }
        }
    }
    let count = different.len();
    let Some((seed, difference)) = different.pop_first() else {
        return Ok(report);
    };
    let (shortest, difference) =
        shorten::shorten(&common, kind, History::of(seed), difference).await;
    Err(anyhow!(
        "{count} of {histories} histories end differently; seed {seed} ({kind:?}): {difference:#}\n\
         the shortest history that was found:\n{shortest}"
    ))
}

impl Report {
    fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.steps += other.steps;
        self.entries += other.entries;
        self.requests += other.requests;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Everything that takes minutes to a day in earnest takes a fraction of a second here.
fn schedule() -> Schedule {
    Schedule {
        heartbeat: Duration::from_millis(150),
        // Longer than a machine that plays many histories keeps one waiting.
        outage: Duration::from_millis(1500),
        start_delay: Duration::from_millis(50),
        upkeep: Duration::from_millis(500),
        retry: Duration::from_millis(150),
        silence: Duration::from_millis(600),
        verify: Duration::from_millis(900),
        callback_patience: Duration::from_secs(60),
        long_failure: Duration::from_secs(60),
        sweep: Duration::from_secs(3),
        longest_wait: Duration::from_secs(1),
        unsettled: Duration::from_millis(500),
        lease: Duration::from_secs(1),
        ..Schedule::default()
    }
}

/// Three rounds of upkeep, each with a comparison and the repairs that follow it, on a machine that has other things to do.
const ROUNDS: Duration = Duration::from_secs(45);
