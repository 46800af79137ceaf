//! Looking for single activities.
//!
//! The Reports API is asked first, for all of them at once. What it does not list is asked for singly where Toggl allows
//! that: `GET /me/time_entries/{id}` knows the entries of the token's owner.

use super::{LOOKUP_DAYS_AHEAD, Order, Reader, WINDOW_DAYS, search};
use crate::model::{Activity, Changes, Error, Reconciliation, SoughtActivity, TimeLog};
use crate::names::Reference;
use crate::toggl::{OwnEntry, ReportSearch};
use crate::{revision, text, webhook};

/// The contract's bound of a selection by id.
const MAX_IDS: usize = 100;

/// How far back single activities are looked for, in windows. Older ones are looked for when they were last known to be.
const LOOKUP_WINDOWS: u32 = 3;

/// How many entries one call asks for singly: each costs one of 30 requests an hour.
const MAX_SINGLY: usize = 5;

impl Reader<'_> {
    pub(super) fn activities(&self, sought: &[SoughtActivity]) -> Result<Reconciliation, Error> {
        if sought.len() > MAX_IDS {
            return Err(Error::InvalidInput(format!(
                "At most {MAX_IDS} activities can be read at once."
            )));
        }
        let mut wanted = Vec::with_capacity(sought.len());
        for activity in sought {
            let Ok(number) = activity.id.parse::<u64>() else {
                return Err(Error::InvalidInput(
                    "An activity's id is no time entry's id.".into(),
                ));
            };
            wanted.push((number, activity));
        }
        let mut result = Reconciliation::default();
        let mut end = self.today().saturating_add(LOOKUP_DAYS_AHEAD);
        for _ in 0..LOOKUP_WINDOWS {
            if wanted.is_empty() {
                break;
            }
            end = self.look_within(end, &mut wanted, &mut result)?;
        }
        // What began before all of these days.
        let oldest = |wanted: &[(u64, &SoughtActivity)]| {
            let starts = wanted.iter().filter_map(|(_, activity)| activity.start);
            starts.map(|start| start.day()).min()
        };
        if let Some(day) = oldest(&wanted).filter(|day| *day <= end) {
            let end = day.saturating_add(WINDOW_DAYS / 2).min(end);
            self.look_within(end, &mut wanted, &mut result)?;
        }
        result
            .changes
            .activities
            .retain(|activity| sought.iter().any(|sought| sought.id == activity.id));
        self.look_singly(&mut wanted, &mut result.changes)?;
        result.missing = wanted.iter().map(|(id, _)| id.to_string()).collect();
        result.quotas = self.quotas()?;
        Ok(result)
    }

    /// Looks for what is wanted in the days that end with `end`, and returns the day before them.
    fn look_within(
        &self,
        end: i64,
        wanted: &mut Vec<(u64, &SoughtActivity)>,
        result: &mut Reconciliation,
    ) -> Result<i64, Error> {
        let start = end.saturating_sub(WINDOW_DAYS);
        let ids: Vec<u64> = wanted.iter().map(|(id, _)| *id).collect();
        let page = self.api.search_time_entries(
            self.connection.workspace_id,
            &ReportSearch {
                time_entry_ids: &ids,
                ..search(start, end, Order::Start)
            },
        )?;
        self.take_in(&page.rows, wanted, result)?;
        wanted.retain(|(id, _)| {
            let id = id.to_string();
            let mut found = result.changes.activities.iter();
            found.all(|activity| activity.id != id)
        });
        Ok(start.saturating_sub(1))
    }

    fn look_singly(
        &self,
        wanted: &mut Vec<(u64, &SoughtActivity)>,
        changes: &mut Changes,
    ) -> Result<(), Error> {
        let owner = self.connection.account_id.to_string();
        let own: Vec<(u64, &SoughtActivity)> = wanted
            .iter()
            .filter(|(_, activity)| activity.remote_user_id.as_ref() == Some(&owner))
            .copied()
            .take(MAX_SINGLY)
            .collect();
        for (id, sought) in own {
            let entry = match self.api.own_time_entry(id) {
                Ok(entry) => entry,
                Err(failure) if matches!(failure.error, Error::NotFound(_)) => continue,
                // The reports said that it is missing, and this adds nothing to that.
                Err(_) => break,
            };
            // One that moved to another workspace is missing in this one.
            if entry.workspace_id != Some(self.connection.workspace_id) {
                continue;
            }
            let Some(mut activity) = self.of_own(sought, &entry) else {
                continue;
            };
            if let Some(log) = activity.content.as_mut() {
                text::fit(&activity.id, log);
            }
            wanted.retain(|(wanted, _)| *wanted != id);
            changes.activities.push(activity);
        }
        Ok(())
    }

    /// The activity that an entry of the token's owner tells of; `None` if it lacks what one needs.
    fn of_own(&self, sought: &SoughtActivity, entry: &OwnEntry) -> Option<Activity> {
        let deleted = entry.deleted_at.is_some();
        let reference = Reference {
            task: entry.task_id,
            project: entry.project_id,
            ..Reference::default()
        };
        let content = |start| {
            Some(TimeLog {
                remote_user_id: self.connection.account_id.to_string(),
                subject: reference.subject(),
                description: entry.description.clone().unwrap_or_default(),
                start,
                stop: webhook::stop(start, entry.stop, entry.duration)?,
                billable: entry.billable.unwrap_or(false),
                tags: entry.tags.clone(),
            })
        };
        let content = entry.start.and_then(content);
        if content.is_none() && !deleted {
            return None;
        }
        let (at, now) = (entry.at.max(entry.deleted_at)?, self.capabilities.now());
        Some(Activity {
            id: sought.id.clone(),
            revision: revision::asked(at, now, sought.outdated.as_deref()),
            event_id: None,
            deleted,
            content,
        })
    }
}
