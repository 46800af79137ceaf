//! Reading a range page by page. Where a reading stands is kept after each page, so that it goes on there in the next
//! quota window, after a restart and on another host.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::background::policy::{later, reserved_for_people_of, to_std};
use super::super::{Host, HostError};
use super::outvoted::Compared;
use super::patience::MissingState;
use super::{MAX_SELECTED, add, note};
use integration_host_contract::id::ConnectionId;
use integration_host_contract::{Activity, ErrorCode, Quota, Selection, SoughtActivity, TimeRange};
use integration_host_ledger::{Applied, Connection, ConnectionUpdate, LedgerActivity, SeenQuotas};

/// The most pages one reading takes: a bound on what a defective integration can cost.
const MAX_PAGES: u32 = 10_000;

/// The most activities a reading remembers as listed. Where there are more, what is not listed is left to readings of
/// shorter ranges.
const MAX_LISTED: usize = 50_000;

/// The note of the quotas that reading draws on: those that its answers tell of.
const DRAWN_ON: &str = "reading/quotas";

/// How long where a reading stopped is worth going on from.
const OLDEST_PLACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a range is read for. Of each, one reading at a time is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To close a gap.
    Gap,
    /// To compare what is recent.
    Comparison,
    /// To compare everything, a little at a time.
    Sweep,
    /// Because a person asks.
    Request,
}

impl Kind {
    fn note(self) -> &'static str {
        match self {
            Self::Gap => "reading/gap",
            Self::Comparison => "reading/comparison",
            Self::Sweep => "reading/sweep",
            Self::Request => "reading/request",
        }
    }

    /// Whether a reading that stopped is the one that is wanted now.
    fn continues(self, place: &Place, since: Timestamp, until: Timestamp) -> bool {
        let is_same =
            |one: Timestamp, other: Timestamp| one.as_millisecond() == other.as_millisecond();
        match self {
            // Its end is the present, which has moved on.
            Self::Gap => is_same(place.since, since),
            Self::Comparison => true,
            Self::Sweep | Self::Request => {
                is_same(place.since, since) && is_same(place.until, until)
            }
        }
    }
}

/// Whom requests are kept back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// A third of each quota is for people, so background work stops there.
    ForPeople,
    /// A person asked for this.
    ForThis,
}

/// Why the gap of a connection is not being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapWait {
    /// The quota of which less than a third is left, which is kept for people.
    pub quota: String,
    /// When reading goes on by itself.
    pub until: Timestamp,
}

/// How far a reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To its end.
    Done(Read),
    /// What is left of the quota is for people. It goes on where it stopped, after this time.
    Paused(Duration),
}

/// A range that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// When the first page was read.
    pub(crate) began_at: Timestamp,
    /// The end of the range.
    pub(crate) until: Timestamp,
    /// What reading it did to activities.
    pub(crate) applied: Applied,
    /// How many activities turned out not to be listed any more.
    pub(crate) missing: u64,
    /// How many activities were listed that could not be read.
    pub(crate) unread: u64,
}

/// Where a reading stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// When the connection was made: another connection of the scope begins anew.
    connected_at: Timestamp,
    since: Timestamp,
    until: Timestamp,
    began_at: Timestamp,
    stage: Stage,
    pages: u32,
    /// Ids of activities that were listed.
    listed: BTreeSet<String>,
    /// Whose they were.
    people: BTreeSet<String>,
    applied: u64,
    changed: u64,
    unchanged: u64,
    missing: u64,
    #[serde(default)]
    unread: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Pages of the range are read, from this cursor on.
    Pages(Option<String>),
    /// What the ledger has and was not listed is asked for by id, after this id.
    Ids(Option<String>),
}

/// A page that was read and applied.
pub(super) struct AppliedPage {
    pub(super) activities: Vec<Activity>,
    /// What the ledger goes on showing otherwise.
    pub(super) outvoted: Vec<SoughtActivity>,
    pub(super) missing: Vec<String>,
    pub(super) unread: u64,
    pub(super) applied: Applied,
    pub(super) next: Option<String>,
}

impl Host {
    /// Reads a range, and looks up what the ledger has in it and the answer has not. What is in neither is remembered as
    /// missing, and nothing else follows from that yet.
    pub(crate) async fn read_range(
        &self,
        connection: &Connection,
        kind: Kind,
        since: Timestamp,
        until: Timestamp,
        reserve: Reserve,
    ) -> Result<Progress, HostError> {
        let mut pages = u32::MAX;
        self.read_some(connection, kind, (since, until), reserve, &mut pages)
            .await
    }

