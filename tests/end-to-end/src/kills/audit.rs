//! Comparing what the host shows with what it acknowledged.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::KillReport;
use super::load::Load;
use crate::process::HostProcess;

/// What the change feed has shown so far.
#[derive(Default)]
pub(super) struct Audit {
    after: String,
    /// By entry: the state, counted from 1, and whether it is deleted.
    seen: HashMap<usize, (usize, bool)>,
    /// Entries that were lost, so that each counts once.
    lost: HashSet<usize>,
}

impl Audit {
    /// Reads on in the change feed and counts entries that are older there than what was acknowledged
    /// before.
    pub(super) async fn follow(&mut self, host: &HostProcess, load: &Load) -> Result<u64> {
        let acknowledged: Vec<usize> = load
            .entries
            .iter()
            .map(|entry| entry.acknowledged())
            .collect();
        loop {
            let page = host
                .get(&format!(
                    "/activities/changes?limit=1000&after={}",
                    self.after
                ))
                .await?;
            let activities = page["activities"].as_array().context("no feed")?;
            for activity in activities {
                let (entry, state) = load
                    .seen(activity)
                    .with_context(|| format!("nobody delivered {activity}"))?;
                self.seen
                    .insert(entry, (state, activity["deleted"] == true));
            }
            page["next"]
                .as_str()
                .context("no place")?
                .clone_into(&mut self.after);
            if activities.len() < 1000 {
                break;
            }
        }
        let before = self.lost.len();
        for (number, entry) in load.entries.iter().enumerate() {
            let newest = acknowledged.get(number).copied().unwrap_or_default();
            let (state, deleted) = self.seen.get(&number).copied().unwrap_or_default();
            let must_be_deleted = entry.ends_deleted && newest == entry.states;
            if state < newest || (must_be_deleted && !deleted) {
                self.lost.insert(number);
            }
        }
        Ok((self.lost.len() - before) as u64)
    }

    /// Compares lists and log with the truth, when everything that was sent was acknowledged.
    pub(super) async fn compare(
        &self,
        host: &HostProcess,
        load: &Load,
        report: &mut KillReport,
    ) -> Result<()> {
        let mut shown: HashMap<usize, Vec<(usize, bool)>> = HashMap::new();
        for activity in all(host, "activities", "include=unmapped,deleted").await? {
            let (entry, state) = load
                .seen(&activity)
                .with_context(|| format!("nobody delivered {activity}"))?;
            let deleted = activity["deleted"] == true;
            shown.entry(entry).or_default().push((state, deleted));
        }
        for (number, entry) in load.entries.iter().enumerate() {
            let truth = entry.truth();
            let states = shown.remove(&number).unwrap_or_default();
            report.doubled += u64::from(states.len() > 1);
            let in_feed = self.seen.get(&number).copied();
            report.different += u64::from(in_feed != truth || states.first().copied() != truth);
        }
        // What comes again counts in the row of the first.
        let mut logged: HashMap<usize, Vec<u64>> = HashMap::new();
        for delivery in all(host, "deliveries", "status=accepted").await? {
            let event = delivery["event_id"].as_str().context("no event")?.parse()?;
            let times = delivery["attempts"].as_u64().context("no attempts")?;
            logged.entry(event).or_default().push(times);
        }
        for (number, (acknowledged, sent)) in load.counts().into_iter().enumerate() {
            let is_right = match logged.remove(&(number + 1)).unwrap_or_default().as_slice() {
                [] => acknowledged == 0,
                [times] => sent > 0 && u64::from(acknowledged) <= *times,
                _ => false,
            };
            report.misreported += u64::from(!is_right);
        }
        report.misreported += logged.len() as u64;
        Ok(())
    }
}

/// Every row of a list.
async fn all(host: &HostProcess, list: &str, query: &str) -> Result<Vec<Value>> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = host
            .get(&format!("/{list}?{query}&limit=1000&cursor={cursor}"))
            .await?;
        rows.extend(page[list].as_array().context("no list")?.iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(rows),
        }
    }
}

/// Makes sure that the database of a host that ended is whole.
pub(super) fn ensure_intact(path: &Path) -> Result<()> {
    let database = rusqlite::Connection::open(path)?;
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(check == "ok", "the database is damaged: {check}");
    let dangling: i64 =
        database.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })?;
    ensure!(dangling == 0, "{dangling} rows refer to nothing");
    let miscounted: i64 = database.query_row(
        "SELECT count(*) FROM connections WHERE deliveries <>
             (SELECT count(*) FROM deliveries WHERE connection = connections.number)",
        [],
        |row| row.get(0),
    )?;
    ensure!(miscounted == 0, "{miscounted} connections are miscounted");
    Ok(())
}
