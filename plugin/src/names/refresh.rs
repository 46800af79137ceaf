//! Fetching names, within the quota.

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Capabilities, Level};
use crate::json::{Json, Read};
use crate::model::{Error, NameRefresh, Subject};
use crate::toggl::{Api, Failure, Named, PAGE_SIZE, QuotaReading};
use crate::{revision, state};

use super::{Kind, KnownName, NameCache};

/// Requests of one call, so that it ends soon and commits what it found.
const REQUESTS_PER_CALL: u32 = 8;

/// Requests left to everything else, such as repairing the subscription; a free plan has 30 an hour.
const QUOTA_RESERVE: i64 = 10;

/// How many single requests one list request is worth.
const FETCH_SINGLY_UP_TO: usize = 5;

/// How long a name that Toggl does not give is not asked for again.
const UNKNOWN_FOR_SECONDS: i64 = 6 * 3600;

/// How old the last complete refresh may grow.
const COMPLETE_FOR_SECONDS: i64 = 24 * 3600;

/// How many missing names one call looks at.
const MISSING_PER_CALL: u32 = 500;

/// More pages than this are not believed in.
const MAX_PAGES: u32 = 500;

/// When a call that stopped at its own limit continues, and one that failed half-way.
const CONTINUE_IN_SECONDS: u32 = 5;
const RETRY_IN_SECONDS: u32 = 60;

/// How far the bulk refresh is.
#[derive(Clone, Copy, Debug, Serialize)]
struct Progress {
    stage: Stage,
    /// The next page to fetch.
    page: u32,
    completed_at_seconds: Option<i64>,
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
    };

    fn is_due(&self, now: Timestamp) -> bool {
        let is_fresh =
            |completed_at: i64| now.seconds().saturating_sub(completed_at) < COMPLETE_FOR_SECONDS;
        self.stage != Stage::Complete || !self.completed_at_seconds.is_some_and(is_fresh)
    }

    fn finish_stage(&mut self, now: Timestamp) {
        self.page = 1;
        self.stage = match self.stage {
            Stage::Clients => Stage::Projects,
            Stage::Projects => Stage::Tasks,
            Stage::Tasks | Stage::Complete => {
                self.completed_at_seconds = Some(now.seconds());
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
            page: u32::try_from(json.get("page").unsigned()?).ok()?,
            completed_at_seconds: json.get("completed_at_seconds").integer(),
        })
    }
}

/// Why a call stops before everything is found.
struct Pause {
    again_in_seconds: u32,
    /// What went wrong, unless it stopped on purpose.
    error: Option<Error>,
}

impl From<Error> for Pause {
    fn from(error: Error) -> Self {
        Self {
            again_in_seconds: RETRY_IN_SECONDS,
            error: Some(error),
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
    };
    let pause = refresh.run().err();
    if let Some(Pause {
        again_in_seconds,
        error: Some(error),
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
    refresh.save()?;
    Ok(NameRefresh {
        subjects: refresh.found,
        again_in_seconds: pause.map(|pause| pause.again_in_seconds),
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
            let answer = self.ask(|api| match kind {
                // The list of clients comes whole.
                Kind::Client => Ok((api.clients(workspace)?, true)),
                Kind::Project => {
                    let projects = api.projects(workspace, page)?;
                    let is_last = (projects.len() as u64) < PAGE_SIZE;
                    Ok((projects, is_last))
                }
                Kind::Task => api.tasks(workspace, page),
            })?;
            // Tasks belong to paid plans; without them there is nothing to fetch.
            let (rows, is_last) = answer.unwrap_or((Vec::new(), true));
            let is_last = is_last || rows.is_empty() || page >= MAX_PAGES;
            if page == 1 {
                self.cache.load_known(kind)?;
            }
            for row in rows {
                self.learn(kind, row)?;
            }
            if is_last {
                self.progress.finish_stage(self.now);
            } else {
                self.progress.page = page.saturating_add(1);
            }
        }
    }

    fn learn(&mut self, kind: Kind, row: Named) -> Result<(), Error> {
        let parent = parent(kind, &row);
        let Some(name) = row.name else {
            return Ok(());
        };
        let name = KnownName {
            name,
            parent,
            revision: revision::read(row.at.unwrap_or(self.now), self.now),
        };
        let subject = name.to_subject(kind, row.id);
        if self.cache.learn(kind, row.id, name)? {
            self.found.push(subject);
        }
        Ok(())
    }

    /// Looks for what deliveries referred to; tasks first, as they lead to projects, and those to
    /// clients.
    fn look_for_missing(&mut self) -> Result<(), Pause> {
        for kind in [Kind::Task, Kind::Project, Kind::Client] {
            let wanted = self.cache.wanted(kind);
            // Toggl gives a single task of a known project only.
            let is_single =
                |(_, project): &(u64, Option<u64>)| kind != Kind::Task || project.is_some();
            if wanted.len() <= FETCH_SINGLY_UP_TO && wanted.iter().all(is_single) {
                for (id, project) in wanted {
                    self.look_for_one(kind, id, project.unwrap_or_default())?;
                }
            } else {
                let ids: Vec<u64> = wanted.into_iter().map(|(id, _)| id).collect();
                for ids in ids.chunks(PAGE_SIZE as usize) {
                    self.look_for_many(kind, ids)?;
                }
            }
        }
        Ok(())
    }

    fn look_for_one(&mut self, kind: Kind, id: u64, project: u64) -> Result<(), Pause> {
        let workspace = self.workspace;
        let found = self.ask(|api| match kind {
            Kind::Task => api.task(workspace, project, id),
            Kind::Project => api.project(workspace, id),
            Kind::Client => api.client(workspace, id),
        })?;
        self.take_in(kind, &[id], found.into_iter().collect())
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
    fn take_in(&mut self, kind: Kind, wanted: &[u64], found: Vec<Named>) -> Result<(), Pause> {
        for row in found {
            let parent = kind.parent().zip(parent(kind, &row));
            self.learn(kind, row)?;
            if let Some((kind, id)) = parent
                && self.cache.get(kind, id)?.is_none()
            {
                self.cache.note_missing(kind, id, None)?;
            }
        }
        let until = self.now.after(UNKNOWN_FOR_SECONDS);
        for id in wanted {
            if self.cache.get(kind, *id)?.is_some() {
                self.cache.note_found(kind, *id);
            } else {
                self.cache.note_unknown(kind, *id, until);
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
            return Err(Pause {
                again_in_seconds,
                error: None,
            });
        }
        if self.requests >= REQUESTS_PER_CALL {
            return Err(Pause {
                again_in_seconds: CONTINUE_IN_SECONDS,
                error: None,
            });
        }
        self.requests = self.requests.saturating_add(1);
        let failure = match call(&self.api) {
            Ok(answer) => {
                self.successes = self.successes.saturating_add(1);
                return Ok(Some(answer));
            }
            Err(failure) => failure,
        };
        match failure.error {
            Error::QuotaExhausted {
                resets_in_seconds, ..
            } => Err(Pause {
                again_in_seconds: resets_in_seconds.max(1),
                error: None,
            }),
            Error::RateLimited {
                retry_after_seconds,
                ..
            } => Err(Pause {
                again_in_seconds: retry_after_seconds.max(1),
                error: None,
            }),
            error if failure.is_absence() || matches!(error, Error::PlanLimit(_)) => {
                self.capabilities.log(
                    Level::Debug,
                    &format!("Toggl gives no names for a request: {error}"),
                );
                Ok(None)
            }
            error => Err(error.into()),
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
