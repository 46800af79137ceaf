//! Histories of a team at work, delivered badly, and compared with Toggl's own state.
//!
//! Each history is a few changes that several people make to several entries in the sandbox Toggl,
//! many within the same second. Its deliveries then reach a host out of order, some twice or
//! three times, some never. Histories come in groups; at the end of a group the host reconciles,
//! and its ledger must hold what Toggl holds.

mod compare;
mod play;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use integration_host_contract::Header;
use integration_host_ledger::Connection;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use toggl_sandbox::control::{Control, SetSettings, State};
use toggl_sandbox::scenario::{Behaviour, Limits};
use toggl_sandbox::{DeliveryFault, DeliveryRecord, Scenario};

use self::play::Team;
use crate::embedded::Embedded;
use crate::eventually;

/// How many histories share a reconciliation.
const GROUP: u32 = 100;

/// How far apart the groups' entries are, so that a reconciliation reads those of its group only.
const GROUP_SPACING: SignedDuration = SignedDuration::from_hours(3 * 24);

/// The first group's entries are this far in the past, and each group's are further back; after this
/// many groups they begin here again.
const GROUPS_APART: u32 = 200;

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Histories played.
    pub histories: u32,
    /// Changes Toggl would have delivered.
    pub events: u64,
    /// Deliveries the host was given, repeated ones included.
    pub deliveries: u64,
    /// Events that were never delivered.
    pub lost: u64,
    /// Entries whose place in the ledger was compared with Toggl's state.
    pub compared: u64,
}

/// Plays histories. The same seed plays the same ones.
///
/// # Errors
/// An entry of the ledger differs from Toggl's; the text names the seed, the entry and the difference.
pub async fn run(histories: u32, seed: u64) -> Result<Report> {
    let campaign = Campaign::start(seed).await?;
    let mut report = Report::default();
    while report.histories < histories {
        let group = report.histories / GROUP;
        let size = GROUP.min(histories - report.histories);
        campaign
            .play_group(group, size, &mut report)
            .await
            .with_context(|| format!("seed {seed}, histories from {}", report.histories))?;
        report.histories += size;
    }
    Ok(report)
}

/// A host in this process, connected to a sandbox that delivers nothing by itself.
struct Campaign {
    embedded: Embedded,
    connection: Connection,
    /// What the team has; names do not change here.
    names: State,
    seed: u64,
}

impl Campaign {
    async fn start(seed: u64) -> Result<Self> {
        let scenario = Scenario {
            history_days: 0,
            limits: Limits {
                hourly_quota: false,
                ..Limits::default()
            },
            ..Scenario::default()
        };
        let embedded = Embedded::builder(&crate::component()?)
            .scenario(scenario)
            .unpaced()
            .start()
            .await?;
        let (connection, _) = embedded.connect().await?;
        let campaign = Self {
            names: embedded.sandbox.control().state(),
            embedded,
            connection,
            seed,
        };
        campaign.learn_names().await?;
        // From here on the sandbox only records what it would deliver.
        campaign
            .control()
            .fail_deliveries(DeliveryFault::Drop { count: u32::MAX });
        Ok(campaign)
    }

    fn control(&self) -> &Control {
        self.embedded.sandbox.control()
    }

    /// Names are fetched in the background after connecting; titles are compared once they are there.
    async fn learn_names(&self) -> Result<()> {
        let team = Team::new(self.control(), &self.names);
        let start = Timestamp::now() - SignedDuration::from_hours(24 * 900);
        let entries = team.one_entry_for_every_task(start)?;
        self.control().flush(Default::default()).await;
        let named = async || self.compare(&entries).await;
        eventually("the team's names were not completed", named).await?;
        Ok(())
    }

