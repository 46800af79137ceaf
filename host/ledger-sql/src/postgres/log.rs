//! Reading the delivery log.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::values::{get, named, timestamp, to_u64};
use super::{Result, connection_number};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_database::postgres::{row, rows};
use integration_host_ledger::{
    Delivery, DeliveryRate, DeliveryRecord, DeliveryStatus, LedgerError, MAX_PAGE, MAX_RATE_TIME,
    Page,
};

pub(super) const SELECT: &str = "SELECT deliveries.number, connections.id, deliveries.id, received_at, event_id, status, detail,
        size_bytes, attempts, handled_at, elapsed_us,
        EXISTS (SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number), deliveries.digest
     FROM deliveries JOIN connections ON connections.number = deliveries.connection";

pub(super) async fn page(
    client: &impl GenericClient,
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
    let connection = match connection {
        Some(id) => Some(connection_number(client, id).await?),
        None => None,
    };
    let limit = limit.clamp(1, MAX_PAGE);
    // Conditions that are not needed are left out, so that the best index is used.
    let condition = match (connection, status) {
        (Some(_), Some(_)) => "connection = $2 AND status = $3",
        (Some(_), None) => "connection = $2 AND $3::text IS NULL",
        (None, Some(_)) => "$2::bigint IS NULL AND status = $3",
        (None, None) => "$2::bigint IS NULL AND $3::text IS NULL",
    };
    let sql = format!(
        "{SELECT} WHERE deliveries.number < $1 AND {condition} ORDER BY deliveries.number DESC LIMIT $4"
    );
    let found = rows(
        client,
        &sql,
        &[
            &before,
            &connection,
            &status.map(DeliveryStatus::as_str),
            &(limit as i64 + 1),
        ],
    )
    .await?;
    super::page(&found, limit, delivery)
}

pub(super) async fn rates(
    client: &impl GenericClient,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<DeliveryRate>> {
    const MINUTE: i64 = 60_000;
    let connection = connection_number(client, id).await?;
    let from = to.saturating_sub(MAX_RATE_TIME).unwrap_or(from).max(from);
    let first = from.as_millisecond().div_euclid(MINUTE);
    let found = rows(
        client,
        "SELECT received_at / $4 * $4 AS minute, status, count(*) FROM deliveries
         WHERE connection = $1 AND received_at >= $2 AND received_at < $3
         GROUP BY minute, status ORDER BY minute, status",
        &[
            &connection,
            &(first * MINUTE),
            &to.as_millisecond(),
            &MINUTE,
        ],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            Ok(DeliveryRate {
                minute: timestamp(row, 0)?,
                status: named(row, 1, DeliveryStatus::from_name)?,
                deliveries: to_u64(row, 2)?,
            })
        })
        .collect()
}

pub(super) async fn failed(
    client: &impl GenericClient,
    connection: Option<&ConnectionId>,
    before: Timestamp,
    limit: usize,
) -> Result<(Vec<Delivery>, u64)> {
    const CONDITION: &str = "deliveries.number IN (SELECT delivery FROM delivery_requests)
             AND status = 'failed' AND connections.state = 'active' AND handled_at < $2
             AND ($1::bigint IS NULL OR deliveries.connection = $1)";
    let connection = match connection {
        Some(id) => Some(connection_number(client, id).await?),
        None => None,
    };
    let before = before.as_millisecond();
    let sql = format!("{SELECT} WHERE {CONDITION} ORDER BY attempts, deliveries.number LIMIT $3");
    let limit = limit.clamp(1, MAX_PAGE) as i64;
    let found = rows(client, &sql, &[&connection, &before, &limit]).await?;
    let sql = format!(
        "SELECT count(*) FROM deliveries JOIN connections ON connections.number = deliveries.connection
         WHERE {CONDITION}"
    );
    let count = row(client, &sql, &[&connection, &before]).await?;
    let failed = found.iter().map(delivery).collect::<Result<_>>()?;
    Ok((failed, count.map_or(Ok(0), |row| to_u64(&row, 0))?))
}

pub(super) async fn find(client: &impl GenericClient, id: &DeliveryId) -> Result<Option<Delivery>> {
    let sql = format!("{SELECT} WHERE deliveries.id = $1");
    let Some(found) = row(client, &sql, &[&id.as_str()]).await? else {
        return Ok(None);
    };
    let number: i64 = get(&found, 0)?;
    let mut delivery = delivery(&found)?;
    let kept = row(
        client,
        "SELECT sealed FROM delivery_requests WHERE delivery = $1",
        &[&number],
    )
    .await?;
    delivery.record.sealed_request = kept.map(|row| get(&row, 0)).transpose()?;
    Ok(Some(delivery))
}

/// A delivery without its request.
pub(super) fn delivery(row: &Row) -> Result<Delivery> {
    let attempts: i32 = get(row, 8)?;
    Ok(Delivery {
        connection_id: ConnectionId::new(get::<String>(row, 1)?),
        record: DeliveryRecord {
            id: DeliveryId::new(get::<String>(row, 2)?),
            received_at: timestamp(row, 3)?,
            handled_at: timestamp(row, 9)?,
            elapsed_us: to_u64(row, 10)?,
            event_id: get(row, 4)?,
            status: named(row, 5, DeliveryStatus::from_name)?,
            detail: get(row, 6)?,
            size_bytes: to_u64(row, 7)?,
            sealed_request: None,
            digest: None,
            times: 1,
        },
        attempts: u32::try_from(attempts).unwrap_or_default(),
        replayable: get(row, 11)?,
    })
}
