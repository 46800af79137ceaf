//! Fetching names, within the quota.

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Capabilities, Level};
use crate::json::{Json, Read};
use crate::model::{Error, NameRefresh, Subject};
use crate::toggl::{Api, Client, Failure, PAGE_SIZE, Project, QuotaReading, Task};
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
        while self.progress.stage != Stage::Complete {
            let (stage, page, workspace) =
                (self.progress.stage, self.progress.page, self.workspace);
            let is_last = match stage {
                Stage::Clients => match self.ask(|api| api.clients(workspace))? {
                    Some(clients) => {
                        self.cache.load_known(Kind::Client)?;
                        self.learn_all(clients, true)?
                    }
                    None => true,
                },
                Stage::Projects => match self.ask(|api| api.projects(workspace, page))? {
                    Some(projects) => {
                        self.cache.load_known(Kind::Project)?;
                        let is_last = (projects.len() as u64) < PAGE_SIZE;
                        self.learn_all(projects, is_last)?
                    }
                    None => true,
                },
                // Tasks belong to paid plans; without them there is nothing to fetch.
                Stage::Tasks => match self.ask(|api| api.tasks(workspace, page))? {
                    Some((tasks, is_last)) => {
                        self.cache.load_known(Kind::Task)?;
                        self.learn_all(tasks, is_last)?
                    }
                    None => true,
                },
                Stage::Complete => true,
            };
            if is_last || page >= MAX_PAGES {
                self.progress.finish_stage(self.now);
            } else {
                self.progress.page = page.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Takes a page in; whether it is the last. An empty one always is.
    fn learn_all<T: Named>(&mut self, rows: Vec<T>, is_last: bool) -> Result<bool, Error> {
        let is_empty = rows.is_empty();
        for row in rows {
            self.learn(row)?;
        }
        Ok(is_last || is_empty)
    }

    fn learn<T: Named>(&mut self, row: T) -> Result<(), Error> {
        let (id, parent) = (row.id(), row.parent());
        let Some((name, at)) = row.into_name() else {
            return Ok(());
        };
        let at = at.unwrap_or(self.now);
        let name = KnownName {
            name,
            parent,
            revision: revision::read(at),
        };
        let subject = name.to_subject(T::KIND, id);
        if self.cache.learn(T::KIND, id, name)? {
            self.found.push(subject);
        }
        Ok(())
    }

    /// Looks for what deliveries referred to; tasks first, as they lead to projects, and those to
    /// clients.
    fn look_for_missing(&mut self) -> Result<(), Pause> {
        let workspace = self.workspace;
        let tasks = self.cache.wanted(Kind::Task);
        let (in_project, alone): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|(_, project)| project.is_some());
        if in_project.len() > FETCH_SINGLY_UP_TO || !alone.is_empty() {
            let ids = in_project.iter().chain(&alone).map(|(id, _)| *id).collect();
            self.look_for_many(ids, |api, ids| api.tasks_by_id(workspace, ids))?;
        } else {
            for (id, project) in in_project {
                let project = project.unwrap_or_default();
                self.look_for_one(id, |api| api.task(workspace, project, id))?;
            }
        }
        let projects = ids(self.cache.wanted(Kind::Project));
        if projects.len() > FETCH_SINGLY_UP_TO {
            self.look_for_many(projects, |api, ids| api.projects_by_id(workspace, ids))?;
        } else {
            for id in projects {
                self.look_for_one(id, |api| api.project(workspace, id))?;
            }
        }
        let clients = ids(self.cache.wanted(Kind::Client));
        if clients.len() > FETCH_SINGLY_UP_TO {
            // The list of clients comes whole.
            self.look_for_many(clients, |api, _| api.clients(workspace))?;
        } else {
            for id in clients {
                self.look_for_one(id, |api| api.client(workspace, id))?;
            }
        }
        Ok(())
    }

    fn look_for_one<T: Named>(
        &mut self,
        id: u64,
        call: impl FnOnce(&Api<'_>) -> Result<T, Failure>,
    ) -> Result<(), Pause> {
        let found = self.ask(call)?.into_iter().collect();
        self.take_in(&[id], found)
    }

    fn look_for_many<T: Named>(
        &mut self,
        ids: Vec<u64>,
        call: impl Fn(&Api<'_>, &[u64]) -> Result<Vec<T>, Failure>,
    ) -> Result<(), Pause> {
        for ids in ids.chunks(PAGE_SIZE as usize) {
            let found = self.ask(|api| call(api, ids))?.unwrap_or_default();
            self.take_in(ids, found)?;
        }
        Ok(())
    }

    /// Takes in what was found of what was looked for; the rest is unknown for a while.
    fn take_in<T: Named>(&mut self, wanted: &[u64], found: Vec<T>) -> Result<(), Pause> {
        for row in found {
            let parent = T::KIND.parent().zip(row.parent());
            self.learn(row)?;
            if let Some((kind, id)) = parent
                && self.cache.get(kind, id)?.is_none()
            {
                self.cache.note_missing(kind, id, None)?;
            }
        }
        let until = self.now.after(UNKNOWN_FOR_SECONDS);
        for id in wanted {
            if self.cache.get(T::KIND, *id)?.is_some() {
                self.cache.note_found(T::KIND, *id);
            } else {
                self.cache.note_unknown(T::KIND, *id, until)?;
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

fn ids(wanted: Vec<(u64, Option<u64>)>) -> Vec<u64> {
    wanted.into_iter().map(|(id, _)| id).collect()
}

/// A row that names something.
trait Named {
    const KIND: Kind;
    fn id(&self) -> u64;
    fn parent(&self) -> Option<u64>;
    /// The name and when it last changed.
    fn into_name(self) -> Option<(String, Option<Timestamp>)>;
}

impl Named for Client {
    const KIND: Kind = Kind::Client;

    fn id(&self) -> u64 {
        self.id
    }

    fn parent(&self) -> Option<u64> {
        None
    }

    fn into_name(self) -> Option<(String, Option<Timestamp>)> {
        Some((self.name?, self.at))
    }
}

impl Named for Project {
    const KIND: Kind = Kind::Project;

    fn id(&self) -> u64 {
        self.id
    }

    fn parent(&self) -> Option<u64> {
        self.client_id
    }

    fn into_name(self) -> Option<(String, Option<Timestamp>)> {
        Some((self.name?, self.at))
    }
}

impl Named for Task {
    const KIND: Kind = Kind::Task;

    fn id(&self) -> u64 {
        self.id
    }

    fn parent(&self) -> Option<u64> {
        self.project_id
    }

    fn into_name(self) -> Option<(String, Option<Timestamp>)> {
        Some((self.name?, self.at))
    }
}
