//! Titles: the names of a subject and of what is above it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use super::SubjectName;
use super::merge::subject::MAX_DEPTH;
use integration_host_contract::id::SubjectId;

/// What a title needs to know of a subject.
#[derive(Clone, Default)]
pub struct Node {
    /// Its name, unless that is blank.
    name: Option<String>,
    /// What it is below.
    parent: Option<String>,
}

impl Node {
    /// A subject with this name below this parent. A blank name is none.
    pub fn new(name: Option<String>, parent: Option<String>) -> Self {
        Self {
            name: name.filter(|name| !name.trim().is_empty()),
            parent,
        }
    }

    /// What it is below.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }
}

/// Subjects with everything above them, by connection and id.
#[derive(Default)]
pub struct Paths {
    nodes: HashMap<i64, HashMap<String, Node>>,
    /// Those that were read with everything above them.
    read: HashSet<(i64, String)>,
}

impl Paths {
    /// Takes note of a subject; one that nothing is known of is [`Node::default`].
    pub fn insert(&mut self, connection: i64, id: &str, node: Node) {
        let subjects = self.nodes.entry(connection).or_default();
        subjects.insert(id.to_owned(), node);
    }

    /// What is known of a subject; `None`: nobody has looked.
    pub fn get(&self, connection: i64, id: &str) -> Option<&Node> {
        self.nodes.get(&connection)?.get(id)
    }

    /// Those of some subjects that were not read with everything above them yet, each once. Whoever asks reads them.
    pub fn to_be_read<'a>(&mut self, subjects: &'a [(i64, String)]) -> Vec<(i64, &'a str)> {
        (subjects.iter())
            .filter(|subject| self.read.insert((*subject).clone()))
            .map(|(connection, id)| (*connection, id.as_str()))
            .collect()
    }

    /// A subject that was read with what is above it, outermost first.
    pub fn path(&self, connection: i64, subject: Option<&str>) -> Vec<SubjectName> {
        let Ok(path) = path::<Infallible>(subject, |id| {
            Ok(self.get(connection, id).cloned().unwrap_or_default())
        });
        path
    }
}

/// A subject after what is above it, outermost first. `node` looks a subject up; one that nothing is known
/// of is [`Node::default`].
pub fn path<E>(
    subject: Option<&str>,
    mut node: impl FnMut(&str) -> Result<Node, E>,
) -> Result<Vec<SubjectName>, E> {
    let mut path: Vec<SubjectName> = Vec::new();
    let mut next = subject.map(str::to_owned);
    while let Some(id) = next
        .take_if(|id| path.len() < MAX_DEPTH && path.iter().all(|passed| passed.id.as_str() != id))
    {
        let Node { name, parent } = node(&id)?;
        next = parent;
        path.push(SubjectName {
            id: SubjectId::new(id),
            name,
        });
    }
    path.reverse();
    Ok(path)
}

/// The names above an activity, outermost first, then its description. What is unknown or blank is left out.
pub fn title(path: &[SubjectName], description: Option<String>) -> Vec<String> {
    let names = path.iter().filter_map(|subject| subject.name.clone());
    let description = description.filter(|text| !text.trim().is_empty());
    names.chain(description).collect()
}
