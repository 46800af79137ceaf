//! Telling what a ledger holds.

use crate::activities::{REGISTERS, SUBJECT_REGISTERS, registers, subject_registers};
use crate::backend::{Backend, rows};
use crate::failure::Result;
use crate::values::{Columns, values};
use crate::{connections, coverage, delivery_log, feed, identity, teams};
use integration_host_ledger::transfer::registers as exported;
use integration_host_ledger::transfer::{
    ExportActivity, ExportConnection, ExportDelivery, ExportEvent, ExportLedger, ExportMember,
    ExportRequest, ExportSubject, Record, RecordKind, id_after, number_after, page_of,
};
use integration_host_ledger::{Member, Page};

/// A record and the place to go on from.
type ExportRow = (String, Record);

pub async fn page(
    db: &dyn Backend,
    kind: RecordKind,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Record>> {
    let (user, join) = (db.dialect().user, db.dialect().join);
    let told = match kind {
        RecordKind::Connection => {
            let sql = format!(
                "{}, {}, completed, number FROM connections WHERE number > $1 ORDER BY number LIMIT $2",
                connections::SELECT,
                coverage::COLUMNS
            );
            by_number(db, &sql, after, limit, connection).await
        }
        RecordKind::Member => {
            let sql = format!(
                "SELECT {}, connection, (SELECT id FROM connections WHERE number = connection) FROM {}
                 WHERE (connection, remote_user) > ($1, $2) ORDER BY connection, remote_user LIMIT $3",
                teams::COLUMNS,
                teams::tables(db)
            );
            by_id(db, &sql, after, limit, member).await
        }
        RecordKind::Subject => {
            let sql = format!(
                "SELECT connection, subjects.id, (SELECT id FROM connections WHERE number = connection),
                     {SUBJECT_REGISTERS}
                 FROM subjects WHERE (connection, subjects.id) > ($1, $2)
                 ORDER BY connection, subjects.id LIMIT $3"
            );
            by_id(db, &sql, after, limit, subject).await
        }
        RecordKind::Activity => {
            let sql = format!(
                "SELECT change, entry_id, connections.id, users.id, users.name, users.email, {REGISTERS}
                 FROM activities {join} connections ON connections.number = activities.connection
                     LEFT JOIN users ON users.number = activities.{user}
                         AND activities.{user} IS DISTINCT FROM (
                             SELECT members.{user} FROM members
                             WHERE members.connection = activities.connection
                                 AND members.remote_user = activities.remote_user)
                 WHERE change > $1 ORDER BY change LIMIT $2"
            );
            by_number(db, &sql, after, limit, activity).await
        }
        RecordKind::Delivery => {
            let sql = format!(
                "{} WHERE deliveries.number > $1 ORDER BY deliveries.number LIMIT $2",
                delivery_log::select(db)
            );
            by_number(db, &sql, after, limit, delivery).await
        }
        RecordKind::Request => requests(db, after, limit).await,
        RecordKind::Event => {
            let sql = format!(
                "SELECT connection_events.number, at, kind, message, connections.id
                 FROM connection_events {join} connections ON connections.number = connection
                 WHERE connection_events.number > $1 ORDER BY connection_events.number LIMIT $2"
            );
            by_number(db, &sql, after, limit, event).await
        }
        RecordKind::Ledger => return ledger(db).await,
    };
    Ok(page_of(told?, limit))
}

async fn by_number(
    db: &dyn Backend,
    sql: &str,
    after: Option<&str>,
    limit: usize,
    read: fn(&dyn Columns) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    rows(db, sql, values![number_after(after)?, limit], read).await
}

async fn by_id(
    db: &dyn Backend,
    sql: &str,
    after: Option<&str>,
    limit: usize,
    read: fn(&dyn Columns) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    let (connection, id) = id_after(after)?;
    rows(db, sql, values![connection, &id, limit], read).await
}

fn number(row: &dyn Columns, column: usize) -> Result<String> {
    Ok(row.get::<i64>(column)?.to_string())
}

fn connection(row: &dyn Columns) -> Result<ExportRow> {
    let moved = ExportConnection {
        connection: connections::connection(row)?,
        was_active: row.get(34)?,
    };
    Ok((number(row, 35)?, Record::Connection(Box::new(moved))))
}

fn member(row: &dyn Columns) -> Result<ExportRow> {
    let member = Member {
        // Whatever was decided since.
        note: row.get(9)?,
        ..teams::member(row)?
    };
    let place = format!("{}/{}", number(row, teams::READ)?, member.remote_user.id);
    let moved = ExportMember {
        connection: row.get(teams::READ + 1)?,
        member,
    };
    Ok((place, Record::Member(Box::new(moved))))
}

fn subject(row: &dyn Columns) -> Result<ExportRow> {
    let (named, hint) = exported::subject_registers(subject_registers(row, 3)?);
    let moved = ExportSubject {
        connection: row.get(2)?,
        id: row.get(1)?,
        named,
        hint,
    };
    let place = format!("{}/{}", number(row, 0)?, moved.id);
    Ok((place, Record::Subject(moved)))
}

fn activity(row: &dyn Columns) -> Result<ExportRow> {
    let (content, deletion) = exported::activity_registers(registers(row, 6)?)?;
    let moved = ExportActivity {
        connection: row.get(2)?,
        id: row.get(1)?,
        place: row.get(0)?,
        content,
        deletion,
        user: row.user(3)?,
    };
    Ok((number(row, 0)?, Record::Activity(Box::new(moved))))
}

fn delivery(row: &dyn Columns) -> Result<ExportRow> {
    let delivery = delivery_log::delivery(row)?;
    let moved = ExportDelivery {
        connection: delivery.connection_id,
        record: delivery.record,
        attempts: delivery.attempts,
        digest: row.get(12)?,
    };
    Ok((number(row, 0)?, Record::Delivery(Box::new(moved))))
}

fn event(row: &dyn Columns) -> Result<ExportRow> {
    let moved = ExportEvent {
        connection: row.get(4)?,
        event: coverage::event(row)?,
    };
    Ok((number(row, 0)?, Record::Event(moved)))
}

async fn requests(db: &dyn Backend, after: Option<&str>, limit: usize) -> Result<Vec<ExportRow>> {
    let after = u64::try_from(number_after(after)?).unwrap_or_default();
    let found = delivery_log::dead_letters(db, after, limit).await?;
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

async fn ledger(db: &dyn Backend) -> Result<Page<Record>> {
    let moved = ExportLedger {
        id: Some(identity::id(db).await?),
        last_change: feed::last(db).await?,
        heartbeat: coverage::last_heartbeat(db).await?,
    };
    Ok(Page {
        items: vec![Record::Ledger(moved)],
        next: None,
    })
}
