//! The requests of failed deliveries, as a whole: for sealing them again.

use rusqlite::{Connection as Database, params};

use super::{Result, rows};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::{DeadLetter, MAX_PAGE};

pub(super) fn page(database: &Database, after: u64, limit: usize) -> Result<Vec<DeadLetter>> {
    let mut statement = database.prepare_cached(
        "SELECT connections.id, deliveries.id, delivery_requests.sealed, delivery_requests.delivery
         FROM delivery_requests
         CROSS JOIN deliveries ON deliveries.number = delivery_requests.delivery
         CROSS JOIN connections ON connections.number = deliveries.connection
         WHERE delivery_requests.delivery > ?1 ORDER BY delivery_requests.delivery LIMIT ?2",
    )?;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = limit.clamp(1, MAX_PAGE) as i64;
    let kept = statement
        .query_map(params![after, limit], |row| {
            Ok(DeadLetter {
                connection_id: ConnectionId::new(row.get::<_, String>(0)?),
                delivery_id: DeliveryId::new(row.get::<_, String>(1)?),
                sealed: row.get(2)?,
                place: rows::to_u64(row, 3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(kept)
}

pub(super) fn replace(database: &Database, kept: &DeadLetter, sealed: &[u8]) -> Result<()> {
    let place = i64::try_from(kept.place).unwrap_or(i64::MAX);
    // Deleted first rather than replaced, so that the totals follow.
    let removed = database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = ?1 AND sealed = ?2")?
        .execute(params![place, kept.sealed])?;
    if removed > 0 {
        database
            .prepare_cached("INSERT INTO delivery_requests (delivery, sealed) VALUES (?1, ?2)")?
            .execute(params![place, sealed])?;
    }
    Ok(())
}
