//! The ledger against Toggl's own names.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context as _, Result, ensure};
use integration_host_ledger::{ActivityFilter, Connection, LedgerActivity};
use jiff::SignedDuration;
use toggl_sandbox::control::State;
use toggl_sandbox::model::TimeEntry;

use crate::embedded::Embedded;

/// Compares entries and returns how many. `names` is what the team has.
pub(super) async fn entries(
    embedded: &Embedded,
    connection: &Connection,
    names: &State,
    ids: &BTreeSet<i64>,
) -> Result<u64> {
    let toggl = embedded.sandbox.control();
    let wanted = ids
        .iter()
        .map(|id| toggl.entry(*id).context("an entry vanished from Toggl"))
        .collect::<Result<Vec<_>>>()?;
    let activities = read(embedded, connection, &wanted).await?;
    for entry in &wanted {
        compare(names, entry, &activities)
            .with_context(|| format!("entry {} of Toggl: {entry:?}", entry.id))?;
    }
    Ok(wanted.len() as u64)
}

/// The activities around some entries, and those without a start, by entry.
async fn read(
    embedded: &Embedded,
    connection: &Connection,
    entries: &[TimeEntry],
) -> Result<HashMap<String, LedgerActivity>> {
    let hour = SignedDuration::from_hours(1);
    let first = entries.iter().map(|entry| entry.start).min();
    let last = entries.iter().map(|entry| entry.start).max();
    let around = ActivityFilter {
        connection: Some(connection.id.clone()),
        from: first.map(|first| first - hour),
        to: last.map(|last| last + hour),
        include_unmapped: true,
        include_deleted: true,
        ..ActivityFilter::default()
    };
    let mut found = HashMap::new();
    let mut cursor = None;
    loop {
        let page = embedded
            .service
            .activities(&around, cursor.as_deref(), 1000)
            .await?;
        for activity in page.items {
            let id = activity.entry_id.clone();
            ensure!(
                found.insert(id.clone(), activity).is_none(),
                "entry {id} is in the ledger twice"
            );
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}

fn compare(
    names: &State,
    entry: &TimeEntry,
    activities: &HashMap<String, LedgerActivity>,
) -> Result<()> {
    let activity = activities.get(&entry.id.to_string());
    if entry.deleted_at.is_some() {
        // One that was deleted before anything of it arrived need not be there at all.
        ensure!(
            activity.is_none_or(|activity| activity.deleted),
            "it was deleted, and the ledger still shows it: {activity:?}"
        );
        return Ok(());
    }
    let activity = activity.context("it was lost")?;
    let tags = |ids: &[i64]| -> Vec<String> {
        let tags = names.tags.iter();
        ids.iter()
            .filter_map(|id| tags.clone().find(|tag| tag.id == *id))
            .map(|tag| tag.name.clone())
            .collect()
    };
    let user = activity.remote_user_id.as_ref().map(ToString::to_string);
    ensure!(!activity.deleted, "the ledger shows it as deleted");
    ensure!(
        activity.start == Some(entry.start)
            && activity.stop == entry.effective_stop()
            && activity.billable == entry.billable
            && activity.tags == tags(&entry.tag_ids)
            && activity.title == title(names, entry)
            && user == Some(entry.user_id.to_string()),
        "the ledger differs: {activity:?}"
    );
    Ok(())
}

/// Client, project, task and description, as far as there are any.
fn title(names: &State, entry: &TimeEntry) -> Vec<String> {
    let project = entry
        .project_id
        .and_then(|id| names.projects.iter().find(|project| project.id == id));
    let client = project
        .and_then(|project| project.client_id)
        .and_then(|id| names.clients.iter().find(|client| client.id == id));
    let task = entry
        .task_id
        .and_then(|id| names.tasks.iter().find(|task| task.id == id));
    [
        client.map(|client| client.name.clone()),
        project.map(|project| project.name.clone()),
        task.map(|task| task.name.clone()),
        entry.description.clone(),
    ]
    .into_iter()
    .flatten()
    .filter(|name| !name.is_empty())
    .collect()
}
