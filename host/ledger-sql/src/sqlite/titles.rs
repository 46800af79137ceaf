//! The subjects of titles, looked up.

use std::collections::HashMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::Result;
use integration_host_ledger::SubjectName;
use integration_host_ledger::titles::{Node, path};

/// Looks every subject up once, for one page of activities.
pub(super) struct Titles<'a> {
    database: &'a Database,
    /// By connection and id.
    subjects: HashMap<i64, HashMap<String, Node>>,
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
        path(subject, |id| self.node(connection, id))
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
                Ok(Node::new(row.get(0)?, row.get(1)?))
            })
            .optional()?
            .unwrap_or_default();
        subjects.insert(id.to_owned(), node.clone());
        Ok(node)
    }
}
