//! What the people of a history do.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt as _;
use rand::rngs::StdRng;
use toggl_sandbox::control::{Control, DeleteEntry, EditEntry, StartTimer, State, StopTimer};
use toggl_sandbox::{EntryEdit, NewEntry};

use crate::setup::NORTHWIND;

/// The most changes of one history.
const MAX_STEPS: u32 = 14;

/// The most entries of one history.
const MAX_ENTRIES: usize = 3;

/// A description now and then is empty, and not always ASCII.
const DESCRIPTIONS: [&str; 6] = [
    "",
    "Design",
    "Review",
    "Déjà vu",
    "🕐 on call",
    "a \"b\" \\ c",
];

/// The sandbox's team.
pub(super) struct Team<'a> {
    control: &'a Control,
    users: Vec<i64>,
    admins: Vec<i64>,
    tags: Vec<String>,
    /// Project and task.
    places: Vec<(i64, Option<i64>)>,
    /// Entries of the history that is being played.
    entries: Vec<i64>,
}

impl<'a> Team<'a> {
    /// The team of the sandbox's workspace; `names` is what it has.
    pub(super) fn new(control: &'a Control, names: &State) -> Self {
        let here = |workspace_id| workspace_id == NORTHWIND;
        let members = names.members.iter();
        let members = members.filter(|member| here(member.workspace_id) && member.has_access());
        let projects = names
            .projects
            .iter()
            .filter(|project| here(project.workspace_id));
        let tasks = names.tasks.iter().filter(|task| here(task.workspace_id));
        let tags = names.tags.iter().filter(|tag| here(tag.workspace_id));
        Self {
            control,
            users: members.clone().map(|member| member.user_id).collect(),
            admins: members
                .filter(|member| member.is_admin())
                .map(|member| member.user_id)
                .collect(),
            tags: tags.map(|tag| tag.name.clone()).collect(),
            places: projects
                .map(|project| (project.id, None))
                .chain(tasks.map(|task| (task.project_id, Some(task.id))))
                .collect(),
            entries: Vec::new(),
        }
    }

    /// Logs an entry for every project and task there is.
    pub(super) fn one_entry_for_every_task(&self, start: Timestamp) -> Result<BTreeSet<i64>> {
        let user_id = *self.users.first().context("nobody is in the team")?;
        self.places
            .iter()
            .map(|&(project_id, task_id)| {
                let entry = self.control.log_time(NewEntry {
                    workspace_id: NORTHWIND,
                    user_id,
                    project_id: Some(project_id),
                    task_id,
                    start: Some(start),
                    duration: Some(60),
                    ..NewEntry::default()
                })?;
                Ok(entry.id)
            })
            .collect()
    }

    /// Plays one history around a time.
    pub(super) fn play(&mut self, around: Timestamp, random: &mut StdRng) -> Result<()> {
        self.entries.clear();
        for _ in 0..random.random_range(1..=MAX_STEPS) {
            let minutes = random.random_range(-600..600);
            self.step(around + SignedDuration::from_mins(minutes), random)?;
        }
        Ok(())
    }

    /// Stops what still runs.
    pub(super) fn stop_every_timer(&self) -> Result<()> {
        for entry in self.control.state().time_entries {
            if entry.is_running() {
                self.control.stop_timer(StopTimer {
                    entry_id: Some(entry.id),
                    stop: Some(entry.start + SignedDuration::from_mins(5)),
                    ..StopTimer::default()
                })?;
            }
        }
        Ok(())
    }

    fn step(&mut self, time: Timestamp, random: &mut StdRng) -> Result<()> {
        let chosen = pick(&self.entries, random);
        let Some(entry_id) = chosen.filter(|_| {
            let full = self.entries.len() >= MAX_ENTRIES;
            full || random.random_range(0..4) > 0
        }) else {
            return self.begin(time, random);
        };
        // Somebody else edits it now and then: an administrator.
        let acting_user_id = pick(&self.admins, random).filter(|_| random.random_range(0..3) == 0);
        let edit = |edit| EditEntry {
            entry_id,
            acting_user_id,
            edit,
        };
        let minutes = SignedDuration::from_mins(random.random_range(0..600));
        let _refused = match random.random_range(0..9) {
            0 => self.control.stop_timer(StopTimer {
                entry_id: Some(entry_id),
                acting_user_id,
                stop: Some(time),
                ..StopTimer::default()
            }),
            1 => self.control.delete_entry(DeleteEntry {
                entry_id,
                acting_user_id,
            }),
            2 => self.control.edit_entry(edit(EntryEdit {
                tags: Some(self.some_tags(random)),
                ..EntryEdit::default()
            })),
            3 => {
                let place = pick(&self.places, random);
                self.control.edit_entry(edit(EntryEdit {
                    project_id: Some(place.map(|(project, _)| project)),
                    task_id: Some(place.and_then(|(_, task)| task)),
                    ..EntryEdit::default()
                }))
            }
            4 => self.control.edit_entry(edit(EntryEdit {
                start: Some(time),
                stop: Some(time + minutes),
                ..EntryEdit::default()
            })),
            5 => self.control.edit_entry(edit(EntryEdit {
                billable: Some(random.random()),
                ..EntryEdit::default()
            })),
            _ => self.control.edit_entry(edit(EntryEdit {
                description: pick(&DESCRIPTIONS, random).map(str::to_owned),
                ..EntryEdit::default()
            })),
        };
        // What Toggl refuses, such as stopping a stopped entry, changes nothing.
        Ok(())
    }

    /// Starts a timer, which stops the one that its user had running, or logs finished time.
    fn begin(&mut self, time: Timestamp, random: &mut StdRng) -> Result<()> {
        let user_id = pick(&self.users, random).context("nobody is in the team")?;
        let place = pick(&self.places, random).filter(|_| random.random());
        let project_id = place.map(|(project, _)| project);
        let task_id = place.and_then(|(_, task)| task);
        let description = pick(&DESCRIPTIONS, random).map(str::to_owned);
        let entry = if random.random() {
            self.control.start_timer(StartTimer {
                workspace_id: NORTHWIND,
                user_id,
                description,
                project_id,
                task_id,
                tags: self.some_tags(random),
                billable: None,
                start: Some(time),
            })?
        } else {
            self.control.log_time(NewEntry {
                workspace_id: NORTHWIND,
                user_id,
                description,
                project_id,
                task_id,
                tags: self.some_tags(random),
                start: Some(time),
                duration: Some(random.random_range(0..7200)),
                ..NewEntry::default()
            })?
        };
        self.entries.push(entry.id);
        Ok(())
    }

    fn some_tags(&self, random: &mut StdRng) -> Vec<String> {
        (0..random.random_range(0..3))
            .filter_map(|_| pick(&self.tags, random))
            .collect()
    }
}

fn pick<T: Clone>(from: &[T], random: &mut StdRng) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    from.get(random.random_range(0..from.len())).cloned()
}
