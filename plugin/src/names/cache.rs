//! The names known and the names missing, as storage holds them.

use std::collections::BTreeMap;

use crate::time::Timestamp;
use serde::Serialize;

use crate::capability::Capabilities;
use crate::json::{self, Json, Read};
use crate::model::{Error, Subject};
use crate::state;

use super::{Kind, MISSING_PREFIX};

/// After how long a name that Toggl did not give is asked for again, the first times and later on.
const ASKED_AGAIN_AFTER_SECONDS: [i64; 4] = [10, 60, 600, 3600];
const MOST_SECONDS: i64 = 6 * 3600;

/// For how long it is remembered that a name was asked for in vain, counted from when it is worth asking again.
const REMEMBERED_SECONDS: i64 = 24 * 3600;

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
    /// How often Toggl was asked in vain: it does not know it, does not show it to this account, or had a list that was
    /// empty for a moment.
    pub asked: u32,
    /// When it is worth asking again. The key expires a while later.
    pub again_at_seconds: i64,
}

impl Missing {
    /// A clock that was ahead must not put that off for longer than anything is.
    fn is_wanted(&self, now: Timestamp) -> bool {
        let wait = self.again_at_seconds.saturating_sub(now.seconds());
        !(1..=MOST_SECONDS).contains(&wait)
    }

    /// The same, when Toggl was asked in vain once more.
    fn asked_in_vain(self, now: Timestamp) -> Self {
        let wait = ASKED_AGAIN_AFTER_SECONDS
            .get(self.asked as usize)
            .unwrap_or(&MOST_SECONDS);
        Self {
            asked: self.asked.saturating_add(1),
            again_at_seconds: now.after(*wait).seconds(),
            ..self
        }
    }
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
            asked: json.get("asked").count().unwrap_or_default(),
            again_at_seconds: json.get("again_at_seconds").integer().unwrap_or_default(),
        })
    }
}

/// What a time entry refers to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reference<'a> {
    pub task: Option<u64>,
    pub project: Option<u64>,
    /// Names that came with the entry, for when the cache has none, or another one.
    pub task_name: Option<&'a str>,
    pub project_name: Option<&'a str>,
    pub client_name: Option<&'a str>,
}

impl Reference<'_> {
    /// The id of the most specific thing it refers to.
    pub fn subject(&self) -> Option<String> {
        let task = self.task.map(|id| Kind::Task.key(id));
        task.or_else(|| self.project.map(|id| Kind::Project.key(id)))
    }

    /// Whether the entry came with a client where its project is known to have none, or the other way round.
    fn tells_of_another_client(&self, known: Option<u64>) -> bool {
        self.project_name.is_some() && self.client_name.is_some() != known.is_some()
    }
}

/// What a call knows of one key: nothing yet, or what storage holds or will hold.
#[derive(Clone, Debug)]
struct Slot {
    name: Option<Option<KnownName>>,
    missing: Option<Option<Missing>>,
    is_name_changed: bool,
    is_missing_changed: bool,
}

const EMPTY_SLOT: Slot = Slot {
    name: None,
    missing: None,
    is_name_changed: false,
    is_missing_changed: false,
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
        let known = self.missing(kind, id)?;
        let slot = self.slot(kind, id);
        slot.is_missing_changed |= known.is_none();
        let missing = known.unwrap_or(Missing {
            project,
            ..Missing::default()
        });
        slot.missing = Some(Some(missing));
        Ok(missing.is_wanted(self.capabilities.now()))
    }

    fn missing(&mut self, kind: Kind, id: u64) -> Result<Option<Missing>, Error> {
        match self.slot(kind, id).missing {
            Some(missing) => Ok(missing),
            None => state::recall(self.capabilities, &kind.missing_key(id)),
        }
    }

    /// Notes that a name need not be looked for.
    pub fn note_found(&mut self, kind: Kind, id: u64) {
        let slot = self.slot(kind, id);
        slot.missing = Some(None);
        slot.is_missing_changed = true;
    }

    /// Notes that Toggl was asked for a name in vain, and returns what is known of it then.
    pub fn note_unknown(&mut self, kind: Kind, id: u64) -> Result<Missing, Error> {
        let now = self.capabilities.now();
        let missing = self.missing(kind, id)?.unwrap_or_default();
        let missing = missing.asked_in_vain(now);
        let slot = self.slot(kind, id);
        slot.missing = Some(Some(missing));
        slot.is_missing_changed = true;
        Ok(missing)
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
        let now = self.capabilities.now();
        let mut wanted = Vec::new();
        for ((_, id), slot) in self.slots.range((kind, 0)..=(kind, u64::MAX)) {
            if let Some(Some(missing)) = slot.missing
                && missing.is_wanted(now)
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
    /// name among them could be looked for: one that is not known, or came with the entry as another. Handing on known
    /// ones every time heals a ledger that missed one.
    pub fn chain(&mut self, reference: Reference<'_>) -> Result<(Vec<Subject>, bool), Error> {
        let mut subjects = Vec::new();
        let mut names_missing = false;
        let mut next = match (reference.task, reference.project) {
            (Some(task), _) => Some((Kind::Task, task)),
            (None, Some(project)) => Some((Kind::Project, project)),
            (None, None) => None,
        };
        while let Some((kind, id)) = next {
            let (name, project) = match kind {
                Kind::Task => (reference.task_name, reference.project),
                Kind::Project => (reference.project_name, None),
                Kind::Client => (reference.client_name, None),
            };
            let name = name.filter(|name| !name.is_empty());
            let (subject, parent) = match self.get(kind, id)? {
                Some(known) => {
                    let (subject, parent) = (known.to_subject(kind, id), known.parent);
                    // It was changed and nobody said so, or what came with the entry is old: a look tells.
                    if name.is_some_and(|name| subject.name.as_deref() != Some(name)) {
                        names_missing |= self.note_missing(kind, id, project)?;
                        if let (Kind::Client, Some(project)) = (kind, reference.project) {
                            self.note_missing(Kind::Project, project, None)?;
                        }
                    }
                    if kind == Kind::Project && reference.tells_of_another_client(parent) {
                        names_missing |= self.note_missing(kind, id, None)?;
                    }
                    (subject, parent)
                }
                None => {
                    names_missing |= self.note_missing(kind, id, project)?;
                    let subject = Subject {
                        id: kind.key(id),
                        revision: String::new(),
                        name: name.map(str::to_owned),
                        parent: kind.parent().zip(project).map(|(kind, id)| kind.key(id)),
                    };
                    (subject, project)
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
                        let until = Timestamp::from_seconds(missing.again_at_seconds);
                        let until = (missing.asked > 0).then(|| until.after(REMEMBERED_SECONDS));
                        state::put_until(kind.missing_key(id), &missing, until)?
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
