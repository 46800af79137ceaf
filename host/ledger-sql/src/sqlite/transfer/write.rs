//! Taking over what another ledger held.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection as Database, params};

use super::Result;
use crate::sqlite::spreading::Budget;
use crate::sqlite::{
    activities, connection_number, connections, continuity, identity, members, subjects,
};
use integration_host_contract::User;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::LedgerError;
use integration_host_ledger::matching::Held;
use integration_host_ledger::transfer::registers::{known_activity, known_subject};
use integration_host_ledger::transfer::{
    ExportActivity, ExportConnection, ExportDelivery, ExportEvent, ExportLedger, ExportMember,
    ExportRequest, ExportSubject, Record, doubled,
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
            members::recount(self.database, connection)?;
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

    /// For what an import and everybody else store in one way, as changes of what may be there.
    fn ensure_new(&self, table: &str, column: &str, connection: i64, id: &str) -> Result<()> {
        let sql = format!("SELECT 1 FROM {table} WHERE connection = ?1 AND {column} = ?2");
        let mut found = self.database.prepare_cached(&sql)?;
        match found.exists(params![connection, id])? {
            true => Err(doubled().into()),
            false => Ok(()),
        }
    }

    fn connection(&self, moved: &ExportConnection) -> Result<()> {
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

    fn member(&mut self, moved: &ExportMember) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let member = &moved.member;
        let id = member.remote_user.id.as_str();
        self.ensure_new("members", "remote_user", connection, id)?;
        let number = |user: &Option<User>| {
            let user = user.as_ref();
            user.map(|user| members::user_number(self.database, user, &mut Budget::new()))
                .transpose()
        };
        let held = Held {
            user: number(&member.user)?,
            matched_by: member.matched_by,
            unconfirmed: member.unconfirmed,
            claimed_by: number(&member.claimed_by)?,
            earlier_user: number(&member.earlier_user)?,
        };
        members::put(
            self.database,
            connection,
            &member.remote_user,
            member.present,
            &held,
            member.note.as_deref(),
        )?;
        self.teams.insert(connection);
        Ok(())
    }

    fn subject(&mut self, moved: ExportSubject) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        self.ensure_new("subjects", "id", connection, &moved.id)?;
        let known = known_subject(moved.named, moved.hint);
        subjects::put(self.database, connection, &moved.id, &known)
    }

    fn activity(&mut self, moved: ExportActivity) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let known = known_activity(moved.content, moved.deletion);
        let place = signed(moved.place);
        activities::insert(self.database, connection, &moved.id, &known, place)?;
        if let Some(user) = &moved.user {
            let user = members::user_number(self.database, user, &mut Budget::new())?;
            self.database
                .prepare_cached(
                    "UPDATE activities SET user = ?3 WHERE connection = ?1 AND entry_id = ?2",
                )?
                .execute(params![connection, moved.id, user])?;
        }
        Ok(())
    }

    fn delivery(&mut self, moved: &ExportDelivery) -> Result<()> {
        let connection = self.number(&moved.connection)?;
        let record = &moved.record;
        self.database
            .prepare_cached(
                "INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail,
                     size_bytes, attempts, digest)
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
    }

    fn request(&mut self, moved: &ExportRequest) -> Result<()> {
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
            ))
            .into());
        }
        Ok(())
    }

    fn event(&mut self, moved: &ExportEvent) -> Result<()> {
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

    fn ledger(&self, moved: &ExportLedger) -> Result<()> {
        if let Some(id) = &moved.id {
            identity::take_over(self.database, id)?;
        }
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
