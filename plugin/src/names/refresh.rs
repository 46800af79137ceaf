//! Fetching names, within the quota.

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Capabilities, Level};
use crate::json::{Json, Read};
use crate::model::{Error, NameRefresh, Subject};
use crate::toggl::{Api, Failure, Listed, Named, PAGE_SIZE, QuotaReading};
use crate::{revision, state};

use super::{Kind, KnownName, NameCache};

/// Requests of one call, so that it ends soon and commits what it found.
const REQUESTS_PER_CALL: u32 = 8;

/// Requests left to everything else, such as repairing the subscription; a free plan has 30 an hour.
const QUOTA_RESERVE: i64 = 10;

/// How many single requests one list request is worth.
const FETCH_SINGLY_UP_TO: usize = 5;

/// How old the last complete refresh may grow.
const COMPLETE_FOR_SECONDS: i64 = 24 * 3600;

/// How far the clocks of hosts may be apart.
const TOLERANCE_SECONDS: i64 = 60;

/// How many missing names one call looks at.
const MISSING_PER_CALL: u32 = 500;

/// More pages than this are not believed in.
const MAX_PAGES: u32 = 500;

/// When a call that stopped at its own limit continues, and one that failed half-way.
const CONTINUE_IN_SECONDS: u32 = 5;
const RETRY_IN_SECONDS: u32 = 60;

/// The longest time after which something that cannot be read is asked for again.
const LONGEST_RETRY_SECONDS: u32 = 6 * 3600;

/// The contract's bound of notes.
const MAX_NOTES: usize = 10;

/// How far the bulk refresh is.
#[derive(Clone, Debug, Serialize)]
struct Progress {
    stage: Stage,
    /// The next page to fetch.
    page: u32,
    completed_at_seconds: Option<i64>,
    /// Kinds whose list could not be read.
    failed_lists: Vec<&'static str>,
    /// Kinds of which what is missing could not be looked up.
    failed_lookups: Vec<&'static str>,
    /// How many calls in a row met something that could not be read, and when that is asked for again.
    failures: u32,
    retry_at_seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Clients,
    Projects,
    Tasks,
    Complete,
}

impl Progress {
    const START: Self = Self {
        stage: Stage::Clients,
        page: 1,
        completed_at_seconds: None,
        failed_lists: Vec::new(),
        failed_lookups: Vec::new(),
        failures: 0,
        retry_at_seconds: 0,
    };

    /// One that was completed by a clock which was ahead was completed nobody knows when.
    fn is_fresh(&self, now: Timestamp) -> bool {
        let passed = |completed_at: i64| now.seconds().saturating_sub(completed_at);
        let is_fresh = |completed_at: i64| {
            (-TOLERANCE_SECONDS..COMPLETE_FOR_SECONDS).contains(&passed(completed_at))
        };
        self.completed_at_seconds.is_some_and(is_fresh)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.stage != Stage::Complete
            || !self.is_fresh(now)
            || (!self.failed_lists.is_empty() && self.may_retry(now))
    }

    /// Whether to ask again for what could not be read. A clock that was ahead must not put that off for ever.
    fn may_retry(&self, now: Timestamp) -> bool {
        let wait = self.retry_at_seconds.saturating_sub(now.seconds());
        !(1..=i64::from(LONGEST_RETRY_SECONDS)).contains(&wait)
    }

    /// Whether a list is to be fetched: what is fresh is only fetched where it could not be read.
    fn wants(&self, kind: Kind, now: Timestamp) -> bool {
        !self.is_fresh(now) || self.failed_lists.contains(&kind.name())
    }

    fn finish_stage(&mut self, now: Timestamp) {
        self.page = 1;
        self.stage = match self.stage {
            Stage::Clients => Stage::Projects,
            Stage::Projects => Stage::Tasks,
            Stage::Tasks | Stage::Complete => {
                if !self.is_fresh(now) {
                    self.completed_at_seconds = Some(now.seconds());
                }
                Stage::Complete
            }
        };
    }
}

