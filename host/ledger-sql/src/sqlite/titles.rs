//! The subjects of titles, looked up one by one.

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use crate::failure::Result;
use integration_host_ledger::SubjectName;
use integration_host_ledger::titles::{Node, Paths, path};

/// Looks every subject up once, when it is asked for.
pub struct Titles<'a> {
    database: &'a Database,
    pub paths: Paths,
}

impl<'a> Titles<'a> {
    pub fn new(database: &'a Database) -> Self {
        Self {
            database,
            paths: Paths::default(),
        }
    }

    /// A subject after what is above it, outermost first.
    pub fn path(&mut self, connection: i64, subject: Option<&str>) -> Result<Vec<SubjectName>> {
        path(subject, |id| {
            node(self.database, &mut self.paths, connection, id)
        })
    }
}

/// Reads subjects with everything above them.
pub fn read(database: &Database, paths: &mut Paths, subjects: &[(i64, String)]) -> Result<()> {
    for (connection, subject) in subjects {
        path(Some(subject), |id| node(database, paths, *connection, id))?;
    }
    Ok(())
}

fn node(database: &Database, paths: &mut Paths, connection: i64, id: &str) -> Result<Node> {
    if let Some(node) = paths.get(connection, id) {
        return Ok(node.clone());
    }
    let node = database
        .prepare_cached("SELECT name, parent FROM subjects WHERE connection = ?1 AND id = ?2")?
        .query_row(params![connection, id], |row| {
            Ok(Node::new(row.get(0)?, row.get(1)?))
        })
        .optional()?
        .unwrap_or_default();
    paths.insert(connection, id, node.clone());
    Ok(node)
}
