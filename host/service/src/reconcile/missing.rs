//! Activities that the remote service does not list any more: asking for them again, marking them as deleted in the end,
//! and taking that back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::info;

use super::super::{Host, HostError};
use super::patience::{AllMissing, Missing, MissingState};
use super::{MAX_SELECTED, Reserve, note};
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_contract::{Activity, Changes};
use integration_host_ledger::{EventKind, LedgerActivity};

const NOTE: &str = "missing";

/// The most requests with which one round asks for what is missing.
const REQUESTS_OF_A_ROUND: usize = 10;

/// An activity that the remote service does not list any more, as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingActivity {
    /// The remote service's id of the entry.
    pub entry_id: String,
    /// What was concluded.
    pub state: MissingState,
    /// When it was first missed.
    pub first_missed_at: Timestamp,
    /// When it was last asked for.
    pub asked_at: Timestamp,
    /// How often it was asked for in vain.
    pub times: u32,
}

impl Host {
    /// The activities of a connection that the remote service does not list any more, the first to be missed first.
    pub async fn missing(&self, id: &ConnectionId) -> Result<Vec<MissingActivity>, HostError> {
        self.connection(id).await?;
        let all: AllMissing = self.recall(id, NOTE).await?.unwrap_or_default();
        let missing = all.activities.into_iter().map(|one| MissingActivity {
            entry_id: one.entry_id,
            state: one.state,
            first_missed_at: one.first_missed_at,
            asked_at: one.asked_at,
            times: one.times,
        });
        Ok(missing.collect())
    }

    /// Takes back that activities were marked as deleted because they are missing: those named, or all. They stay until
    /// the remote service tells of their deletion. Returns how many it were. One that was interrupted is done again.
    pub async fn take_back(
        &self,
        id: &ConnectionId,
        entries: Option<&[String]>,
    ) -> Result<u64, HostError> {
        self.connection(id).await?;
        let wanted = |one: &Missing| {
            let is_named = entries.is_none_or(|entries| entries.contains(&one.entry_id));
            is_named && one.state != MissingState::Suspected
        };
        let marked = self
            .change_recalled(id, NOTE, |all: &mut AllMissing| {
                let mut marked = Vec::new();
                for one in all.activities.iter_mut().filter(|one| wanted(one)) {
                    one.state = MissingState::Kept;
                    marked.push(one.entry_id.clone());
                }
                marked
            })
            .await?;
        let mut taken_back = 0;
        for entries in marked.chunks(MAX_SELECTED) {
            let exists = entries.iter().map(|entry| Activity {
                id: entry.clone(),
                revision: String::new(),
                event_id: None,
                deleted: false,
                content: None,
            });
            let changes = Changes {
                activities: exists.collect(),
                ..Changes::default()
            };
            taken_back += self.apply(id, &changes, None).await?.changed;
        }
        if taken_back > 0 {
            let message = format!(
                "{} as deleted because the remote service does not list {}; somebody took that back.",
                were_marked(taken_back),
                pronoun(taken_back)
            );
            self.record(id, EventKind::ActivitiesReturned, message)
                .await;
        }
        Ok(taken_back)
    }

    /// Everything that is known to be missing, by id.
    pub(super) async fn known_missing(
        &self,
        id: &ConnectionId,
    ) -> Result<BTreeMap<String, Missing>, HostError> {
        let all: AllMissing = self.recall(id, NOTE).await?.unwrap_or_default();
        let known = (all.activities.into_iter()).map(|one| (one.entry_id.clone(), one));
        Ok(known.collect())
    }

