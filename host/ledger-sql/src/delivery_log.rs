//! The delivery log, and the requests of failed deliveries.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::SqlLedger;
use crate::backend::{
    Backend, SqlDatabase, connection_number, first, number_if_named, only, row, rows,
};
use crate::failure::Result;
use crate::values::{Columns, values};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_ledger::delivery::{MINUTE_MS, rates_from};
use integration_host_ledger::{
    AgeLook, DeadLetter, Delivery, DeliveryLog, DeliveryRate, DeliveryRecord, DeliveryStatus,
    LedgerError, PRUNED_AT_ONCE, Page, Retention, SUPERSEDED, in_page, number_before,
};

#[async_trait]
impl<D: SqlDatabase> DeliveryLog for SqlLedger<D> {
    async fn deliveries(
        &self,
        connection: Option<&ConnectionId>,
        status: Option<DeliveryStatus>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<Delivery>, LedgerError> {
        let cursor = cursor.map(str::to_owned);
        let given = (connection.cloned(), status, cursor, limit);
        let page = (self.database).read(given, |db, (connection, status, cursor, limit)| {
            Box::pin(page(
                db,
                connection.as_ref(),
                *status,
                cursor.as_deref(),
                *limit,
            ))
        });
        page.await
    }

    async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, LedgerError> {
        let find = self
            .database
            .read(id.clone(), |db, id| Box::pin(find(db, id)));
        find.await
    }

    async fn delivery_rates(
        &self,
        id: &ConnectionId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DeliveryRate>, LedgerError> {
        let given = (id.clone(), from, to);
        let rates = self.database.read(given, |db, (id, from, to)| {
            Box::pin(rates(db, id, *from, *to))
        });
        rates.await
    }

    async fn failed_deliveries(
        &self,
        connection: Option<&ConnectionId>,
        before: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Delivery>, u64), LedgerError> {
        let given = (connection.cloned(), before, limit);
        let failed = (self.database).read(given, |db, (connection, before, limit)| {
            Box::pin(failed(db, connection.as_ref(), *before, *limit))
        });
        failed.await
    }

    async fn dead_letters(&self, after: u64, limit: usize) -> Result<Vec<DeadLetter>, LedgerError> {
        let letters = (self.database).read((after, limit), |db, (after, limit)| {
            Box::pin(dead_letters(db, *after, *limit))
        });
        letters.await
    }

    async fn replace_dead_letter(
        &self,
        kept: &DeadLetter,
        sealed: Vec<u8>,
    ) -> Result<(), LedgerError> {
        let given = (kept.clone(), sealed);
        let replace = (self.database).change_unfenced(given, |db, (kept, sealed)| {
            db.replace_dead_letter(kept, sealed)
        });
        replace.await
    }

    async fn look_at_age(
        &self,
        now: Timestamp,
        ran: Duration,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let look = (self.database).change_unfenced((now, ran), |db, (now, ran)| {
            Box::pin(look_at_age(db, *now, *ran))
        });
        look.await
    }

    async fn prune_deliveries(&self, now: Timestamp) -> Result<bool, LedgerError> {
        let given = (now, self.retention.clone());
        let prune = (self.database).change_unfenced(given, |db, (now, retention)| {
            Box::pin(prune_old(db, *now, retention))
        });
        let more = prune.await?;
        if !more {
            self.database.pruned().await?;
        }
        Ok(more)
    }
}

/// What [`delivery`] reads.
pub fn select(db: &dyn Backend) -> String {
    let join = db.dialect().join;
    format!(
        "SELECT deliveries.number, connections.id, deliveries.id, received_at, event_id, status, detail,
             size_bytes, attempts, handled_at, elapsed_us,
             EXISTS (SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number), deliveries.digest
         FROM deliveries {join} connections ON connections.number = deliveries.connection"
    )
}

/// A delivery without its request.
pub fn delivery(row: &dyn Columns) -> Result<Delivery> {
    Ok(Delivery {
        connection_id: row.get(1)?,
        record: DeliveryRecord {
            id: row.get(2)?,
            received_at: row.get(3)?,
            handled_at: row.get(9)?,
            elapsed_us: row.get(10)?,
            event_id: row.get(4)?,
            status: row.named(5, DeliveryStatus::from_name)?,
            detail: row.get(6)?,
            size_bytes: row.get(7)?,
            sealed_request: None,
            digest: None,
            times: 1,
        },
        attempts: row.get(8)?,
        replayable: row.get(11)?,
    })
}

fn numbered(row: &dyn Columns) -> Result<(i64, Delivery)> {
    Ok((row.get(0)?, delivery(row)?))
}

pub async fn page(
    db: &dyn Backend,
    connection: Option<&ConnectionId>,
    status: Option<DeliveryStatus>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<Delivery>> {
    let before = number_before(cursor, "the delivery log")?;
    let connection = number_if_named(db, connection).await?;
    let limit = in_page(limit);
    // Conditions that are not needed are left out, so that the best index is used.
    let condition = match (connection, status) {
        (Some(_), Some(_)) => "connection = $2 AND status = $3",
        (Some(_), None) => "connection = $2 AND CAST($3 AS text) IS NULL",
        (None, Some(_)) => "CAST($2 AS bigint) IS NULL AND status = $3",
        (None, None) => "CAST($2 AS bigint) IS NULL AND CAST($3 AS text) IS NULL",
    };
    let sql = format!(
        "{} WHERE deliveries.number < $1 AND {condition} ORDER BY deliveries.number DESC LIMIT $4",
        select(db)
    );
    let status = status.map(DeliveryStatus::as_str);
    let given = values![before, connection, status, limit + 1];
    let found = rows(db, &sql, given, numbered).await?;
    Ok(Page::of_numbered(found, limit))
}

async fn rates(
    db: &dyn Backend,
    id: &ConnectionId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<DeliveryRate>> {
    let connection = connection_number(db, id).await?;
    let by_time = db.dialect().by("deliveries_by_time");
    let sql = format!(
        "SELECT received_at / $4 * $4 AS minute, status, count(*) FROM deliveries {by_time}
         WHERE connection = $1 AND received_at >= $2 AND received_at < $3
         GROUP BY minute, status ORDER BY minute, status"
    );
    let given = values![connection, rates_from(from, to), to, MINUTE_MS];
    rows(db, &sql, given, |row| {
        Ok(DeliveryRate {
            minute: row.get(0)?,
            status: row.named(1, DeliveryStatus::from_name)?,
            deliveries: row.get(2)?,
        })
    })
    .await
}

async fn failed(
    db: &dyn Backend,
    connection: Option<&ConnectionId>,
    before: Timestamp,
    limit: usize,
) -> Result<(Vec<Delivery>, u64)> {
    const CONDITION: &str = "deliveries.number IN (SELECT delivery FROM delivery_requests)
             AND status = 'failed' AND connections.state = 'active' AND handled_at < $2
             AND (CAST($1 AS bigint) IS NULL OR deliveries.connection = $1)";
    let connection = number_if_named(db, connection).await?;
    let (select, join) = (select(db), db.dialect().join);
    let sql = format!("{select} WHERE {CONDITION} ORDER BY attempts, deliveries.number LIMIT $3");
    let given = values![connection, before, in_page(limit)];
    let failed = rows(db, &sql, given, delivery).await?;
    let sql = format!(
        "SELECT count(*) FROM deliveries {join} connections ON connections.number = deliveries.connection
         WHERE {CONDITION}"
    );
    let count = only(db, &sql, values![connection, before], first).await?;
    Ok((failed, count))
}

async fn find(db: &dyn Backend, id: &DeliveryId) -> Result<Option<Delivery>> {
    let sql = format!("{} WHERE deliveries.id = $1", select(db));
    let Some((number, mut delivery)) = row(db, &sql, values![id.as_str()], numbered).await? else {
        return Ok(None);
    };
    let sql = "SELECT sealed FROM delivery_requests WHERE delivery = $1";
    delivery.record.sealed_request = row(db, sql, values![number], first).await?;
    Ok(Some(delivery))
}

/// Kept requests, as a whole: for sealing them again.
pub async fn dead_letters(db: &dyn Backend, after: u64, limit: usize) -> Result<Vec<DeadLetter>> {
    let join = db.dialect().join;
    let sql = format!(
        "SELECT connections.id, deliveries.id, delivery_requests.sealed, delivery_requests.delivery
         FROM delivery_requests
         {join} deliveries ON deliveries.number = delivery_requests.delivery
         {join} connections ON connections.number = deliveries.connection
         WHERE delivery_requests.delivery > $1 ORDER BY delivery_requests.delivery LIMIT $2"
    );
    rows(db, &sql, values![after, in_page(limit)], |row| {
        Ok(DeadLetter {
            connection_id: row.get(0)?,
            delivery_id: row.get(1)?,
            sealed: row.get(2)?,
            place: row.get(3)?,
        })
    })
    .await
}

pub async fn forget_request(db: &dyn Backend, number: i64) -> Result<()> {
    let forget = "DELETE FROM delivery_requests WHERE delivery = $1";
    db.execute(forget, values![number]).await?;
    Ok(())
}

/// Marks a delivery that was handled at last, if another one brought its event meanwhile.
pub async fn mark_superseded(
    db: &dyn Backend,
    connection: i64,
    number: i64,
    record: &DeliveryRecord,
) -> Result<()> {
    let Some(event) = &record.event_id else {
        return Ok(());
    };
    db.execute(
        "UPDATE deliveries SET status = 'superseded', detail = $4
         WHERE number = $1 AND EXISTS (
             SELECT 1 FROM deliveries AS other
             WHERE other.connection = $2 AND other.event_id = $3 AND other.number <> $1
                 AND other.status IN ('accepted', 'ignored')
         )",
        values![number, connection, event, SUPERSEDED],
    )
    .await?;
    Ok(())
}

/// Removes what is too much of the log of a connection, which has so many rows; returns how many were removed.
pub async fn prune_log(
    db: &dyn Backend,
    connection: i64,
    rows: i64,
    retention: &Retention,
) -> Result<u64> {
    if rows <= i64::from(retention.rows) {
        return Ok(0);
    }
    let replayable: i64 = only(
        db,
        "SELECT count(*) FROM delivery_requests JOIN deliveries ON number = delivery WHERE connection = $1",
        values![connection],
        first,
    )
    .await?;
    let excess = retention.excess(rows, replayable);
    if excess == 0 {
        return Ok(0);
    }
    db.execute(
        "DELETE FROM deliveries WHERE number IN (
             SELECT number FROM deliveries
             WHERE connection = $1 AND NOT EXISTS (
                 SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number
             )
             ORDER BY number LIMIT $2
         )",
        values![connection, excess],
    )
    .await
}

/// Notes a look at the time, and returns as of when old deliveries may be removed.
async fn look_at_age(db: &dyn Backend, now: Timestamp, ran: Duration) -> Result<Option<Timestamp>> {
    let dialect = db.dialect();
    let sql = format!(
        "SELECT as_of, looked_at, ran_ms FROM age_look{}",
        dialect.lock_whole
    );
    let before: Option<AgeLook> = row(db, &sql, &[], |row| {
        Ok(AgeLook {
            as_of: row.get(0)?,
            looked_at: row.get(1)?,
            ran: Duration::from_millis(row.get::<i64>(2)?.unsigned_abs()),
        })
    })
    .await?;
    let (look, as_of) = AgeLook::after(before, now, ran);
    let sql = format!(
        "INSERT INTO age_look ({}, as_of, looked_at, ran_ms) VALUES ({}, $1, $2, $3)
         ON CONFLICT ({}) DO UPDATE
         SET as_of = excluded.as_of, looked_at = excluded.looked_at, ran_ms = excluded.ran_ms",
        dialect.single, dialect.one, dialect.single
    );
    let ran = u64::try_from(look.ran.as_millis()).unwrap_or(u64::MAX);
    db.execute(&sql, values![look.as_of, look.looked_at, ran])
        .await?;
    Ok(as_of)
}

/// Removes some of what is older than it is to be kept. True: there is more.
async fn prune_old(db: &dyn Backend, now: Timestamp, retention: &Retention) -> Result<bool> {
    let skip_locked = db.dialect().skip_locked;
    let (requests_before, rows_before) = retention.too_old_before(now);
    // Numbers are about in the order of arrival, so the oldest tell whether there is anything to do.
    let sql = format!(
        "DELETE FROM delivery_requests WHERE delivery IN (
             SELECT delivery FROM (
                 SELECT delivery FROM delivery_requests ORDER BY delivery LIMIT $2{skip_locked}
             ) AS oldest JOIN deliveries ON number = delivery
             WHERE received_at < $1
         )"
    );
    let given = values![requests_before, PRUNED_AT_ONCE];
    let requests = db.execute(&sql, given).await?;
    let sql = format!(
        "DELETE FROM deliveries WHERE number IN (
             SELECT number FROM (
                 SELECT number, received_at FROM deliveries ORDER BY number LIMIT $2{skip_locked}
             ) AS oldest
             WHERE received_at < $1
         ) RETURNING connection"
    );
    let given = values![rows_before, PRUNED_AT_ONCE];
    let removed: Vec<i64> = rows(db, &sql, given, first).await?;
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    for connection in &removed {
        *counts.entry(*connection).or_default() += 1;
    }
    db.count_removed(&counts).await?;
    Ok(requests.max(removed.len() as u64) == PRUNED_AT_ONCE.unsigned_abs())
}
