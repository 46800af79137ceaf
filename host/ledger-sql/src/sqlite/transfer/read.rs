//! Telling what a ledger holds.

use rusqlite::{Connection as Database, Params, Row, params};

use super::Result;
use crate::sqlite::{
    activities, connections, continuity, dead_letters, identity, log, rows, subjects, team,
};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::transfer::registers::{activity_registers, subject_registers};
use integration_host_ledger::transfer::{
    ExportActivity, ExportConnection, ExportDelivery, ExportEvent, ExportLedger, ExportMember,
    ExportRequest, ExportSubject, Record, RecordKind, id_after, number_after, page_of,
};
use integration_host_ledger::{Member, Page};

/// A record and the place to go on from.
type ExportRow = (String, Record);

pub(in crate::sqlite) fn page(
    database: &Database,
    kind: RecordKind,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Record>> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let told = match kind {
        RecordKind::Connection => connections(database, after, rows),
        RecordKind::Member => members(database, after, rows),
        RecordKind::Subject => subjects(database, after, rows),
        RecordKind::Activity => activities(database, after, rows),
        RecordKind::Delivery => deliveries(database, after, rows),
        RecordKind::Request => requests(database, after, limit),
        RecordKind::Event => events(database, after, rows),
        RecordKind::Ledger => return ledger(database),
    };
    Ok(page_of(told?, limit))
}

fn told(
    database: &Database,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut told = Vec::new();
    while let Some(row) = rows.next()? {
        told.push(read(row)?);
    }
    Ok(told)
}

fn connection_id(row: &Row<'_>, column: usize) -> Result<ConnectionId> {
    Ok(ConnectionId::new(row.get::<_, String>(column)?))
}

fn number(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(row.get::<_, i64>(column)?.to_string())
}

fn connections(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let sql = format!(
        "{}, {}, completed, number FROM connections WHERE number > ?1 ORDER BY number LIMIT ?2",
        connections::SELECT,
        continuity::COLUMNS
    );
    told(
        database,
        &sql,
        params![number_after(after)?, limit],
        |row| {
            let moved = ExportConnection {
                connection: connections::connection(row)?,
                was_active: row.get(34)?,
            };
            Ok((number(row, 35)?, Record::Connection(Box::new(moved))))
        },
    )
}

fn members(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let (connection, id) = id_after(after)?;
    let sql = format!(
        "SELECT {}, connection, (SELECT id FROM connections WHERE number = connection) FROM {}
         WHERE (connection, remote_user) > (?1, ?2) ORDER BY connection, remote_user LIMIT ?3",
        team::COLUMNS,
        team::TABLES
    );
    told(database, &sql, params![connection, id, limit], |row| {
        let member = Member {
            // Whatever was decided since.
            note: row.get(9)?,
            ..team::read(row)?
        };
        let place = format!("{}/{}", number(row, team::READ)?, member.remote_user.id);
        let moved = ExportMember {
            connection: connection_id(row, team::READ + 1)?,
            member,
        };
        Ok((place, Record::Member(Box::new(moved))))
    })
}

fn subjects(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let (connection, id) = id_after(after)?;
    let sql = "SELECT connections.number, connections.id, subjects.id,
             named_revision, subjects.name, named_parent, hint_revision, hint_parent
         FROM subjects CROSS JOIN connections ON connections.number = subjects.connection
         WHERE (subjects.connection, subjects.id) > (?1, ?2)
         ORDER BY subjects.connection, subjects.id LIMIT ?3";
    told(database, sql, params![connection, id, limit], |row| {
        let (named, hint) = subject_registers(subjects::known(row, 3)?);
        let moved = ExportSubject {
            connection: connection_id(row, 1)?,
            id: row.get(2)?,
            named,
            hint,
        };
        let place = format!("{}/{}", number(row, 0)?, moved.id);
        Ok((place, Record::Subject(moved)))
    })
}

fn activities(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let sql = "SELECT change, content_revision, remote_user, subject, description, start, stop, billable, tags,
             content_event, deleted_revision, deleted_event, connections.id, entry_id, users.id, users.name, users.email
         FROM activities CROSS JOIN connections ON connections.number = activities.connection
             LEFT JOIN users ON users.number = activities.user AND activities.user IS NOT (
                 SELECT members.user FROM members
                 WHERE members.connection = activities.connection AND members.remote_user = activities.remote_user)
         WHERE change > ?1 ORDER BY change LIMIT ?2";
    told(database, sql, params![number_after(after)?, limit], |row| {
        let (content, deletion) = activity_registers(activities::known(row)?)?;
        let moved = ExportActivity {
            connection: connection_id(row, 12)?,
            id: row.get(13)?,
            place: rows::to_u64(row, 0)?,
            content,
            deletion,
            user: rows::user(row, 14)?,
        };
        Ok((number(row, 0)?, Record::Activity(Box::new(moved))))
    })
}

fn deliveries(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let sql = format!(
        "{} WHERE deliveries.number > ?1 ORDER BY deliveries.number LIMIT ?2",
        log::SELECT
    );
    told(
        database,
        &sql,
        params![number_after(after)?, limit],
        |row| {
            let delivery = log::delivery(row)?;
            let moved = ExportDelivery {
                connection: delivery.connection_id,
                record: delivery.record,
                attempts: delivery.attempts,
                digest: row.get(12)?,
            };
            Ok((number(row, 0)?, Record::Delivery(Box::new(moved))))
        },
    )
}

fn requests(database: &Database, after: Option<&str>, limit: usize) -> Result<Vec<ExportRow>> {
    let after = u64::try_from(number_after(after)?).unwrap_or_default();
    let found = dead_letters::page(database, after, limit)?;
    let told = found.into_iter().map(|letter| {
        let moved = ExportRequest {
            connection: letter.connection_id,
            delivery: letter.delivery_id,
            sealed: letter.sealed,
        };
        (letter.place.to_string(), Record::Request(moved))
    });
    Ok(told.collect())
}

fn events(database: &Database, after: Option<&str>, limit: i64) -> Result<Vec<ExportRow>> {
    let sql = "SELECT connection_events.number, at, kind, message, connections.id
         FROM connection_events CROSS JOIN connections ON connections.number = connection
         WHERE connection_events.number > ?1 ORDER BY connection_events.number LIMIT ?2";
    told(database, sql, params![number_after(after)?, limit], |row| {
        let moved = ExportEvent {
            connection: connection_id(row, 4)?,
            event: continuity::event(row)?,
        };
        Ok((number(row, 0)?, Record::Event(moved)))
    })
}

fn ledger(database: &Database) -> Result<Page<Record>> {
    let moved = ExportLedger {
        id: Some(identity::read(database)?.id),
        last_change: crate::sqlite::listing::last_change(database)?,
        heartbeat: continuity::last_heartbeat(database)?,
    };
    Ok(Page {
        items: vec![Record::Ledger(moved)],
        next: None,
    })
}
