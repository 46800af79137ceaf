//! Whether the host has what Toggl has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use toggl_sandbox::DeliveryState;
use toggl_sandbox::control::Control;
use toggl_sandbox::model::TimeEntry;

use super::activity::Activity;
use super::host::Host;

/// What the demo found at its end.
#[derive(Serialize)]
pub(super) struct Verdict {
    /// Deliveries that were acknowledged.
    deliveries: usize,
    /// Time entries they were about.
    entries: usize,
    /// Entries the host does not have.
    lost: Vec<i64>,
    /// Entries the host has in another state than Toggl.
    different: Vec<i64>,
    /// Activities of no entry, or of one that the host has already.
    doubled: Vec<String>,
    /// Half of the deliveries were acknowledged within this many milliseconds.
    median_ms: u64,
    /// All were.
    slowest_ms: u64,
}

impl Verdict {
    /// Compares every entry that was delivered with the host's activity.
    pub(super) async fn reach(host: &Host, toggl: &Control, connection_id: &str) -> Result<Self> {
        let deliveries = toggl.deliveries();
        let told: BTreeSet<i64> = deliveries
            .iter()
            .filter(|delivery| delivery.entity == "time_entry")
            .filter_map(|delivery| delivery.payload.get("id")?.as_i64())
            .collect();
        let entries: Vec<_> = toggl
            .state()
            .time_entries
            .into_iter()
            .filter(|entry| told.contains(&entry.id))
            .collect();
        let (activities, doubled) = activities(host, connection_id, &told).await?;
        let mut verdict = Self {
            deliveries: deliveries
                .iter()
                .filter(|delivery| delivery.state == DeliveryState::Delivered)
                .count(),
            entries: entries.len(),
            lost: Vec::new(),
            different: Vec::new(),
            doubled,
            median_ms: 0,
            slowest_ms: 0,
        };
        for entry in &entries {
            match activities.get(&entry.id.to_string()) {
                None => verdict.lost.push(entry.id),
                Some(activity) if !agree(entry, activity) => verdict.different.push(entry.id),
                Some(_) => {}
            }
        }
        let mut times: Vec<_> = deliveries
            .iter()
            .filter_map(|delivery| Some(delivery.attempts.last()?.elapsed_ms))
            .collect();
        times.sort_unstable();
        verdict.median_ms = times.get(times.len() / 2).copied().unwrap_or_default();
        verdict.slowest_ms = times.last().copied().unwrap_or_default();
        Ok(verdict)
    }

    /// Whether the host has what Toggl has.
    pub(super) fn is_good(&self) -> bool {
        self.lost.is_empty() && self.different.is_empty() && self.doubled.is_empty()
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "\n{} deliveries about {} time entries: {} lost, {} doubled, {} different.\n\
             Acknowledged within {} ms (median), {} ms (slowest).",
            self.deliveries,
            self.entries,
            self.lost.len(),
            self.doubled.len(),
            self.different.len(),
            self.median_ms,
            self.slowest_ms
        )
    }
}

/// A page of the host's activities.
#[derive(Deserialize)]
struct Page {
    activities: Vec<Activity>,
    next: Option<String>,
}

/// The host's activities by entry, and the ids of those that should not be there.
async fn activities(
    host: &Host,
    connection_id: &str,
    told: &BTreeSet<i64>,
) -> Result<(BTreeMap<String, Activity>, Vec<String>)> {
    let mut found = BTreeMap::new();
    let mut doubled = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = [
            ("connection", connection_id),
            ("include", "unmapped,deleted"),
            ("limit", "1000"),
            ("cursor", &cursor),
        ];
        let page: Page = host.get("activities", &query).await?;
        for activity in page.activities {
            let entry = activity.source.entry_id.clone();
            let is_told = entry.parse().is_ok_and(|id| told.contains(&id));
            if !is_told || found.contains_key(&entry) {
                doubled.push(activity.id);
            } else {
                found.insert(entry, activity);
            }
        }
        match page.next {
            Some(next) => cursor = next,
            None => return Ok((found, doubled)),
        }
    }
}

/// Whether an activity shows an entry as it is. Of a deleted one, that it is deleted.
fn agree(entry: &TimeEntry, activity: &Activity) -> bool {
    let description = entry
        .description
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    activity.deleted == entry.deleted_at.is_some()
        && (activity.deleted
            || activity.start == Some(entry.start)
                && activity.stop == entry.stop
                && activity.remote_user_id.as_deref() == Some(&entry.user_id.to_string())
                && description
                    .is_none_or(|text| activity.title.last().is_some_and(|last| last == text)))
}
