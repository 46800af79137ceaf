//! What lists tell of activities of which the ledger shows something else that is no older. Not every change moves the time
//! of change that revisions begin with, such as a new name of a tag, and what is merely listed may be late: so such
//! activities are asked for by id, and what is told then counts if nothing else has changed since.

use std::collections::BTreeMap;

use super::super::{Host, HostError};
use super::{MAX_SELECTED, note};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Activity, SoughtActivity, TimeLog};
use integration_host_ledger::LedgerActivity;

/// How a page compares with what the ledger shows before it is applied.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What the ledger shows otherwise and will go on showing, because what the page tells is no newer.
    pub(super) outvoted: Vec<SoughtActivity>,
    /// How many activities of the page the ledger already shows, or shows with other tags. No delivery tells of a new name of
    /// a tag, so what the page changes of these is no sign of lost deliveries.
    pub(super) told: u64,
}

impl Host {
    /// Compares activities that a list tells with those that the ledger shows.
    pub(super) async fn compare_listed(
        &self,
        id: &ConnectionId,
        listed: &[Activity],
    ) -> Result<Compared, HostError> {
        let listed: BTreeMap<&str, (&str, &TimeLog)> = (listed.iter())
            .filter_map(|activity| {
                let content = activity.content.as_ref()?;
                Some((activity.id.as_str(), (activity.revision.as_str(), content)))
            })
            .collect();
        let ids: Vec<String> = listed.keys().map(|id| (*id).to_owned()).collect();
        let mut compared = Compared::default();
        for ids in ids.chunks(MAX_SELECTED) {
            for held in self.ledger.activities_by_id(id, ids).await? {
                let Some((revision, content)) = listed.get(held.entry_id.as_str()) else {
                    continue;
                };
                let (same, same_tags) = (shows(&held, content), has_tags(&held, content));
                if held.deleted {
                    continue;
                }
                compared.told += u64::from(same);
                if !(same && same_tags) && held.revision.as_str() >= *revision {
                    compared.outvoted.push(SoughtActivity {
                        outdated: Some(held.revision.clone()),
                        ..note::sought(&held)
                    });
                }
            }
        }
        Ok(compared)
    }

    /// Asks for what the ledger shows otherwise. Returns with how many requests.
    pub(super) async fn ask_for_outvoted(
        &self,
        id: &ConnectionId,
        outvoted: &[SoughtActivity],
    ) -> Result<u32, HostError> {
        let mut requests = 0;
        for some in outvoted.chunks(MAX_SELECTED) {
            // Deliveries told of the last change of all of these, so what comes of it is no sign of lost ones.
            self.look_up(id, some.to_vec()).await?;
            requests += 1;
        }
        Ok(requests)
    }
}

/// Whether an activity has the tags that a list tells, which has an order of its own.
fn has_tags(held: &LedgerActivity, listed: &TimeLog) -> bool {
    let sorted = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        tags
    };
    sorted(&held.tags) == sorted(&listed.tags)
}

/// Whether an activity shows what a list tells beside tags.
fn shows(held: &LedgerActivity, listed: &TimeLog) -> bool {
    let subject = held.subjects.last().map(|subject| subject.id.as_str());
    let description = held.description().unwrap_or_default();
    let milliseconds = |time: jiff::Timestamp| time.as_millisecond();
    held.remote_user_id.as_ref() == Some(&listed.remote_user_id)
        && subject == listed.subject.as_deref()
        // One that is blank is shown as none.
        && (description == listed.description || listed.description.trim() == description)
        && held.start.map(milliseconds) == Some(milliseconds(listed.start))
        && held.stop.map(milliseconds) == listed.stop.map(milliseconds)
        && held.billable == listed.billable
}
