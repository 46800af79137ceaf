//! Titles: the names of a subject and of what is above it.

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
