//! Names of clients, projects and tasks.
//!
//! Deliveries carry ids only, and a free workspace allows 30 requests an hour. So names are fetched
//! in bulk, remembered, updated by events where the plan reports them, and looked for one by one
//! only when a delivery refers to an unknown one.

mod cache;
mod refresh;

pub(crate) use cache::{KnownName, NameCache, Reference};
pub(crate) use refresh::refresh;

/// The keys that say which names are missing begin with this.
const MISSING_PREFIX: &str = "missing/";

/// What time is spent on, outermost last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Task,
    Project,
    Client,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Task, Self::Project, Self::Client];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Project => "project",
            Self::Client => "client",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// What several are called.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Project => "projects",
            Self::Client => "clients",
        }
    }

    /// What this kind belongs to.
    pub fn parent(self) -> Option<Self> {
        match self {
            Self::Task => Some(Self::Project),
            Self::Project => Some(Self::Client),
            Self::Client => None,
        }
    }

    /// The subject's id, which is its storage key too.
    pub fn key(self, id: u64) -> String {
        format!("{}/{id}", self.name())
    }

    /// What a subject's id, or its storage key, stands for.
    pub fn parse_key(key: &str) -> Option<(Self, u64)> {
        let (kind, id) = key.split_once('/')?;
        Some((Self::parse(kind)?, id.parse().ok()?))
    }

    /// The storage key that says its name is missing.
    pub fn missing_key(self, id: u64) -> String {
        format!("{MISSING_PREFIX}{}/{id}", self.name())
    }
}