    /// Remembers that activities were not listed, and not when asked for by id either. `people` were listed with other
    /// activities at the same time.
    pub(super) async fn note_missing(
        &self,
        id: &ConnectionId,
        missing: &[LedgerActivity],
        people: &BTreeSet<String>,
    ) -> Result<(), HostError> {
        let now = self.now();
        let noted: Vec<Missing> = missing
            .iter()
            .map(|activity| {
                let remote_user = activity.remote_user_id.as_ref().map(ToString::to_string);
                Missing {
                    entry_id: activity.entry_id.clone(),
                    revision: activity.revision.clone(),
                    first_missed_at: now,
                    asked_at: now,
                    times: 1,
                    with_everything: !remote_user.iter().any(|person| people.contains(person)),
                    remote_user,
                    state: MissingState::Suspected,
                }
            })
            .collect();
        if noted.is_empty() {
            return Ok(());
        }
        let added = self
            .change_recalled(id, NOTE, |all: &mut AllMissing| all.add(noted.clone()))
            .await?;
        if added > 0 {
            info!(connection = %id, missing = added, "the remote service does not list what it listed before");
            let message = match added {
                1 => "The remote service does not list one activity that it told of before. Nothing is concluded from that yet: it is asked for again.".to_owned(),
                more => format!("The remote service does not list {more} activities that it told of before. Nothing is concluded from that yet: they are asked for again."),
            };
            self.record(id, EventKind::ActivitiesMissing, message).await;
        }
        Ok(())
    }

    /// Forgets that activities were missing, because they were listed.
    pub(super) async fn note_listed(
        &self,
        id: &ConnectionId,
        listed: &BTreeSet<String>,
    ) -> Result<(), HostError> {
        let known = self.known_missing(id).await?;
        if known.keys().all(|id| !listed.contains(id)) {
            return Ok(());
        }
        let returned = self
            .change_recalled(id, NOTE, |all: &mut AllMissing| {
                let marked = |one: &&Missing| {
                    one.state == MissingState::Marked && listed.contains(&one.entry_id)
                };
                let returned = all.activities.iter().filter(marked).count();
                all.activities.retain(|one| !listed.contains(&one.entry_id));
                returned
            })
            .await?;
        self.say_returned(id, returned as u64).await;
        Ok(())
    }

    async fn say_returned(&self, id: &ConnectionId, returned: u64) {
        if returned == 0 {
            return;
        }
        let message = format!(
            "{} as deleted because the remote service did not list {}. It does again, so the mark is gone.",
            were_marked(returned),
            pronoun(returned)
        );
        self.record(id, EventKind::ActivitiesReturned, message)
            .await;
    }

    /// Asks again for what is missing, and marks as deleted what was missing often and long enough.
    pub(crate) async fn ask_for_missing(
        &self,
        id: &ConnectionId,
        reserve: Reserve,
    ) -> Result<(), HostError> {
        let all: AllMissing = self.recall(id, NOTE).await?.unwrap_or_default();
        let due = all.due(self.now(), self.schedule());
        for entries in due.chunks(MAX_SELECTED).take(REQUESTS_OF_A_ROUND) {
            if reserve == Reserve::ForPeople && self.kept_back(id).await?.is_some() {
                return Ok(());
            }
            self.ask_again(id, entries).await?;
        }
        self.mark_missing(id).await
    }

    async fn ask_again(&self, id: &ConnectionId, entries: &[String]) -> Result<(), HostError> {
        let all: AllMissing = self.recall(id, NOTE).await?.unwrap_or_default();
        let noted: BTreeMap<&str, &Missing> = (all.activities.iter())
            .map(|one| (one.entry_id.as_str(), one))
            .collect();
        let still_so = |activity: &LedgerActivity| {
            noted
                .get(activity.entry_id.as_str())
                .is_some_and(|one| is_as_noted(one, activity))
        };
        let held = self.ledger.activities_by_id(id, entries).await?;
        let (asked, mut settled): (Vec<_>, Vec<_>) = held.into_iter().partition(still_so);
        let lookup = if asked.is_empty() {
            Default::default()
        } else {
            self.look_up(id, asked.iter().map(note::sought).collect())
                .await?
        };
        let (missing, told): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .partition(|activity| lookup.missing.contains(&activity.entry_id));
        settled.extend(told);
        let missing: BTreeSet<&str> = (missing.iter())
            .map(|activity| activity.entry_id.as_str())
            .collect();
        let now = self.now();
        let returned = self
            .change_recalled(id, NOTE, |all: &mut AllMissing| {
                let mut returned = 0;
                all.activities.retain_mut(|one| {
                    if one.state == MissingState::Kept || !entries.contains(&one.entry_id) {
                        return true;
                    }
                    if missing.contains(one.entry_id.as_str()) {
                        one.note_in_vain(now);
                        return true;
                    }
                    returned += u64::from(one.state == MissingState::Marked);
                    false
                });
                returned
            })
            .await?;
        self.say_returned(id, returned).await;
        Ok(())
    }

