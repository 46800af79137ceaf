//! The names known and the names missing, as storage holds them.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::Capabilities;
use crate::json::{self, Json, Read};
use crate::model::{Error, Subject};
use crate::state;

use super::{Kind, MISSING_PREFIX};

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

/// What a call knows of one key: nothing yet, or what storage holds or will hold.
#[derive(Clone, Debug)]
struct Slot {
    name: Option<Option<KnownName>>,
    missing: Option<Option<Missing>>,
    is_name_changed: bool,
    is_missing_changed: bool,
    unknown_until: Option<Timestamp>,
}

const EMPTY_SLOT: Slot = Slot {
    name: None,
    missing: None,
    is_name_changed: false,
    is_missing_changed: false,
    unknown_until: None,
};

/// The cache during one call: reads each key once, and writes nothing before `save`.
pub(crate) struct NameCache<'a> {
    capabilities: &'a dyn Capabilities,
    slots: BTreeMap<(Kind, u64), Slot>,
}

impl<'a> NameCache<'a> {
    pub fn new(capabilities: &'a dyn Capabilities) -> Self {
        Self {
            capabilities,
            slots: BTreeMap::new(),
        }
    }

    fn slot(&mut self, kind: Kind, id: u64) -> &mut Slot {
        self.slots.entry((kind, id)).or_insert(EMPTY_SLOT)
    }

    /// The name, if it is known.
    pub fn get(&mut self, kind: Kind, id: u64) -> Result<Option<&KnownName>, Error> {
        let capabilities = self.capabilities;
        let slot = self.slot(kind, id);
        let name = match slot.name.take() {
            Some(name) => name,
            None => state::recall(capabilities, &kind.key(id))?,
        };
        Ok(slot.name.insert(name).as_ref())
    }

    /// Takes a name in unless a newer one is known; whether it was taken in. It is missing no longer.
    pub fn learn(&mut self, kind: Kind, id: u64, name: KnownName) -> Result<bool, Error> {
        let known = self.get(kind, id)?;
        if known.is_some_and(|known| known.revision >= name.revision) {
            return Ok(false);
        }
        let slot = self.slot(kind, id);
        slot.name = Some(Some(name));
        slot.is_name_changed = true;
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
        let capabilities = self.capabilities;
        let slot = self.slot(kind, id);
        let missing = match slot.missing {
            Some(missing) => missing,
            None => state::recall(capabilities, &kind.missing_key(id))?,
        };
        slot.is_missing_changed |= missing.is_none();
        let missing = missing.unwrap_or(Missing {
            project,
            unknown: false,
        });
        slot.missing = Some(Some(missing));
        Ok(!missing.unknown)
    }

    /// Notes that a name need not be looked for.
    pub fn note_found(&mut self, kind: Kind, id: u64) {
        let slot = self.slot(kind, id);
        slot.missing = Some(None);
        slot.is_missing_changed = true;
    }

    /// Notes that Toggl does not know a name, until it is worth asking again.
    pub fn note_unknown(&mut self, kind: Kind, id: u64, until: Timestamp) {
        let slot = self.slot(kind, id);
        slot.missing = Some(Some(Missing {
            project: None,
            unknown: true,
        }));
        slot.is_missing_changed = true;
        slot.unknown_until = Some(until);
    }

    /// Takes in what storage says is missing.
    pub fn load_missing(&mut self, limit: u32) -> Result<(), Error> {
        for entry in self.capabilities.list(MISSING_PREFIX, None, limit)? {
            let subject = entry
                .key
                .strip_prefix(MISSING_PREFIX)
                .and_then(Kind::parse_key);
            if let (Some((kind, id)), Some(missing)) = (subject, json::read(&entry.value)) {
                let slot = self.slot(kind, id);
                slot.missing.get_or_insert(Some(missing));
            }
        }
        Ok(())
    }

    /// What can be looked for, of one kind: ids, and the project where it is known.
    pub fn wanted(&self, kind: Kind) -> Vec<(u64, Option<u64>)> {
        let mut wanted = Vec::new();
        for ((_, id), slot) in self.slots.range((kind, 0)..=(kind, u64::MAX)) {
            if let Some(Some(missing)) = slot.missing
                && !missing.unknown
            {
                wanted.push((*id, missing.project));
            }
        }
        wanted
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
                if let (Some((kind, id)), Some(name)) =
                    (Kind::parse_key(&entry.key), json::read(&entry.value))
                {
                    self.slot(kind, id).name.get_or_insert(Some(name));
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

    /// Writes what was learnt and noted.
    pub fn save(self) -> Result<(), Error> {
        let mut writes = Vec::new();
        for ((kind, id), slot) in self.slots {
            if slot.is_name_changed
                && let Some(Some(name)) = slot.name
            {
                writes.push(state::put(kind.key(id), &name)?);
            }
            if slot.is_missing_changed {
                writes.push(match slot.missing {
                    Some(Some(missing)) => {
                        state::put_until(kind.missing_key(id), &missing, slot.unknown_until)?
                    }
                    _ => state::delete(kind.missing_key(id)),
                });
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        Ok(self.capabilities.write(writes)?)
    }
}
