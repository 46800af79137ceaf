//! The names known and the names missing, as storage holds them.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::{Capabilities, Write};
use crate::json::{self, Json, Read};
use crate::model::{Error, Subject};
use crate::state;

use super::Kind;

/// A name with what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KnownName {
    pub name: String,
    /// The id of the client of a project, or of the project of a task.
    pub parent: Option<u64>,
    pub revision: String,
}

impl KnownName {
    /// The name as the ledger takes it.
    pub fn to_subject(&self, kind: Kind, id: u64) -> Subject {
        Subject {
            id: kind.key(id),
            revision: self.revision.clone(),
            name: Some(self.name.clone()),
            parent: kind
                .parent()
                .zip(self.parent)
                .map(|(kind, id)| kind.key(id)),
        }
    }
}

/// A name to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Missing {
    /// The project of a task, without which Toggl cannot be asked for one task.
    pub project: Option<u64>,
    /// Toggl was asked and does not know it, or does not show it to this account. The key expires,
    /// and the next delivery that refers to it makes it be looked for again.
    pub unknown: bool,
}

impl Read for KnownName {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            name: json.get("name").owned_text()?,
            parent: json.get("parent").id(),
            revision: json.get("revision").owned_text()?,
        })
    }
}

impl Read for Missing {
    fn read(json: &Json<'_>) -> Option<Self> {
        Some(Self {
            project: json.get("project").id(),
            unknown: json.get("unknown").flag().unwrap_or(false),
        })
    }
}

/// What a time entry refers to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reference<'a> {
    pub task: Option<u64>,
    pub project: Option<u64>,
    /// Names that came with the entry, for when the cache has none.
    pub task_name: Option<&'a str>,
    pub project_name: Option<&'a str>,
}

impl Reference<'_> {
    /// The id of the most specific thing it refers to.
    pub fn subject(&self) -> Option<String> {
        let task = self.task.map(|id| Kind::Task.key(id));
        task.or_else(|| self.project.map(|id| Kind::Project.key(id)))
    }
}

/// The cache during one call: reads each key once, and writes nothing before `save`.
pub(crate) struct NameCache<'a> {
    capabilities: &'a dyn Capabilities,
    known: BTreeMap<(Kind, u64), Option<KnownName>>,
    missing: BTreeMap<(Kind, u64), Option<Missing>>,
    writes: BTreeMap<String, Write>,
}

impl<'a> NameCache<'a> {
    pub fn new(capabilities: &'a dyn Capabilities) -> Self {
        Self {
            capabilities,
            known: BTreeMap::new(),
            missing: BTreeMap::new(),
            writes: BTreeMap::new(),
        }
    }

    /// The name, if it is known.
    pub fn get(&mut self, kind: Kind, id: u64) -> Result<Option<&KnownName>, Error> {
        if !self.known.contains_key(&(kind, id)) {
            let name = state::recall(self.capabilities, &kind.key(id))?;
            self.known.insert((kind, id), name);
        }
        Ok(self.known.get(&(kind, id)).and_then(Option::as_ref))
    }

    /// Takes a name in unless a newer one is known; whether it was taken in. It is missing no longer.
    pub fn learn(&mut self, kind: Kind, id: u64, name: KnownName) -> Result<bool, Error> {
        if self
            .get(kind, id)?
            .is_some_and(|known| known.revision >= name.revision)
        {
            return Ok(false);
        }
        self.write(state::put(kind.key(id), &name)?);
        self.known.insert((kind, id), Some(name));
        self.note_found(kind, id);
        Ok(true)
    }

    /// Notes that a name is missing; whether it can be looked for.
    pub fn note_missing(
        &mut self,
        kind: Kind,
        id: u64,
        project: Option<u64>,
    ) -> Result<bool, Error> {
        if !self.missing.contains_key(&(kind, id)) {
            let missing = state::recall(self.capabilities, &kind.missing_key(id))?;
            self.missing.insert((kind, id), missing);
        }
        if let Some(Some(missing)) = self.missing.get(&(kind, id)) {
            return Ok(!missing.unknown);
        }
        let missing = Missing {
            project,
            unknown: false,
        };
        self.write(state::put(kind.missing_key(id), &missing)?);
        self.missing.insert((kind, id), Some(missing));
        Ok(true)
    }

