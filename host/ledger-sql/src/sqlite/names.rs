//! The names in a summary, looked up.

use std::collections::HashMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::titles::Titles;
use crate::failure::Result;
use crate::values::Columns;
use integration_host_contract::id::{ConnectionId, RemoteUserId};
use integration_host_ledger::totals::Names;
use integration_host_ledger::{LedgerError, Person, SubjectName};

/// Looks names up, those of connections once.
pub(super) struct Lookup<'a> {
    database: &'a Database,
    titles: Titles<'a>,
    connections: HashMap<i64, ConnectionId>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(database: &'a Database, titles: Titles<'a>) -> Self {
        Self {
            database,
            titles,
            connections: HashMap::new(),
        }
    }
}

impl Lookup<'_> {
    fn find_connection(&mut self, number: i64) -> Result<ConnectionId> {
        if let Some(id) = self.connections.get(&number) {
            return Ok(id.clone());
        }
        let id: String = self
            .database
            .prepare_cached("SELECT id FROM connections WHERE number = ?1")?
            .query_row(params![number], |row| row.get(0))?;
        let id = ConnectionId::new(id);
        self.connections.insert(number, id.clone());
        Ok(id)
    }

    fn find_person(
        &mut self,
        connection: i64,
        remote_user: &str,
        user: Option<i64>,
    ) -> Result<Person> {
        let name = self
            .database
            .prepare_cached("SELECT name FROM members WHERE connection = ?1 AND remote_user = ?2")?
            .query_row(params![connection, remote_user], |row| row.get(0))
            .optional()?;
        let user = self
            .database
            .prepare_cached("SELECT id, name, email FROM users WHERE number = ?1")?
            .query_row(params![user], |row| Ok((row as &dyn Columns).user(0)))
            .optional()?
            .transpose()?;
        Ok(Person {
            connection_id: self.find_connection(connection)?,
            remote_user_id: RemoteUserId::new(remote_user),
            name,
            user: user.flatten(),
        })
    }
}

impl Names for Lookup<'_> {
    fn connection(&mut self, number: i64) -> Result<ConnectionId, LedgerError> {
        Ok(self.find_connection(number)?)
    }

    fn person(
        &mut self,
        connection: i64,
        remote_user: &str,
        user: Option<i64>,
    ) -> Result<Person, LedgerError> {
        Ok(self.find_person(connection, remote_user, user)?)
    }

    fn path(&mut self, connection: i64, subject: &str) -> Result<Vec<SubjectName>, LedgerError> {
        Ok(self.titles.path(connection, Some(subject))?)
    }
}
