//! Taking over what another ledger held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::params;

use crate::backend::connection_number;
use crate::coverage::insert_event;
use crate::failure::Result;
use crate::sqlite::connection::{Sqlite, finished};
use crate::sqlite::{activities, members, subjects};
use crate::teams::recount;
use crate::transfer::write::{
    insert_connection, insert_request, mentioned, stored_member, take_over_places,
};
use crate::values::signed;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::transfer::registers::{known_activity, known_subject};
use integration_host_ledger::transfer::{
    ExportActivity, ExportDelivery, ExportMember, ExportSubject, Record, doubled,
};

/// Takes over records in one transaction.
pub(super) struct Writer<'a> {
    sqlite: &'a Sqlite<'a>,
    /// The numbers of connections that were looked up.
    numbers: HashMap<ConnectionId, i64>,
    /// Connections whose teams have grown.
    teams: BTreeSet<i64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(sqlite: &'a Sqlite<'a>) -> Self {
        Self {
            sqlite,
            numbers: HashMap::new(),
            teams: BTreeSet::new(),
        }
    }

    pub(super) fn write(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Connection(moved) => finished(insert_connection(self.sqlite, &moved)),
            Record::Member(moved) => self.member(&moved),
            Record::Subject(moved) => self.subject(moved),
            Record::Activity(moved) => self.activity(*moved),
            Record::Delivery(moved) => self.delivery(&moved),
            Record::Request(moved) => {
                let connection = self.number(&moved.connection)?;
                finished(insert_request(self.sqlite, connection, &moved))
            }
            Record::Event(moved) => {
                let connection = self.number(&moved.connection)?;
                finished(insert_event(self.sqlite, connection, &moved.event))
            }
            Record::Ledger(moved) => finished(take_over_places(self.sqlite, &moved)),
        }
    }

    /// Stores what follows from the records.
    pub(super) fn finish(self) -> Result<()> {
        for connection in self.teams {
            finished(recount(self.sqlite, connection))?;
        }
        Ok(())
    }

    fn number(&mut self, connection: &ConnectionId) -> Result<i64> {
        if let Some(number) = self.numbers.get(connection) {
            return Ok(*number);
        }
        let number = finished(connection_number(self.sqlite, connection))?;
        self.numbers.insert(connection.clone(), number);
        Ok(number)
    }

    /// For what an import and everybody else store in one way, as changes of what may be there.
    fn ensure_new(&self, table: &str, column: &str, connection: i64, id: &str) -> Result<()> {
        let sql = format!("SELECT 1 FROM {table} WHERE connection = ?1 AND {column} = ?2");
        self.sqlite.with(|database| {
            let mut found = database.prepare_cached(&sql)?;
            match found.exists(params![connection, id])? {
                true => Err(doubled().into()),
                false => Ok(()),
            }
        })
    }

    fn member(&mut self, moved: &ExportMember) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let member = &moved.member;
        let id = member.remote_user.id.as_str();
        self.ensure_new("members", "remote_user", connection, id)?;
        self.sqlite.with(|database| {
            let users = members::number_users(database, &mentioned([moved]))?;
            let stored = stored_member(member, &users);
            members::put(database, connection, &[stored])
        })?;
        self.teams.insert(connection);
        Ok(())
    }

    fn subject(&mut self, moved: ExportSubject) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        self.ensure_new("subjects", "id", connection, &moved.id)?;
        let known = known_subject(moved.named, moved.hint);
        (self.sqlite).with(|database| subjects::put(database, connection, &moved.id, &known))
    }

    fn activity(&mut self, moved: ExportActivity) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let known = known_activity(moved.content, moved.deletion);
        let place = signed(moved.place);
        self.sqlite.with(|database| {
            activities::insert(database, connection, &moved.id, &known, place)?;
            let Some(user) = &moved.user else {
                return Ok(());
            };
            let users = BTreeMap::from([(user.id.as_str(), user)]);
            let user = members::number_users(database, &users)?.number(user);
            database
                .prepare_cached(
                    "UPDATE activities SET user = ?3 WHERE connection = ?1 AND entry_id = ?2",
                )?
                .execute(params![connection, moved.id, user])?;
            Ok(())
        })
    }

    fn delivery(&mut self, moved: &ExportDelivery) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let record = &moved.record;
        self.sqlite.with(|database| {
            database
                .prepare_cached(
                    "INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status,
                         detail, size_bytes, attempts, digest)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    record.id.as_str(),
                    connection,
                    record.received_at.as_millisecond(),
                    record.handled_at.as_millisecond(),
                    signed(record.elapsed_us),
                    record.event_id,
                    record.status.as_str(),
                    record.detail,
                    signed(record.size_bytes),
                    moved.attempts,
                    moved.digest,
                ])?;
            Ok(())
        })
    }
}
