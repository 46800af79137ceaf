//! What must be true in the end.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use toggl_sandbox::control::State;
use toggl_sandbox::model::TimeEntry;

use super::play::{Mappings, Stage, entries};
use crate::setup::NORTHWIND;

/// Compares everything with the truth, and returns how many entries were compared.
pub(super) async fn with_truth(stage: &mut Stage<'_>) -> Result<u64> {
    let connection = get(stage, &format!("/connections/{}", stage.connection)).await?;
    let attention = &connection["attention"];
    if !attention.is_null() {
        let message = attention["message"].as_str().unwrap_or_default();
        if message.contains("again") && message.contains("token") {
            stage.give_the_token_again().await?;
        }
        bail!("a person is asked for something: {attention}");
    }
    ensure!(
        connection["gap"].is_null(),
        "a gap is open: {}",
        connection["gap"]
    );
    webhook(stage, &connection)?;
    let activities = activities(stage).await?;
    let compared = compare_entries(stage, &activities)?;
    let mapped = team(stage).await?;
    let decided = &stage.mappings;
    let stays = |(id, member): (&String, &Mapped)| {
        let expected = decided.get(id).cloned().flatten();
        member.user == expected || member.is_in_doubt && !stage.by_hand.contains(id)
    };
    ensure!(
        mapped.keys().eq(decided.keys()) && mapped.iter().all(stays),
        "the mappings are {mapped:?} and should be {decided:?}, of which a person decided {:?}",
        stage.by_hand
    );
    readers(stage, &activities).await?;
    let refused = stage.toggl().requests();
    let refused = refused.iter().filter(|request| request.status == 402);
    ensure!(refused.count() == 0, "a quota was used up");
    Ok(compared)
}

async fn get(stage: &Stage<'_>, path: &str) -> Result<Value> {
    let (status, json) = stage.api.get(path).await?;
    ensure!(
        status == StatusCode::OK,
        "GET {path} answered {status}: {json}"
    );
    Ok(json)
}

/// One webhook, with everything that makes it work.
fn webhook(stage: &Stage<'_>, connection: &Value) -> Result<()> {
    let subscriptions = stage.toggl().subscriptions();
    let [subscription] = subscriptions.as_slice() else {
        bail!(
            "there are {} webhooks: {subscriptions:?}",
            subscriptions.len()
        );
    };
    let filters: Vec<_> = subscription
        .event_filters
        .iter()
        .filter(|filter| filter.entity == "time_entry" || filter.entity == "*")
        .collect();
    ensure!(
        subscription.enabled
            && subscription.validated_at.is_some()
            && connection["callback_url"] == subscription.url_callback.as_str()
            && !filters.is_empty()
            && subscription.secret != "somebody else's secret",
        "the webhook does not work: {subscription:?}"
    );
    Ok(())
}

/// Every activity that the host knows, by entry.
async fn activities(stage: &Stage<'_>) -> Result<BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/activities?include=unmapped,deleted&limit=200{cursor}");
        let page = get(stage, &path).await?;
        for activity in page["activities"].as_array().context("no list")? {
            let entry = activity["source"]["entry_id"].as_str().unwrap_or_default();
            ensure!(
                found.insert(entry.to_owned(), activity.clone()).is_none(),
                "the entry {entry} is there twice"
            );
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

fn compare_entries(stage: &Stage<'_>, activities: &BTreeMap<String, Value>) -> Result<u64> {
    let state = stage.toggl().state();
    let entries = entries(stage.toggl());
    for entry in &entries {
        let activity = activities.get(&entry.id.to_string());
        compare(&state, entry, activity)
            .with_context(|| format!("the entry {} of Toggl: {entry:?}", entry.id))?;
    }
    for id in activities.keys() {
        ensure!(
            entries.iter().any(|entry| entry.id.to_string() == *id),
            "the host has the entry {id}, which Toggl never had"
        );
    }
    Ok(entries.len() as u64)
}

fn compare(state: &State, entry: &TimeEntry, activity: Option<&Value>) -> Result<()> {
    if entry.deleted_at.is_some() {
        ensure!(
            activity.is_none_or(|activity| activity["deleted"] == true),
            "it was deleted, and the host still shows it: {activity:?}"
        );
        return Ok(());
    }
    let activity = activity.context("it was lost")?;
    let project = entry
        .project_id
        .and_then(|id| state.projects.iter().find(|project| project.id == id));
    let client = project
        .and_then(|project| project.client_id)
        .and_then(|id| state.clients.iter().find(|client| client.id == id));
    let title: Vec<&str> = [
        client.map(|client| client.name.as_str()),
        project.map(|project| project.name.as_str()),
        entry.description.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let stop = entry.effective_stop();
    ensure!(
        activity["deleted"] == false
            && activity["title"] == json!(title)
            && time(&activity["start"]) == Some(entry.start)
            && time(&activity["stop"]) == stop
            && activity["running"] == entry.is_running()
            && activity["remote_user_id"].as_str() == Some(&entry.user_id.to_string()),
        "the host differs: {activity}"
    );
    Ok(())
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    value.as_str()?.parse().ok()
}

/// Whom each member is mapped to.
pub(super) async fn mappings(stage: &Stage<'_>) -> Result<Mappings> {
    let team = team(stage).await?;
    Ok(team
        .into_iter()
        .map(|(id, member)| (id, member.user))
        .collect())
}

/// Whom a member is mapped to.
#[derive(Debug)]
struct Mapped {
    user: Option<String>,
    /// It was matched by an e-mail address that says something else now, and a person is asked about it.
    is_in_doubt: bool,
}

async fn team(stage: &Stage<'_>) -> Result<BTreeMap<String, Mapped>> {
    let path = format!("/connections/{}/users?limit=200", stage.connection);
    let team = get(stage, &path).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let members = stage.toggl().state().members;
    Ok(team["users"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|row| {
            let mapped = Mapped {
                user: text(&row["user"]["id"]),
                is_in_doubt: row["doubt"].is_string(),
            };
            Some((text(&row["remote_user"]["id"])?, mapped))
        })
        .filter(|(id, _)| {
            members
                .iter()
                .any(|member| member.workspace_id == NORTHWIND && member.user_id.to_string() == *id)
        })
        .collect())
}

/// Whoever followed the feed all the time, and whoever reads it now from its beginning, knows what the list shows.
async fn readers(stage: &mut Stage<'_>, activities: &BTreeMap<String, Value>) -> Result<()> {
    let mut newcomer = super::reader::Reader::default();
    newcomer.read_on(&stage.api).await?;
    stage.reader.read_on(&stage.api).await?;
    for (who, reader) in [("the reader", &stage.reader), ("a new reader", &newcomer)] {
        let known: BTreeMap<_, _> = reader
            .activities()
            .values()
            .filter_map(|activity| {
                let entry = activity["source"]["entry_id"].as_str()?;
                Some((entry, content(activity)))
            })
            .collect();
        for (entry, activity) in activities {
            ensure!(
                known.get(entry.as_str()) == Some(&content(activity)),
                "{who} of the feed knows {:?} of {entry}, and the list says {activity}",
                known.get(entry.as_str())
            );
        }
        ensure!(
            known.len() == activities.len(),
            "{who} of the feed knows {} activities of {}",
            known.len(),
            activities.len()
        );
    }
    Ok(())
}

/// What is told of an activity, apart from what changes by itself.
fn content(activity: &Value) -> Value {
    let mut content = activity.clone();
    if let Some(content) = content.as_object_mut() {
        content.remove("duration_seconds");
    }
    content
}