    /// Marks what was missing often and long enough, if the connection is well: to somebody who may not see others, they
    /// are missing all the time.
    async fn mark_missing(&self, id: &ConnectionId) -> Result<(), HostError> {
        let all: AllMissing = self.recall(id, NOTE).await?.unwrap_or_default();
        let ripe = all.ripe(self.now(), self.schedule());
        let ripe = self.of_the_team(id, ripe).await?;
        if ripe.is_empty() || self.compare(id).await?.problem.is_some() {
            return Ok(());
        }
        let mut marked: BTreeSet<String> = BTreeSet::new();
        for some in ripe.chunks(MAX_SELECTED) {
            let deletions = some.iter().map(|one| Activity {
                id: one.entry_id.clone(),
                // What has become newer since is not deleted by this.
                revision: one.revision.clone(),
                event_id: None,
                deleted: true,
                content: None,
            });
            let changes = Changes {
                activities: deletions.collect(),
                ..Changes::default()
            };
            self.apply(id, &changes, None).await?;
            // As the ledger has it: a host that was killed between a mark and its note has marked some before.
            let ids: Vec<String> = some.iter().map(|one| one.entry_id.clone()).collect();
            let held = self.ledger.activities_by_id(id, &ids).await?;
            let missing = held.into_iter().filter(|activity| activity.missing);
            marked.extend(missing.map(|activity| activity.entry_id));
        }
        if !marked.is_empty() {
            let marked = marked.len() as u64;
            info!(connection = %id, marked, "activities are marked as deleted, because they are not listed any more");
            let message = format!(
                "{} as deleted: the remote service does not list {} any more, however often it is asked. \
                 If that is wrong, `integration-host missing {id} --take-back` takes it back.",
                if marked == 1 {
                    "One activity is marked".to_owned()
                } else {
                    format!("{marked} activities are marked")
                },
                pronoun(marked)
            );
            self.record(id, EventKind::ActivitiesMarked, message).await;
        }
        let ids: BTreeSet<&str> = ripe.iter().map(|one| one.entry_id.as_str()).collect();
        self.change_recalled(id, NOTE, |all: &mut AllMissing| {
            all.activities.retain_mut(|one| {
                let is_marked = marked.contains(&one.entry_id);
                if one.state != MissingState::Suspected || !ids.contains(one.entry_id.as_str()) {
                    return true;
                }
                one.state = MissingState::Marked;
                // What was told of since is not marked.
                is_marked
            });
        })
        .await
    }

    /// Those whose members are in the team: lists may leave out whoever has left it, with everything of theirs.
    async fn of_the_team(
        &self,
        id: &ConnectionId,
        missing: Vec<Missing>,
    ) -> Result<Vec<Missing>, HostError> {
        let mut present: BTreeMap<Option<String>, bool> = BTreeMap::new();
        let mut of_the_team = Vec::new();
        for one in missing {
            let is_present = match (present.get(&one.remote_user), &one.remote_user) {
                (Some(is_present), _) => *is_present,
                (None, None) => true,
                (None, Some(person)) => {
                    let person = RemoteUserId::new(person.clone());
                    let member = self.ledger.member(id, &person).await?;
                    member.is_some_and(|member| member.present)
                }
            };
            present.insert(one.remote_user.clone(), is_present);
            if is_present {
                of_the_team.push(one);
            }
        }
        Ok(of_the_team)
    }
}

/// Whether nothing has happened to an activity since it was noted as missing.
fn is_as_noted(one: &Missing, activity: &LedgerActivity) -> bool {
    match one.state {
        // One that is marked already was marked when the host was killed, before that was noted.
        MissingState::Suspected => {
            activity.missing || !activity.deleted && activity.revision == one.revision
        }
        MissingState::Marked => activity.missing,
        MissingState::Kept => false,
    }
}

fn were_marked(count: u64) -> String {
    match count {
        1 => "One activity was marked".to_owned(),
        more => format!("{more} activities were marked"),
    }
}

fn pronoun(count: u64) -> &'static str {
    if count == 1 { "it" } else { "them" }
}
