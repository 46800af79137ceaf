//! Taking over what another ledger held.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection as Database, params};

use super::Result;
use crate::id::ConnectionId;
use crate::ledger::LedgerError;
use crate::ledger::sqlite::members::Mapping;
use crate::ledger::sqlite::{
    activities, connection_number, connections, continuity, members, subjects,
};
use crate::ledger::transfer::registers::{known_activity, known_subject};
use crate::ledger::transfer::{
    MovedActivity, MovedConnection, MovedDelivery, MovedEvent, MovedLedger, MovedMember,
    MovedRequest, MovedSubject, Record,
};

/// Takes over records in one transaction.
pub(super) struct Writer<'a> {
    database: &'a Database,
    /// The numbers of connections that were looked up.
    numbers: HashMap<ConnectionId, i64>,
    /// Connections whose teams have grown.
    teams: BTreeSet<i64>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        Self {
            database,
            numbers: HashMap::new(),
            teams: BTreeSet::new(),
        }
    }

    pub(super) fn write(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Connection(moved) => self.connection(&moved),
            Record::Member(moved) => self.member(&moved),
            Record::Subject(moved) => self.subject(moved),
            Record::Activity(moved) => self.activity(*moved),
            Record::Delivery(moved) => self.delivery(&moved),
            Record::Request(moved) => self.request(&moved),
            Record::Event(moved) => self.event(&moved),
            Record::Ledger(moved) => self.ledger(&moved),
        }
    }

    /// Stores what follows from the records.
    pub(super) fn finish(self) -> Result<()> {
        for connection in self.teams {
            members::count(self.database, connection)?;
        }
        Ok(())
    }

    fn number(&mut self, connection: &ConnectionId) -> Result<i64> {
        if let Some(number) = self.numbers.get(connection) {
            return Ok(*number);
        }
        let number = connection_number(self.database, connection)?;
        self.numbers.insert(connection.clone(), number);
        Ok(number)
    }

    fn connection(&self, moved: &MovedConnection) -> Result<()> {
        let connection = &moved.connection;
        self.database
            .prepare_cached(
                "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook,
                     state, completed, created_at, updated_at, last_delivery_at)
                 VALUES (?1, '', ?2, ?3, '', '', '', ?4, ?5, ?6, ?7, ?7, ?8)",
            )?
            .execute(params![
                connection.id.as_str(),
                connection.integration,
                connection.scope_id.as_str(),
                connection.hook.as_str(),
                connection.state.as_str(),
                moved.was_active,
                connection.created_at.as_millisecond(),
                connection.last_delivery_at.map(|at| at.as_millisecond()),
            ])?;
        let number = self.database.last_insert_rowid();
        connections::store(self.database, connection)?;
        continuity::store(self.database, number, &connection.coverage)
    }

    fn member(&mut self, moved: &MovedMember) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let member = &moved.member;
        let user = member.user.as_ref();
        let user = user
            .map(|user| members::user_number(self.database, user))
            .transpose()?;
        let mapping = Mapping {
            user,
            matched_by: member.matched_by,
        };
        members::put(
            self.database,
            connection,
            &member.remote_user,
            member.present,
            &mapping,
            member.note.as_deref(),
        )?;
        self.teams.insert(connection);
        Ok(())
    }

    fn subject(&mut self, moved: MovedSubject) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let known = known_subject(moved.named, moved.hint);
        subjects::put(self.database, connection, &moved.id, &known)
    }

    fn activity(&mut self, moved: MovedActivity) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let known = known_activity(moved.content, moved.deletion);
        let place = signed(moved.place);
        activities::insert(self.database, connection, &moved.id, &known, place)
    }

    fn delivery(&mut self, moved: &MovedDelivery) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let record = &moved.record;
        self.database
            .prepare_cached(
                "INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail,
                     size_bytes, attempts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
            ])?;
        Ok(())
    }

    fn request(&mut self, moved: &MovedRequest) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let kept = self
            .database
            .prepare_cached(
                "INSERT INTO delivery_requests (delivery, sealed)
                 SELECT number, ?3 FROM deliveries WHERE id = ?1 AND connection = ?2",
            )?
            .execute(params![moved.delivery.as_str(), connection, moved.sealed])?;
        if kept == 0 {
            return Err(LedgerError::NotFound(format!(
                "there is no delivery {} of the connection {}",
                moved.delivery, moved.connection
            )));
        }
        Ok(())
    }

    fn event(&mut self, moved: &MovedEvent) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        self.database
            .prepare_cached(
                "INSERT INTO connection_events (connection, at, kind, message) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                connection,
                moved.event.at.as_millisecond(),
                moved.event.kind.as_str(),
                moved.event.message,
            ])?;
        Ok(())
    }

    fn ledger(&self, moved: &MovedLedger) -> Result<()> {
        self.database
            .prepare_cached("UPDATE ledger_changes SET last = max(last, ?1)")?
            .execute(params![signed(moved.last_change)])?;
        if let Some(at) = moved.heartbeat {
            continuity::heartbeat(self.database, at)?;
        }
        Ok(())
    }
}

/// A number as the database has it; what is greater than it can say becomes the greatest it can.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
