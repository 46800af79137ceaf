//! What the pictures show: a design studio on a Friday afternoon, after a week of work. Everything happens
//! as it would, through the sandbox Toggl, its webhook and the component; only the clocks are set.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use end_to_end::{Embedded, NORTHWIND, component, unlimited_scenario, write_directory};
use integration_host_contract::clock::{Clock as _, ManualClock};
use integration_host_contract::id::{ConnectionId, RemoteUserId, UserId};
use integration_host_directory::FileDirectory;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use toggl_sandbox::NewEntry;
use toggl_sandbox::control::{DeleteEntry, Flush, StartTimer};

/// Where whoever looks lives.
pub const ZONE: &str = "Europe/Berlin";

/// Monday morning there, when the workspace was connected.
const MONDAY: &str = "2026-03-02T07:10:00Z";

/// Friday afternoon there.
const NOW: &str = "2026-03-06T14:42:00Z";

/// When the pictures are taken.
pub fn now() -> Result<Timestamp> {
    Ok(NOW.parse()?)
}

/// Something to do: project, task, description, tag.
type Work = (&'static str, &'static str, &'static str, &'static str);

/// What each member of the team is on this week.
const TEAM: [(i64, [Work; 3]); 7] = [
    (
        9_500_001,
        [
            ("Visitor app", "", "Client call", "meeting"),
            ("Studio", "Hiring", "Portfolio reviews", ""),
            ("Studio", "Bookkeeping", "Preparing the invoices", ""),
        ],
    ),
    (
        9_500_002,
        [
            (
                "Web shop",
                "Checkout",
                "Fixing the checkout form",
                "development",
            ),
            (
                "Web shop",
                "Catalogue",
                "Looking into the slow search",
                "development",
            ),
            ("Web shop", "Support", "", ""),
        ],
    ),
    (
        9_500_003,
        [
            (
                "Visitor app",
                "Wireframes",
                "Sketching the start screen",
                "design",
            ),
            (
                "Visitor app",
                "Audio guide",
                "Player, second round",
                "design",
            ),
            (
                "Visitor app",
                "Accessibility audit",
                "Screen reader walk-through",
                "research",
            ),
        ],
    ),
    (
        9_500_004,
        [
            (
                "Exhibition website",
                "Build",
                "Image gallery",
                "development",
            ),
            (
                "Exhibition website",
                "Build",
                "Reviewing pull requests",
                "review",
            ),
            ("Exhibition website", "Content", "Writing copy", ""),
        ],
    ),
    (
        9_500_005,
        [
            ("Exhibition website", "Design", "Icon set", "design"),
            ("Menu and signage", "Print", "Print proofs", "review"),
            ("Exhibition website", "Design", "Photo selection", "design"),
        ],
    ),
    (
        9_500_006,
        [
            (
                "Visitor app",
                "Accessibility audit",
                "Usability test with visitors",
                "research",
            ),
            ("Web shop", "Catalogue", "Sprint planning", "meeting"),
            (
                "Visitor app",
                "Audio guide",
                "Recording session",
                "overtime",
            ),
        ],
    ),
    (
        9_500_007,
        [
            ("Web shop", "Checkout", "Release notes", ""),
            ("Menu and signage", "Print", "Layout of the menu", "design"),
            ("", "", "Stand-up", "meeting"),
        ],
    ),
];

/// Who works with a running timer on Friday afternoon, and for how many minutes already.
const RUNNING: [(usize, i64); 3] = [(1, 47), (2, 23), (5, 8)];

/// A host with the week in its ledger.
pub struct Studio {
    /// The host.
    pub host: Embedded,
    /// The studio's workspace.
    pub connection: ConnectionId,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

/// A time entry to be logged when it ends.
struct Entry {
    member: usize,
    work: Work,
    start: Timestamp,
    stop: Timestamp,
}

impl Studio {
    /// Opens the studio and lets the week pass.
    pub async fn open() -> Result<Self> {
        let monday: Timestamp = MONDAY.parse()?;
        let mut scenario = unlimited_scenario();
        scenario.history_days = 0;
        let folder = tempfile::tempdir()?;
        let clock = Arc::new(ManualClock::new(monday));
        let directory = FileDirectory::load(write_directory(folder.path())?)?;
        let host = Embedded::builder(&component()?)
            .scenario(scenario)
            .clock(Arc::<ManualClock>::clone(&clock))
            .directory(Arc::new(directory))
            .unpaced()
            .start()
            .await?;
        host.sandbox.control().set_clock(monday);
        let (connection, _) = host.connect().await?;
        let studio = Self {
            host,
            connection: connection.id,
            clock,
            _folder: folder,
        };
        // Their platform account goes by another address.
        let jonas = (RemoteUserId::new("9500004"), UserId::new("u-jonas"));
        studio
            .host
            .service
            .map_user(&studio.connection, &jonas.0, Some(&jonas.1), false)
            .await?;
        studio.work().await?;
        Ok(studio)
    }