impl Read for Progress {
    fn read(json: &Json<'_>) -> Option<Self> {
        let stage = match json.get("stage").text()? {
            "clients" => Stage::Clients,
            "projects" => Stage::Projects,
            "tasks" => Stage::Tasks,
            "complete" => Stage::Complete,
            _ => return None,
        };
        Some(Self {
            stage,
            page: json.get("page").count()?,
            completed_at_seconds: json.get("completed_at_seconds").integer(),
            failed_lists: kinds(json.get("failed_lists")),
            failed_lookups: kinds(json.get("failed_lookups")),
            failures: json.get("failures").count().unwrap_or_default(),
            retry_at_seconds: json.get("retry_at_seconds").integer().unwrap_or_default(),
        })
    }
}

fn kinds(names: &Json<'_>) -> Vec<&'static str> {
    let names = names.list().iter().filter_map(Json::text);
    names.filter_map(Kind::parse).map(Kind::name).collect()
}

/// Notes or forgets that a kind failed; whether that is new.
fn set_failed(kinds: &mut Vec<&'static str>, kind: Kind, failed: bool) -> bool {
    let before = kinds.len();
    kinds.retain(|name| *name != kind.name());
    let is_new = before == kinds.len();
    if failed {
        kinds.push(kind.name());
    }
    is_new
}

/// Why a call stops before everything is found.
struct Pause {
    again_in_seconds: u32,
    /// What went wrong, unless it stopped on purpose.
    error: Option<Error>,
    /// Whether that says nothing of other requests.
    is_of_one_request: bool,
}

impl From<Error> for Pause {
    fn from(error: Error) -> Self {
        Self {
            again_in_seconds: RETRY_IN_SECONDS,
            error: Some(error),
            is_of_one_request: false,
        }
    }
}

impl Pause {
    fn on_purpose(again_in_seconds: u32) -> Self {
        Self {
            again_in_seconds: again_in_seconds.max(1),
            error: None,
            is_of_one_request: false,
        }
    }
}

/// Fetches names that are missing, and all of them when that was not done for a day.
pub(crate) fn refresh(capabilities: &dyn Capabilities) -> Result<NameRefresh, Error> {
    let connection = state::connection(capabilities)?;
    let now = capabilities.now();
    let progress = state::recall(capabilities, state::NAMES_PROGRESS)?.unwrap_or(Progress::START);
    let mut cache = NameCache::new(capabilities);
    cache.load_missing(MISSING_PER_CALL)?;
    let mut refresh = Refresh {
        capabilities,
        api: Api::new(capabilities),
        workspace: connection.workspace_id,
        now,
        quota: state::recall(capabilities, state::QUOTA)?,
        requests: 0,
        successes: 0,
        cache,
        progress,
        found: Vec::new(),
        failure: None,
        fails_again: false,
        again_in_seconds: None,
        notes: Vec::new(),
    };
    let had_failed = refresh.progress.failures > 0;
    let pause = refresh.run().err();
    if let Some(Pause {
        again_in_seconds,
        error: Some(error),
        ..
    }) = &pause
    {
        if refresh.successes == 0 {
            return Err(error.clone());
        }
        let message = format!(
            "The refresh of names stopped half-way and continues in {again_in_seconds} s: {error}"
        );
        capabilities.log(Level::Warn, &message);
    }
    // What can be read is not asked for again because of what cannot be.
    if let Some(error) = refresh
        .failure
        .take_if(|_| refresh.successes == 0 && !had_failed && !refresh.fails_again)
    {
        return Err(error);
    }
    let retry = refresh.retry_in_seconds();
    refresh.save()?;
    refresh.notes.truncate(MAX_NOTES);
    let pause = pause.map(|pause| pause.again_in_seconds);
    Ok(NameRefresh {
        subjects: refresh.found,
        notes: refresh.notes,
        again_in_seconds: [pause, retry, refresh.again_in_seconds]
            .into_iter()
            .flatten()
            .min(),
    })
}

struct Refresh<'a> {
    capabilities: &'a dyn Capabilities,
    api: Api<'a>,
    workspace: u64,
    now: Timestamp,
    quota: Option<QuotaReading>,
    requests: u32,
    successes: u32,
    cache: NameCache<'a>,
    progress: Progress,
    found: Vec<Subject>,
    /// The first failure that says nothing of other requests.
    failure: Option<Error>,
    /// Whether something has failed that had failed before.
    fails_again: bool,
    /// When to ask again for single names that could not be read.
    again_in_seconds: Option<u32>,
    notes: Vec<String>,
}

