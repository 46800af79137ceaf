//! Telling what a ledger holds.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::Result;
use crate::postgres::values::{get, to_u64, user};
use crate::postgres::{
    activities, connections, coverage, dead_letters, feed, identity, log, subjects, team,
};
use integration_host_contract::id::ConnectionId;
use integration_host_database::postgres::{Parameters, rows};
use integration_host_ledger::transfer::registers::{activity_registers, subject_registers};
use integration_host_ledger::transfer::{
    ExportActivity, ExportConnection, ExportDelivery, ExportEvent, ExportLedger, ExportMember,
    ExportRequest, ExportSubject, Record, RecordKind, id_after, number_after, page_of,
};
use integration_host_ledger::{Member, Page};

/// A record and the place to go on from.
type ExportRow = (String, Record);

pub(super) async fn page(
    client: &impl GenericClient,
    kind: RecordKind,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Record>> {
    let told = match kind {
        RecordKind::Connection => {
            let sql = format!(
                "{}, {}, completed, number FROM connections WHERE number > $1 ORDER BY number LIMIT $2",
                connections::SELECT,
                coverage::COLUMNS
            );
            by_number(client, &sql, after, limit, connection).await
        }
        RecordKind::Member => {
            let sql = format!(
                "SELECT {}, connection, (SELECT id FROM connections WHERE number = connection) FROM {}
                 WHERE (connection, remote_user) > ($1, $2) ORDER BY connection, remote_user LIMIT $3",
                team::COLUMNS,
                team::TABLES
            );
            by_id(client, &sql, after, limit, member).await
        }
        RecordKind::Subject => {
            let sql = "SELECT connection, subjects.id, named_revision, name, named_parent, hint_revision, hint_parent,
                     (SELECT id FROM connections WHERE number = connection)
                 FROM subjects WHERE (connection, subjects.id) > ($1, $2)
                 ORDER BY connection, subjects.id LIMIT $3";
            by_id(client, sql, after, limit, subject).await
        }
        RecordKind::Activity => {
            let sql = "SELECT change, entry_id, content_revision, remote_user, subject, description, start, stop,
                     billable, tags, content_event, deleted_revision, deleted_event, connections.id,
                     users.id, users.name, users.email
                 FROM activities JOIN connections ON connections.number = activities.connection
                     LEFT JOIN users ON users.number = activities.user_number
                         AND activities.user_number IS DISTINCT FROM (
                             SELECT members.user_number FROM members
                             WHERE members.connection = activities.connection
                                 AND members.remote_user = activities.remote_user)
                 WHERE change > $1 ORDER BY change LIMIT $2";
            by_number(client, sql, after, limit, activity).await
        }
        RecordKind::Delivery => {
            let sql = format!(
                "{} WHERE deliveries.number > $1 ORDER BY deliveries.number LIMIT $2",
                log::SELECT
            );
            by_number(client, &sql, after, limit, delivery).await
        }
        RecordKind::Request => requests(client, after, limit).await,
        RecordKind::Event => {
            let sql = "SELECT connection_events.number, at, kind, message, connections.id
                 FROM connection_events JOIN connections ON connections.number = connection
                 WHERE connection_events.number > $1 ORDER BY connection_events.number LIMIT $2";
            by_number(client, sql, after, limit, event).await
        }
        RecordKind::Ledger => return ledger(client).await,
    };
    Ok(page_of(told?, limit))
}

async fn by_number(
    client: &impl GenericClient,
    sql: &str,
    after: Option<&str>,
    limit: usize,
    read: fn(&Row) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    let after = number_after(after)?;
    told(client, sql, &[&after, &bound(limit)], read).await
}

async fn by_id(
    client: &impl GenericClient,
    sql: &str,
    after: Option<&str>,
    limit: usize,
    read: fn(&Row) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    let (connection, id) = id_after(after)?;
    told(client, sql, &[&connection, &id, &bound(limit)], read).await
}

async fn told(
    client: &impl GenericClient,
    sql: &str,
    parameters: Parameters<'_>,
    read: fn(&Row) -> Result<ExportRow>,
) -> Result<Vec<ExportRow>> {
    rows(client, sql, parameters)
        .await?
        .iter()
        .map(read)
        .collect()
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn connection_id(row: &Row, column: usize) -> Result<ConnectionId> {
    Ok(ConnectionId::new(get::<String>(row, column)?))
}

fn number(row: &Row, column: usize) -> Result<String> {
    Ok(get::<i64>(row, column)?.to_string())
}

fn connection(row: &Row) -> Result<ExportRow> {
    let moved = ExportConnection {
        connection: connections::read(row)?,
        was_active: get(row, 34)?,
    };
    Ok((number(row, 35)?, Record::Connection(Box::new(moved))))
}

fn member(row: &Row) -> Result<ExportRow> {
    let member = Member {
        // Whatever was decided since.
        note: get(row, 9)?,
        ..team::read(row)?
    };
    let place = format!("{}/{}", number(row, team::READ)?, member.remote_user.id);
    let moved = ExportMember {
        connection: connection_id(row, team::READ + 1)?,
        member,
    };
    Ok((place, Record::Member(Box::new(moved))))
}

fn subject(row: &Row) -> Result<ExportRow> {
    let (named, hint) = subject_registers(subjects::known(row)?);
    let moved = ExportSubject {
        connection: connection_id(row, 7)?,
        id: get(row, 1)?,
        named,
        hint,
    };
    let place = format!("{}/{}", number(row, 0)?, moved.id);
    Ok((place, Record::Subject(moved)))
}

fn activity(row: &Row) -> Result<ExportRow> {
    let (content, deletion) = activity_registers(activities::known(row)?)?;
    let moved = ExportActivity {
        connection: connection_id(row, 13)?,
        id: get(row, 1)?,
        place: to_u64(row, 0)?,
        content,
        deletion,
        user: user(row, 14)?,
    };
    Ok((number(row, 0)?, Record::Activity(Box::new(moved))))
}

fn delivery(row: &Row) -> Result<ExportRow> {
    let delivery = log::delivery(row)?;
    let moved = ExportDelivery {
        connection: delivery.connection_id,
        record: delivery.record,
        attempts: delivery.attempts,
        digest: get(row, 12)?,
    };
    Ok((number(row, 0)?, Record::Delivery(Box::new(moved))))
}

fn event(row: &Row) -> Result<ExportRow> {
    let moved = ExportEvent {
        connection: connection_id(row, 4)?,
        event: coverage::event(row)?,
    };
    Ok((number(row, 0)?, Record::Event(moved)))
}

async fn requests(
    client: &impl GenericClient,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ExportRow>> {
    let after = u64::try_from(number_after(after)?).unwrap_or_default();
    let found = dead_letters::page(client, after, limit).await?;
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

async fn ledger(client: &impl GenericClient) -> Result<Page<Record>> {
    let moved = ExportLedger {
        id: Some(identity::id(client).await?),
        last_change: feed::last(client).await?,
        heartbeat: coverage::last_heartbeat(client).await?,
    };
    Ok(Page {
        items: vec![Record::Ledger(moved)],
        next: None,
    })
}