    async fn work(&self) -> Result<()> {
        let mut entries = week()?;
        entries.sort_by_key(|entry| entry.stop);
        let control = self.host.sandbox.control();
        let mut last = None;
        for entry in &entries {
            self.set_clocks(entry.stop);
            let place = self.place(&entry.work)?;
            let logged = control.log_time(NewEntry {
                workspace_id: NORTHWIND,
                user_id: member(entry.member)?,
                description: text(entry.work.2),
                project_id: place.0,
                task_id: place.1,
                tags: text(entry.work.3).into_iter().collect(),
                start: Some(entry.start),
                stop: Some(entry.stop),
                ..NewEntry::default()
            })?;
            last = Some(logged.id);
            self.settle().await?;
        }
        for (number, minutes) in RUNNING {
            let start = now()? - SignedDuration::from_mins(minutes);
            self.set_clocks(start);
            let work = TEAM
                .get(number)
                .map(|(_, works)| works[0])
                .unwrap_or_default();
            let place = self.place(&work)?;
            control.start_timer(StartTimer {
                workspace_id: NORTHWIND,
                user_id: member(number)?,
                description: text(work.2),
                project_id: place.0,
                task_id: place.1,
                tags: text(work.3).into_iter().collect(),
                start: Some(start),
                ..StartTimer::default()
            })?;
            self.settle().await?;
        }
        self.set_clocks(now()?);
        control.delete_entry(DeleteEntry {
            entry_id: last.context("nobody worked")?,
            acting_user_id: None,
        })?;
        self.settle().await?;
        let health = self.host.service.check(&self.connection).await?;
        ensure!(health.problem.is_none(), "the connection does not work");
        Ok(())
    }

    fn set_clocks(&self, now: Timestamp) {
        self.clock.advance(now.duration_since(self.clock.now()));
        self.host.sandbox.control().set_clock(now);
    }

    async fn settle(&self) -> Result<()> {
        let flushed = self.host.sandbox.control().flush(Flush::default()).await;
        ensure!(flushed.settled, "deliveries are still pending");
        Ok(())
    }

    /// The ids of a work's project and task.
    fn place(&self, work: &Work) -> Result<(Option<i64>, Option<i64>)> {
        let state = self.host.sandbox.control().state();
        let mut projects = state.projects.iter();
        let project = projects.find(|project| project.name == work.0);
        ensure!(
            project.is_some() || work.0.is_empty(),
            "no project {}",
            work.0
        );
        let task = state.tasks.iter().find(|task| {
            Some(task.project_id) == project.map(|project| project.id) && task.name == work.1
        });
        ensure!(task.is_some() || work.1.is_empty(), "no task {}", work.1);
        Ok((project.map(|project| project.id), task.map(|task| task.id)))
    }
}

fn member(number: usize) -> Result<i64> {
    TEAM.get(number)
        .map(|(id, _)| *id)
        .context("no such member")
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Four stretches of work a day for everybody, of believable lengths, as far as they are over by now.
fn week() -> Result<Vec<Entry>> {
    let monday: Timestamp = MONDAY.parse()?;
    let now = now()?;
    let mut entries = Vec::new();
    for (member, (_, works)) in TEAM.iter().enumerate() {
        let person = i64::try_from(member)?;
        for day in 0..5_i64 {
            let begin = 20 + (person * 7 + day * 11) % 40;
            let mut start =
                monday + SignedDuration::from_hours(24 * day) + SignedDuration::from_mins(begin);
            for (block, pause) in [(0, 12), (1, 48), (2, 9), (3, 0)] {
                let minutes = 55 + (person * 13 + day * 17 + block * 29) % 65;
                let stop = start + SignedDuration::from_mins(minutes);
                let number = usize::try_from(day + block)? % works.len();
                let is_running = RUNNING.iter().any(|(running, ago)| {
                    *running == member && stop > now - SignedDuration::from_mins(*ago)
                });
                if stop < now && !is_running {
                    entries.extend(works.get(number).map(|work| Entry {
                        member,
                        work: *work,
                        start,
                        stop,
                    }));
                }
                start = stop + SignedDuration::from_mins(pause);
            }
        }
    }
    Ok(entries)
}