impl Refresh<'_> {
    fn run(&mut self) -> Result<(), Pause> {
        // A first fill finds most of what is missing with the fewest requests.
        if self.progress.completed_at_seconds.is_none() {
            self.fill()?;
            self.look_for_missing()
        } else {
            self.look_for_missing()?;
            if self.progress.is_due(self.now) {
                self.fill()?;
            }
            Ok(())
        }
    }

    /// Fetches all names, continuing where the last call stopped.
    fn fill(&mut self) -> Result<(), Pause> {
        if self.progress.stage == Stage::Complete {
            self.progress.stage = Stage::Clients;
            self.progress.page = 1;
        }
        loop {
            let (page, workspace) = (self.progress.page, self.workspace);
            let kind = match self.progress.stage {
                Stage::Clients => Kind::Client,
                Stage::Projects => Kind::Project,
                Stage::Tasks => Kind::Task,
                Stage::Complete => return Ok(()),
            };
            if !self.progress.wants(kind, self.now) {
                self.progress.finish_stage(self.now);
                continue;
            }
            let answer = self.ask(|api| match kind {
                // The list of clients comes whole.
                Kind::Client => Ok((api.clients(workspace)?, true)),
                Kind::Project => {
                    let projects = api.projects(workspace, page)?;
                    let is_last = (projects.len() as u64) < PAGE_SIZE;
                    Ok((projects, is_last))
                }
                Kind::Task => api.tasks(workspace, page),
            });
            let answer = match answer {
                Err(pause) if pause.is_of_one_request => {
                    if set_failed(&mut self.progress.failed_lists, kind, true) {
                        self.note_failure(kind, &pause);
                    }
                    self.failure = self.failure.take().or(pause.error);
                    self.progress.finish_stage(self.now);
                    continue;
                }
                answer => answer?,
            };
            // Tasks belong to paid plans; without them there is nothing to fetch.
            let (listed, is_last) = answer.unwrap_or((Listed::default(), true));
            let is_last = is_last || listed.len() == 0 || page >= MAX_PAGES;
            if page == 1 {
                self.cache.load_known(kind)?;
            }
            self.learn_all(kind, listed)?;
            if is_last {
                set_failed(&mut self.progress.failed_lists, kind, false);
            }
            if is_last {
                self.progress.finish_stage(self.now);
            } else {
                self.progress.page = page.saturating_add(1);
            }
        }
    }

    fn learn_all(&mut self, kind: Kind, listed: Listed<Named>) -> Result<(), Error> {
        self.notes.extend(listed.note(kind.plural(), "id"));
        for row in listed.rows {
            self.learn(kind, row)?;
        }
        Ok(())
    }

    fn note_failure(&mut self, kind: Kind, pause: &Pause) {
        if let Some(error) = &pause.error {
            self.notes.push(format!(
                "The names of {} could not be read and are asked for again later: {error}",
                kind.plural()
            ));
        }
    }

    /// Notes whether something could not be read, and returns in how many seconds to ask for it again.
    fn retry_in_seconds(&mut self) -> Option<u32> {
        let progress = &mut self.progress;
        if progress.failed_lists.is_empty() && progress.failed_lookups.is_empty() {
            progress.failures = 0;
            return None;
        }
        if self.failure.is_some() {
            let doubled = RETRY_IN_SECONDS.saturating_mul(1 << progress.failures.min(16));
            progress.failures = progress.failures.saturating_add(1);
            let wait = doubled.min(LONGEST_RETRY_SECONDS);
            progress.retry_at_seconds = self.now.after(wait.into()).seconds();
        }
        let wait = progress.retry_at_seconds.saturating_sub(self.now.seconds());
        Some(
            u32::try_from(wait)
                .unwrap_or_default()
                .clamp(1, LONGEST_RETRY_SECONDS),
        )
    }

    /// Takes a name in, and hands on the one that is known then, even if it was known before: so whatever the host
    /// missed, or lost since, it has again after a day.
    fn learn(&mut self, kind: Kind, row: Named) -> Result<(), Error> {
        let parent = parent(kind, &row);
        let Some(name) = row.name else {
            return Ok(());
        };
        let at = row.at.unwrap_or(self.now);
        let mut name = KnownName {
            name,
            parent,
            revision: revision::read(at, self.now),
        };
        if let Some(known) = self.cache.get(kind, row.id)?
            && (&known.name, known.parent) != (&name.name, name.parent)
            && revision::is_at(&known.revision, at)
        {
            // Not every change moves `at`. What is read now came after what was known by the same `at`.
            name.revision = name.revision.max(revision::told(at, self.now, 0));
        }
        self.cache.learn(kind, row.id, name)?;
        if let Some(known) = self.cache.get(kind, row.id)? {
            self.found.push(known.to_subject(kind, row.id));
        }
        Ok(())
    }

    /// Looks for what deliveries referred to; tasks first, as they lead to projects, and those to
    /// clients.
    fn look_for_missing(&mut self) -> Result<(), Pause> {
        let may_retry = self.progress.may_retry(self.now);
        for kind in Kind::ALL {
            if self.progress.failed_lookups.contains(&kind.name()) && !may_retry {
                continue;
            }
            match self.look_for(kind) {
                Err(pause) if pause.is_of_one_request => {
                    if set_failed(&mut self.progress.failed_lookups, kind, true) {
                        self.note_failure(kind, &pause);
                    }
                    self.failure = self.failure.take().or(pause.error);
                }
                result => {
                    result?;
                    set_failed(&mut self.progress.failed_lookups, kind, false);
                }
            }
        }
        Ok(())
    }

    fn look_for(&mut self, kind: Kind) -> Result<(), Pause> {
        let wanted = self.cache.wanted(kind);
        // Toggl gives a single task of a known project only.
        let is_single = |(_, project): &(u64, Option<u64>)| kind != Kind::Task || project.is_some();
        if wanted.len() <= FETCH_SINGLY_UP_TO && wanted.iter().all(is_single) {
            for (id, project) in wanted {
                match self.look_for_one(kind, id, project.unwrap_or_default()) {
                    // The others may be readable.
                    Err(pause) if pause.is_of_one_request => self.put_off(kind, id, pause)?,
                    result => result?,
                }
            }
            return Ok(());
        }
        let ids: Vec<u64> = wanted.into_iter().map(|(id, _)| id).collect();
        for ids in ids.chunks(PAGE_SIZE as usize) {
            self.look_for_many(kind, ids)?;
        }
        Ok(())
    }

    /// Has one name be asked for later because its answer cannot be read, ever later and without any other name.
    fn put_off(&mut self, kind: Kind, id: u64, pause: Pause) -> Result<(), Pause> {
        let missing = self.cache.note_unknown(kind, id)?;
        if missing.asked == 1 {
            self.note_failure(kind, &pause);
        } else {
            self.fails_again = true;
        }
        let wait = missing.again_at_seconds.saturating_sub(self.now.seconds());
        let wait = u32::try_from(wait)
            .unwrap_or_default()
            .max(RETRY_IN_SECONDS);
        self.again_in_seconds = Some(self.again_in_seconds.map_or(wait, |again| again.min(wait)));
        self.failure = self.failure.take().or(pause.error);
        Ok(())
    }

    fn look_for_one(&mut self, kind: Kind, id: u64, project: u64) -> Result<(), Pause> {
        let workspace = self.workspace;
        let found = self.ask(|api| match kind {
            Kind::Task => api.task(workspace, project, id),
            Kind::Project => api.project(workspace, id),
            Kind::Client => api.client(workspace, id),
        })?;
        let rows = found.into_iter().collect();
        self.take_in(kind, &[id], Listed { rows, left_out: 0 })
    }

    fn look_for_many(&mut self, kind: Kind, ids: &[u64]) -> Result<(), Pause> {
        let workspace = self.workspace;
        let found = self.ask(|api| match kind {
            Kind::Task => api.tasks_by_id(workspace, ids),
            Kind::Project => api.projects_by_id(workspace, ids),
            Kind::Client => api.clients(workspace),
        })?;
        self.take_in(kind, ids, found.unwrap_or_default())
    }

    /// Takes in what was found of what was looked for; the rest is unknown for a while.
    fn take_in(&mut self, kind: Kind, wanted: &[u64], found: Listed<Named>) -> Result<(), Pause> {
        self.notes.extend(found.note(kind.plural(), "id"));
        for row in found.rows {
            let parent = kind.parent().zip(parent(kind, &row));
            self.learn(kind, row)?;
            if let Some((kind, id)) = parent
                && self.cache.get(kind, id)?.is_none()
            {
                self.cache.note_missing(kind, id, None)?;
            }
        }
        for id in wanted {
            if self.cache.get(kind, *id)?.is_some() {
                self.cache.note_found(kind, *id);
            } else {
                self.cache.note_unknown(kind, *id)?;
            }
        }
        Ok(())
    }

    /// Makes a request if the call and the quota allow one. `None`: Toggl does not give this.
    fn ask<T>(
        &mut self,
        call: impl FnOnce(&Api<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Pause> {
        if let Some(quota) = self.api.quota().or(self.quota)
            && quota.remaining <= QUOTA_RESERVE
            && let Some(again_in_seconds) = quota.resets_in_seconds(self.now)
        {
            return Err(Pause::on_purpose(again_in_seconds));
        }
        if self.requests >= REQUESTS_PER_CALL {
            return Err(Pause::on_purpose(CONTINUE_IN_SECONDS));
        }
        self.requests = self.requests.saturating_add(1);
        let failure = match call(&self.api) {
            Ok(answer) => {
                self.successes = self.successes.saturating_add(1);
                return Ok(Some(answer));
            }
            Err(failure) => failure,
        };
        let is_of_one_request =
            failure.hit_a_limit() || matches!(failure.error, Error::Upstream { .. });
        match failure.error {
            Error::QuotaExhausted {
                resets_in_seconds, ..
            } => Err(Pause::on_purpose(resets_in_seconds)),
            Error::RateLimited {
                retry_after_seconds,
                ..
            } => Err(Pause::on_purpose(retry_after_seconds)),
            error if failure.is_absence() || matches!(error, Error::PlanLimit(_)) => {
                self.capabilities.log(
                    Level::Debug,
                    &format!("Toggl gives no names for a request: {error}"),
                );
                Ok(None)
            }
            error => Err(Pause {
                is_of_one_request,
                ..error.into()
            }),
        }
    }

    fn save(&mut self) -> Result<(), Error> {
        let cache = std::mem::replace(&mut self.cache, NameCache::new(self.capabilities));
        cache.save()?;
        let mut writes = vec![state::put(state::NAMES_PROGRESS, &self.progress)?];
        if let Some(quota) = self.api.quota() {
            writes.push(state::put(state::QUOTA, &quota)?);
        }
        Ok(self.capabilities.write(writes)?)
    }
}

/// What a row's entity belongs to.
fn parent(kind: Kind, row: &Named) -> Option<u64> {
    match kind {
        Kind::Task => row.project_id,
        Kind::Project => row.client_id,
        Kind::Client => None,
    }
}