    async fn play_group(&self, group: u32, size: u32, report: &mut Report) -> Result<()> {
        let mut random = StdRng::seed_from_u64(self.seed ^ (u64::from(group) << 32));
        self.control().set_settings(SetSettings {
            behaviour: Some(Behaviour {
                delete_payload_ids_only: random.random(),
                reports_include_running: random.random(),
                reports_at_whole_seconds: random.random(),
                ..Behaviour::default()
            }),
            ..SetSettings::default()
        })?;
        let back = GROUP_SPACING * i32::try_from(group % GROUPS_APART + 1)?;
        let day = Timestamp::now() - back;
        let mut team = Team::new(self.control(), &self.names);
        let mut entries = BTreeSet::new();
        // Entries of which something was lost in an earlier history.
        let mut damaged = BTreeSet::new();
        for _ in 0..size {
            let before = self.last_delivery();
            team.play(day, &mut random)?;
            let events = self.control().deliveries_after(before);
            let touched: BTreeSet<i64> = events.iter().filter_map(entry_of).collect();
            let lost = self.deliver(events, &mut random, report).await?;
            if !lost {
                // Without a loss nothing needs to be reconciled.
                report.compared += self
                    .compare(&touched.difference(&damaged).copied().collect())
                    .await?;
            }
            if lost {
                damaged.extend(&touched);
            }
            entries.extend(touched);
        }
        let before = self.last_delivery();
        team.stop_every_timer()?;
        let events = self.control().deliveries_after(before);
        self.deliver(events, &mut random, report).await?;
        // Reports show whole seconds: what they show is taken for the end of a second that has passed.
        wait_for_the_next_second().await;
        let id = &self.connection.id;
        let (from, to) = (day - GROUP_SPACING / 3, day + GROUP_SPACING / 3);
        self.embedded.service.reconcile(id, from, to).await?;
        report.compared += self.compare(&entries).await?;
        Ok(())
    }

    async fn compare(&self, entries: &BTreeSet<i64>) -> Result<u64> {
        compare::entries(&self.embedded, &self.connection, &self.names, entries).await
    }

    fn last_delivery(&self) -> u64 {
        self.control().newest_delivery()
    }

    /// Gives events to the host, badly. Tells whether any was lost.
    async fn deliver(
        &self,
        events: Vec<DeliveryRecord>,
        random: &mut StdRng,
        report: &mut Report,
    ) -> Result<bool> {
        report.events += events.len() as u64;
        let some_are_lost = random.random_range(0..4) == 0;
        let mut arriving: Vec<Arc<DeliveryRecord>> = Vec::new();
        let mut lost = false;
        for event in events {
            let event = Arc::new(event);
            let may_be_lost = some_are_lost && !ends_a_timer_unseen(&event);
            if may_be_lost && random.random_range(0..3) == 0 {
                lost = true;
                report.lost += 1;
                continue;
            }
            let copies = *[1, 1, 1, 2, 3]
                .get(random.random_range(0..5))
                .context("five choices")?;
            arriving.extend(std::iter::repeat_n(event, copies));
        }
        arriving.shuffle(random);
        report.deliveries += arriving.len() as u64;
        for event in arriving {
            let (signature, body) = self
                .control()
                .render_delivery(&event)
                .context("its subscription is gone")?;
            let header = Header {
                name: "x-webhook-signature-256".into(),
                value: signature,
            };
            let hook = &self.connection.hook;
            let service = &self.embedded.service;
            let answer = service
                .handle_delivery(hook, vec![header], body.into_bytes())
                .await;
            ensure!(
                answer.response.status == 200,
                "a genuine delivery was answered with {}",
                answer.response.status
            );
        }
        Ok(lost)
    }
}

/// The time entry a delivery is about.
fn entry_of(event: &DeliveryRecord) -> Option<i64> {
    event.payload["id"].as_i64()
}

/// Reports need not show running entries, so one that the ledger knows as running cannot be told from
/// a deleted one: its deletion must arrive.
fn ends_a_timer_unseen(event: &DeliveryRecord) -> bool {
    event.action == "deleted"
}

async fn wait_for_the_next_second() {
    let now = Timestamp::now();
    let passed = std::time::Duration::from_nanos(u64::from(now.subsec_nanosecond().unsigned_abs()));
    tokio::time::sleep(std::time::Duration::from_secs(1).saturating_sub(passed)).await;
}