    /// Notes that a name need not be looked for.
    pub fn note_found(&mut self, kind: Kind, id: u64) {
        self.write(state::delete(kind.missing_key(id)));
        self.missing.insert((kind, id), None);
    }

    /// Notes that Toggl does not know a name, until it is worth asking again.
    pub fn note_unknown(&mut self, kind: Kind, id: u64, until: Timestamp) -> Result<(), Error> {
        let missing = Missing {
            project: None,
            unknown: true,
        };
        self.write(state::put_until(
            kind.missing_key(id),
            &missing,
            Some(until),
        )?);
        self.missing.insert((kind, id), Some(missing));
        Ok(())
    }

    /// Takes in what storage says is missing.
    pub fn load_missing(&mut self, limit: u32) -> Result<(), Error> {
        for entry in self.capabilities.list("missing/", None, limit)? {
            let mut parts = entry.key.splitn(3, '/').skip(1);
            let kind = parts.next().and_then(Kind::parse);
            let id = parts.next().and_then(|id| id.parse().ok());
            let missing = json::read(&entry.value);
            if let (Some(kind), Some(id), Some(missing)) = (kind, id, missing) {
                self.missing.entry((kind, id)).or_insert(Some(missing));
            }
        }
        Ok(())
    }

    /// What can be looked for, of one kind: ids, and the project where it is known.
    pub fn wanted(&self, kind: Kind) -> Vec<(u64, Option<u64>)> {
        let of_kind = self.missing.range((kind, 0)..=(kind, u64::MAX));
        of_kind
            .filter_map(|((_, id), missing)| {
                missing
                    .filter(|missing| !missing.unknown)
                    .map(|found| (*id, found.project))
            })
            .collect()
    }

    /// Reads every known name of a kind, so that a bulk refresh does not read them one by one.
    pub fn load_known(&mut self, kind: Kind) -> Result<(), Error> {
        const PAGE: u32 = 1000;
        let prefix = format!("{}/", kind.name());
        let mut after: Option<String> = None;
        loop {
            let entries = self.capabilities.list(&prefix, after.as_deref(), PAGE)?;
            let is_last = entries.len() < PAGE as usize;
            let last = entries.last().map(|entry| entry.key.clone());
            for entry in entries {
                let id = entry
                    .key
                    .strip_prefix(&prefix)
                    .and_then(|id| id.parse().ok());
                let name = json::read(&entry.value);
                if let (Some(id), Some(name)) = (id, name) {
                    self.known.entry((kind, id)).or_insert(Some(name));
                }
            }
            // Without a step forward another page would be the same one.
            if is_last || last <= after {
                return Ok(());
            }
            after = last;
        }
    }

    /// The subjects from what an entry refers to up to the client, innermost first, and whether a
    /// name among them could be looked for. Handing on known ones every time heals a ledger that
    /// missed one.
    pub fn chain(&mut self, reference: Reference<'_>) -> Result<(Vec<Subject>, bool), Error> {
        let mut subjects = Vec::new();
        let mut names_missing = false;
        let mut next = match (reference.task, reference.project) {
            (Some(task), _) => Some((Kind::Task, task)),
            (None, Some(project)) => Some((Kind::Project, project)),
            (None, None) => None,
        };
        while let Some((kind, id)) = next {
            let (subject, parent) = match self.get(kind, id)? {
                Some(known) => (known.to_subject(kind, id), known.parent),
                None => {
                    let (name, parent) = match kind {
                        Kind::Task => (reference.task_name, reference.project),
                        Kind::Project => (reference.project_name, None),
                        Kind::Client => (None, None),
                    };
                    names_missing |= self.note_missing(kind, id, parent)?;
                    let subject = Subject {
                        id: kind.key(id),
                        revision: String::new(),
                        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
                        parent: kind.parent().zip(parent).map(|(kind, id)| kind.key(id)),
                    };
                    (subject, parent)
                }
            };
            subjects.push(subject);
            next = kind.parent().zip(parent);
        }
        Ok((subjects, names_missing))
    }

    fn write(&mut self, write: Write) {
        self.writes.insert(write.key.clone(), write);
    }

    /// Writes what was learnt and noted.
    pub fn save(self) -> Result<(), Error> {
        if self.writes.is_empty() {
            return Ok(());
        }
        Ok(self
            .capabilities
            .write(self.writes.into_values().collect())?)
    }
}
