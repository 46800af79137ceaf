//! Titles: the names of a subject and of what is above it.

use std::collections::HashMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::Result;
use super::subjects::MAX_DEPTH;

/// Composes titles for one page of activities and looks every subject up once.
pub(super) struct Titles<'a> {
    database: &'a Database,
    /// Name and parent, by connection and id.
    subjects: HashMap<(i64, String), Node>,
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

    /// The names above an activity, outermost first, then its description. What is unknown or blank
    /// is left out.
    pub(super) fn compose(
        &mut self,
        connection: i64,
        subject: Option<String>,
        description: Option<String>,
    ) -> Result<Vec<String>> {
        let mut title: Vec<String> = description.into_iter().collect();
        let mut next = subject;
        let mut passed: Vec<String> = Vec::new();
        while let Some(id) = next.take_if(|id| passed.len() < MAX_DEPTH && !passed.contains(id)) {
            let node = self.node(connection, &id)?;
            title.extend(node.name);
            next = node.parent;
            passed.push(id);
        }
        title.retain(|part| !part.trim().is_empty());
        title.reverse();
        Ok(title)
    }

    fn node(&mut self, connection: i64, id: &str) -> Result<Node> {
        let key = (connection, id.to_owned());
        if let Some(node) = self.subjects.get(&key) {
            return Ok(node.clone());
        }
        let node = self
            .database
            .prepare_cached("SELECT name, parent FROM subjects WHERE connection = ?1 AND id = ?2")?
            .query_row(params![connection, id], |row| {
                Ok(Node {
                    name: row.get(0)?,
                    parent: row.get(1)?,
                })
            })
            .optional()?
            .unwrap_or_default();
        self.subjects.insert(key, node.clone());
        Ok(node)
    }
}
