//! Reading the delivery log.

use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, connection_number, rows};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::{
    Delivery, DeliveryRate, DeliveryRecord, DeliveryStatus, LedgerError, MAX_PAGE, MAX_RATE_TIME,
    Page,
};

/// A cross join keeps the order of tables, as for activities.
pub(super) const SELECT: &str = "SELECT deliveries.number, connections.id, deliveries.id, received_at, event_id, status, detail,
        size_bytes, attempts, handled_at, elapsed_us,
        EXISTS (SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number), deliveries.digest
     FROM deliveries CROSS JOIN connections ON connections.number = deliveries.connection";

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
        (Some(_), Some(_)) => "connection = ?2 AND status = ?3",
        (Some(_), None) => "connection = ?2 AND ?3 IS NULL",
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

pub(super) fn rates(
    database: &Database,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<DeliveryRate>> {
    const MINUTE: i64 = 60_000;
    let connection = connection_number(database, id)?;
    let from = to.saturating_sub(MAX_RATE_TIME).unwrap_or(from).max(from);
    let first = from.as_millisecond().div_euclid(MINUTE);
    let mut statement = database.prepare_cached(
        "SELECT received_at / ?4 * ?4 AS minute, status, count(*) FROM deliveries INDEXED BY deliveries_by_time
         WHERE connection = ?1 AND received_at >= ?2 AND received_at < ?3
         GROUP BY minute, status ORDER BY minute, status",
    )?;
    let rates = statement
        .query_map(
            params![connection, first * MINUTE, to.as_millisecond(), MINUTE],
            |row| {
                Ok(DeliveryRate {
                    minute: rows::timestamp(row, 0)?,
                    status: rows::named(row, 1, DeliveryStatus::from_name)?,
                    deliveries: rows::to_u64(row, 2)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rates)
}

pub(super) fn failed(
    database: &Database,
    connection: Option<&ConnectionId>,
    before: Timestamp,
    limit: usize,
) -> Result<(Vec<Delivery>, u64)> {
    const CONDITION: &str = "deliveries.number IN (SELECT delivery FROM delivery_requests)
             AND status = 'failed' AND connections.state = 'active' AND handled_at < ?2
             AND (?1 IS NULL OR deliveries.connection = ?1)";
    let connection = connection
        .map(|id| connection_number(database, id))
        .transpose()?;
    let before = before.as_millisecond();
    let failed = database
        .prepare_cached(&format!(
            "{SELECT} WHERE {CONDITION} ORDER BY attempts, deliveries.number LIMIT ?3"
        ))?
        .query_map(
            params![connection, before, limit.clamp(1, MAX_PAGE) as i64],
            delivery,
        )?
        .collect::<rusqlite::Result<_>>()?;
    let count = database
        .prepare_cached(&format!(
            "SELECT count(*) FROM deliveries CROSS JOIN connections ON connections.number = deliveries.connection
             WHERE {CONDITION}"
        ))?
        .query_row(params![connection, before], |row| rows::to_u64(row, 0))?;
    Ok((failed, count))
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
pub(super) fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    Ok(Delivery {
        connection_id: ConnectionId::new(row.get::<_, String>(1)?),
        record: DeliveryRecord {
            id: DeliveryId::new(row.get::<_, String>(2)?),
            received_at: rows::timestamp(row, 3)?,
            handled_at: rows::timestamp(row, 9)?,
            elapsed_us: rows::to_u64(row, 10)?,
            event_id: row.get(4)?,
            status: rows::named(row, 5, DeliveryStatus::from_name)?,
            detail: row.get(6)?,
            size_bytes: rows::to_u64(row, 7)?,
            sealed_request: None,
            digest: None,
            times: 1,
        },
        attempts: row.get(8)?,
        replayable: row.get(11)?,
    })
}