    /// The same, for at most so many requests, of which it takes those it needs.
    pub(super) async fn read_some(
        &self,
        connection: &Connection,
        kind: Kind,
        (since, until): (Timestamp, Timestamp),
        reserve: Reserve,
        requests: &mut u32,
    ) -> Result<Progress, HostError> {
        let id = &connection.id;
        let now = self.now();
        let kept: Option<Place> = self.recall(id, kind.note()).await?;
        let is_fresh = |place: &Place| {
            let age = now.duration_since(place.began_at);
            place.connected_at == connection.coverage.connected_at
                && age >= SignedDuration::ZERO
                && age < OLDEST_PLACE
                && kind.continues(place, since, until)
        };
        let mut place = kept.filter(is_fresh).unwrap_or_else(|| Place {
            connected_at: connection.coverage.connected_at,
            since,
            until,
            began_at: now,
            stage: Stage::Pages(None),
            pages: 0,
            listed: BTreeSet::new(),
            people: BTreeSet::new(),
            applied: 0,
            changed: 0,
            unchanged: 0,
            missing: 0,
            unread: 0,
        });
        loop {
            if reserve == Reserve::ForPeople
                && let Some(wait) = self.kept_back(id).await?
            {
                return Ok(Progress::Paused(wait));
            }
            if *requests == 0 {
                return Ok(Progress::Paused(Duration::ZERO));
            }
            let is_done = match place.stage.clone() {
                Stage::Pages(cursor) => {
                    *requests -= 1;
                    let further = self
                        .read_next_page(connection, kind, &mut place, cursor.as_deref())
                        .await?;
                    *requests = requests.saturating_sub(further);
                    false
                }
                Stage::Ids(after) => {
                    self.look_up_next(id, &mut place, after.as_deref(), requests)
                        .await?
                }
            };
            if is_done {
                self.keep_note::<Place>(id, kind.note(), None).await?;
                return Ok(Progress::Done(Read {
                    began_at: place.began_at,
                    until: place.until,
                    applied: Applied {
                        applied: place.applied,
                        changed: place.changed,
                        unchanged: place.unchanged,
                    },
                    missing: place.missing,
                    unread: place.unread,
                }));
            }
            self.keep_note(id, kind.note(), Some(&place)).await?;
        }
    }

    /// Returns how many further requests that needed.
    async fn read_next_page(
        &self,
        connection: &Connection,
        kind: Kind,
        place: &mut Place,
        cursor: Option<&str>,
    ) -> Result<u32, HostError> {
        let id = &connection.id;
        let connected_at = match kind {
            // A person may ask for what was logged while the scope was disconnected.
            Kind::Request => place.connected_at.min(connection.created_at),
            Kind::Gap | Kind::Comparison | Kind::Sweep => place.connected_at,
        };
        let range = Selection::Range(TimeRange {
            since: place.since,
            until: place.until,
            connected_at,
        });
        if place.pages >= MAX_PAGES {
            return Err(endless());
        }
        let page = self.read_page(id, &range, cursor).await?;
        place.pages += 1;
        place.count(page.applied);
        place.unread += page.unread;
        let further = self.ask_for_outvoted(id, &page.outvoted).await?;
        for activity in page.activities {
            if place.listed.len() <= MAX_LISTED {
                place.listed.insert(activity.id);
                let person = activity.content.map(|content| content.remote_user_id);
                place.people.extend(person.map(|person| person.to_string()));
            }
        }
        place.stage = match page.next {
            Some(next) => Stage::Pages(Some(next)),
            None => {
                self.note_listed(id, &place.listed).await?;
                Stage::Ids(None)
            }
        };
        Ok(further)
    }

    /// Asks for some of the activities that were not listed. True: all were asked for.
    async fn look_up_next(
        &self,
        id: &ConnectionId,
        place: &mut Place,
        after: Option<&str>,
        requests: &mut u32,
    ) -> Result<bool, HostError> {
        if place.listed.len() > MAX_LISTED {
            return Ok(true);
        }
        let mut after = after.map(str::to_owned);
        let mut unlisted: Vec<String> = Vec::new();
        // A few ids on each page of them may be unlisted; they are asked for together.
        let is_last = loop {
            let (since, until) = (place.since, place.until);
            let ids = self
                .ledger
                .activity_ids(id, since, until, after.as_deref(), MAX_SELECTED)
                .await?;
            let Some(last) = ids.last().cloned() else {
                break true;
            };
            let (before, held) = (after.clone(), unlisted.len());
            unlisted.extend(ids.into_iter().filter(|id| !place.listed.contains(id)));
            if unlisted.len() > MAX_SELECTED {
                // They are for the next request, this page again.
                unlisted.truncate(held);
                after = before;
                break false;
            }
            after = Some(last);
        };
        let known = self.known_missing(id).await?;
        let mut sought = self.ledger.activities_by_id(id, &unlisted).await?;
        sought.retain(|activity| {
            let known = known.get(&activity.entry_id);
            let is_settled = known.is_some_and(|known| known.is_settled_for(&activity.revision));
            // Those have their own rounds of being asked for.
            let is_suspected = known.is_some_and(|known| known.state == MissingState::Suspected);
            place.missing += u64::from(is_suspected);
            !is_settled
        });
        if !sought.is_empty() {
            *requests = requests.saturating_sub(1);
            let sought_by_id = sought.iter().map(note::sought).collect();
            let lookup = self.look_up(id, sought_by_id).await?;
            place.count(lookup.applied);
            let missing: Vec<LedgerActivity> = sought
                .into_iter()
                .filter(|activity| lookup.missing.contains(&activity.entry_id))
                .collect();
            place.missing += missing.len() as u64;
            self.note_missing(id, &missing, &place.people).await?;
        }
        place.stage = Stage::Ids(after);
        Ok(is_last)
    }

