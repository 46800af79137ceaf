//! Titles: the names of a subject and of what is above it.

use std::collections::HashMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::Result;
use super::subjects::MAX_DEPTH;
use crate::id::SubjectId;
use crate::ledger::SubjectName;

/// Composes titles for one page of activities and looks every subject up once.
pub(super) struct Titles<'a> {
    database: &'a Database,
    /// Name and parent, by connection and id.
    subjects: HashMap<i64, HashMap<String, Node>>,
}

#[derive(Clone, Default)]
struct Node {
    name: Option<String>,
    parent: Option<String>,
}

impl<'a> Titles<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Self {
            database,
            subjects: HashMap::new(),
        }
    }

    /// A subject after what is above it, outermost first.
    pub(super) fn path(
        &mut self,
        connection: i64,
        subject: Option<&str>,
    ) -> Result<Vec<SubjectName>> {
        let mut path: Vec<SubjectName> = Vec::new();
        let mut next = subject.map(str::to_owned);
        while let Some(id) = next.take_if(|id| {
            path.len() < MAX_DEPTH && path.iter().all(|passed| passed.id.as_str() != id)
        }) {
            let node = self.node(connection, &id)?;
            next = node.parent;
            path.push(SubjectName {
                id: SubjectId::new(id),
                name: node.name,
            });
        }
        path.reverse();
        Ok(path)
    }

    fn node(&mut self, connection: i64, id: &str) -> Result<Node> {
        let subjects = self.subjects.entry(connection).or_default();
        if let Some(node) = subjects.get(id) {
            return Ok(node.clone());
        }
        let node = self
            .database
            .prepare_cached("SELECT name, parent FROM subjects WHERE connection = ?1 AND id = ?2")?
            .query_row(params![connection, id], |row| {
                let name: Option<String> = row.get(0)?;
                Ok(Node {
                    name: name.filter(|name| !name.trim().is_empty()),
                    parent: row.get(1)?,
                })
            })
            .optional()?
            .unwrap_or_default();
        subjects.insert(id.to_owned(), node.clone());
        Ok(node)
    }
}

/// The names above an activity, outermost first, then its description. What is unknown or blank is left out.
pub(super) fn title(path: &[SubjectName], description: Option<String>) -> Vec<String> {
    let names = path.iter().filter_map(|subject| subject.name.clone());
    let description = description.filter(|text| !text.trim().is_empty());
    names.chain(description).collect()
}
