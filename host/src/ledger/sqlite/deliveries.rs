//! The delivery log, bounded.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, connection_number, rows};
use crate::id::{ConnectionId, DeliveryId};
use crate::ledger::{Delivery, DeliveryRecord, DeliveryStatus, LedgerError, MAX_PAGE, Page};

/// The most deliveries the log keeps of one connection. Those that can be replayed go last.
pub const MAX_DELIVERIES: usize = 10_000;
/// The most requests of failed deliveries that are kept for replay, over all connections.
pub const MAX_REQUESTS: usize = 1_000;
/// The most bytes these requests may have together.
pub const MAX_REQUEST_BYTES: usize = 64 << 20;

/// How many more than necessary are removed at once, so that it happens rarely.
const PRUNED_AT_ONCE: i64 = 100;

pub(super) fn record(database: &Database, connection: i64, record: &DeliveryRecord) -> Result<()> {
    let received_at = record.received_at.as_millisecond();
    let number: Option<i64> = database
        .prepare_cached(
            "INSERT INTO deliveries (id, connection, received_at, event_id, status, detail, size_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET received_at = excluded.received_at, event_id = excluded.event_id,
                 status = excluded.status, detail = excluded.detail, size_bytes = excluded.size_bytes,
                 attempts = attempts + 1
             WHERE connection = excluded.connection
             RETURNING number",
        )?
        .query_row(
            params![
                record.id.as_str(),
                connection,
                received_at,
                record.event_id,
                record.status.as_str(),
                record.detail,
                i64::try_from(record.size_bytes).unwrap_or(i64::MAX),
            ],
            |row| row.get(0),
        )
        .optional()?;
    let number = number.ok_or_else(|| {
        LedgerError::Invalid(format!(
            "the delivery {} belongs to another connection",
            record.id
        ))
    })?;
    match (record.status, &record.sealed_request) {
        (DeliveryStatus::Failed, Some(sealed)) => keep_request(database, number, sealed)?,
        // A replay that fails again keeps what there is.
        (DeliveryStatus::Failed, None) => {}
        _ => {
            database
                .prepare_cached("DELETE FROM delivery_requests WHERE delivery = ?1")?
                .execute(params![number])?;
            database
                .prepare_cached(
                    "UPDATE connections SET last_delivery_at = max(ifnull(last_delivery_at, ?2), ?2) WHERE number = ?1",
                )?
                .execute(params![connection, received_at])?;
        }
    }
    prune_log(database, connection)
}

fn keep_request(database: &Database, number: i64, sealed: &[u8]) -> Result<()> {
    // Deleted first rather than replaced, so that the totals follow.
    database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = ?1")?
        .execute(params![number])?;
    if sealed.len() > MAX_REQUEST_BYTES {
        return Ok(());
    }
    database
        .prepare_cached("INSERT INTO delivery_requests (delivery, sealed) VALUES (?1, ?2)")?
        .execute(params![number, sealed])?;
    let mut totals =
        database.prepare_cached("SELECT requests, bytes FROM delivery_requests_total")?;
    let mut drop_oldest = database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = (SELECT min(delivery) FROM delivery_requests)")?;
    loop {
        let (requests, bytes): (i64, i64) =
            totals.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if requests <= MAX_REQUESTS as i64 && bytes <= MAX_REQUEST_BYTES as i64 {
            return Ok(());
        }
        if drop_oldest.execute([])? == 0 {
            return Ok(());
        }
    }
}

fn prune_log(database: &Database, connection: i64) -> Result<()> {
    let kept: i64 = database
        .prepare_cached("SELECT deliveries FROM connections WHERE number = ?1")?
        .query_row(params![connection], |row| row.get(0))?;
    if kept <= MAX_DELIVERIES as i64 {
        return Ok(());
    }
    let excess = kept - MAX_DELIVERIES as i64 + PRUNED_AT_ONCE;
    database
        .prepare_cached(
            "DELETE FROM deliveries WHERE number IN (
                 SELECT number FROM deliveries
                 WHERE connection = ?1 AND NOT EXISTS (
                     SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number
                 )
                 ORDER BY number LIMIT ?2
             )",
        )?
        .execute(params![connection, excess])?;
    Ok(())
}

const SELECT: &str = "SELECT deliveries.number, connections.id, deliveries.id, received_at, event_id, status, detail,
        size_bytes, attempts,
        EXISTS (SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number)
     FROM deliveries JOIN connections ON connections.number = deliveries.connection";

pub(super) fn page(
    database: &Database,
    connection: Option<&ConnectionId>,
    status: Option<DeliveryStatus>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Delivery>> {
    let before: i64 = match cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| {
            LedgerError::Invalid(format!("`{cursor}` is not a cursor of the delivery log"))
        })?,
    };
    let connection = connection
        .map(|id| connection_number(database, id))
        .transpose()?;
    let limit = limit.clamp(1, MAX_PAGE);
    let condition = match (connection, status) {
        (Some(_), _) => "connection = ?2 AND (?3 IS NULL OR status = ?3)",
        (None, Some(_)) => "?2 IS NULL AND status = ?3",
        (None, None) => "?2 IS NULL AND ?3 IS NULL",
    };
    let mut statement = database.prepare_cached(&format!(
        "{SELECT} WHERE deliveries.number < ?1 AND {condition} ORDER BY deliveries.number DESC LIMIT ?4"
    ))?;
    let status = status.map(DeliveryStatus::as_str);
    let mut rows: Vec<(i64, Delivery)> = statement
        .query_map(
            params![before, connection, status, limit as i64 + 1],
            |row| Ok((row.get(0)?, delivery(row)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows
        .last()
        .filter(|_| more)
        .map(|(number, _)| number.to_string());
    Ok(Page {
        items: rows.into_iter().map(|(_, delivery)| delivery).collect(),
        next,
    })
}

pub(super) fn find(database: &Database, id: &DeliveryId) -> Result<Option<Delivery>> {
    let found = database
        .prepare_cached(&format!("{SELECT} WHERE deliveries.id = ?1"))?
        .query_row(params![id.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, delivery(row)?))
        })
        .optional()?;
    let Some((number, mut delivery)) = found else {
        return Ok(None);
    };
    delivery.record.sealed_request = database
        .prepare_cached("SELECT sealed FROM delivery_requests WHERE delivery = ?1")?
        .query_row(params![number], |row| row.get(0))
        .optional()?;
    Ok(Some(delivery))
}

/// A delivery without its request.
fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let status: String = row.get(5)?;
    Ok(Delivery {
        connection_id: ConnectionId::new(row.get::<_, String>(1)?),
        record: DeliveryRecord {
            id: DeliveryId::new(row.get::<_, String>(2)?),
            received_at: rows::timestamp(row, 3)?,
            event_id: row.get(4)?,
            status: DeliveryStatus::from_name(&status).ok_or_else(|| rows::damaged(5, &status))?,
            detail: row.get(6)?,
            size_bytes: rows::unsigned(row, 7)?,
            sealed_request: None,
        },
        attempts: row.get(8)?,
        replayable: row.get(9)?,
    })
}