    /// Reads one page, applies it, and remembers how many requests are left.
    pub(super) async fn read_page(
        &self,
        id: &ConnectionId,
        selection: &Selection,
        cursor: Option<&str>,
    ) -> Result<AppliedPage, HostError> {
        let integration = &self.inner.parts.integration;
        let context = self.context(id);
        let page = integration.reconcile(&context, selection, cursor).await?;
        let compared = match selection {
            Selection::Range(_) | Selection::Changed(_) => {
                self.compare_listed(id, &page.changes.activities).await?
            }
            Selection::Activities(_) => Compared::default(),
        };
        let mut applied = self.apply(id, &page.changes, None).await?;
        let untold = (page.changes.activities.len() as u64).saturating_sub(compared.told);
        applied.changed = applied.changed.min(untold);
        self.note_all(id, &page.notes).await;
        self.note_quotas(id, page.quotas).await?;
        Ok(AppliedPage {
            activities: page.changes.activities,
            outvoted: compared.outvoted,
            missing: page.missing,
            unread: page.unread.into(),
            applied,
            next: page.next,
        })
    }

    /// For how long what is left of the quotas is for people. Work that has waited for a whole period is not kept back once.
    pub(crate) async fn kept_back(&self, id: &ConnectionId) -> Result<Option<Duration>, HostError> {
        let connection = self.connection(id).await?;
        let wait = self
            .reserved_for_people(&connection)
            .await?
            .map(|(_, wait)| wait);
        let kept_back = &self.inner.kept_back;
        if wait.is_none() {
            kept_back.forget(id);
        }
        let period = self.longest_wait();
        Ok(wait.filter(|_| !kept_back.is_asked_for(id) && !kept_back.may_try(id, period)))
    }

    /// The quota of which so little is left that it is for people, and until when.
    async fn reserved_for_people(
        &self,
        connection: &Connection,
    ) -> Result<Option<(String, Duration)>, HostError> {
        let Some(seen) = &connection.quotas else {
            return Ok(None);
        };
        let drawn_on: Vec<String> = self
            .recall(&connection.id, DRAWN_ON)
            .await?
            .unwrap_or_default();
        let passed = to_std(self.now().duration_since(seen.at));
        Ok(reserved_for_people_of(
            &seen.quotas,
            &drawn_on,
            passed,
            self.longest_wait(),
        ))
    }

    /// What reading the gap of a connection waits for; `None`: it is being read or about to be.
    pub async fn gap_waits_for(
        &self,
        connection: &Connection,
    ) -> Result<Option<GapWait>, HostError> {
        let is_open = connection.coverage.gap.is_some();
        if !is_open || self.inner.kept_back.is_asked_for(&connection.id) {
            return Ok(None);
        }
        let spare = self.reserved_for_people(connection).await?;
        Ok(spare.map(|(quota, wait)| GapWait {
            quota,
            until: later(self.now(), wait),
        }))
    }

    /// Remembers the quotas that an answer told of, beside the others.
    async fn note_quotas(&self, id: &ConnectionId, told: Vec<Quota>) -> Result<(), HostError> {
        if told.is_empty() {
            return Ok(());
        }
        let mut names: Vec<String> = told.iter().map(|quota| quota.name.clone()).collect();
        names.sort_unstable();
        let known: Option<Vec<String>> = self.recall(id, DRAWN_ON).await?;
        if known.as_ref() != Some(&names) {
            self.keep_note(id, DRAWN_ON, Some(&names)).await?;
        }
        let now = self.now();
        let mut quotas = told;
        if let Some(seen) = self.connection(id).await?.quotas {
            let passed = to_std(now.duration_since(seen.at)).as_secs();
            let passed = u32::try_from(passed).unwrap_or(u32::MAX);
            for mut quota in seen.quotas {
                if quotas.iter().all(|told| told.name != quota.name) {
                    quota.resets_in_seconds = quota.resets_in_seconds.saturating_sub(passed);
                    quotas.push(quota);
                }
            }
        }
        let update = ConnectionUpdate {
            quotas: Some(SeenQuotas { quotas, at: now }),
            ..ConnectionUpdate::default()
        };
        self.ledger.update_connection(id, update, now).await?;
        Ok(())
    }
}

impl Place {
    fn count(&mut self, applied: Applied) {
        let mut total = Applied {
            applied: self.applied,
            changed: self.changed,
            unchanged: self.unchanged,
        };
        add(&mut total, applied);
        self.applied = total.applied;
        self.changed = total.changed;
        self.unchanged = total.unchanged;
    }
}

/// An integration that gives pages for ever.
pub(super) fn endless() -> HostError {
    HostError::new(
        ErrorCode::Internal,
        format!("the integration did not finish reconciling within {MAX_PAGES} pages"),
    )
}
