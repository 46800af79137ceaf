//! Keeping the delivery log, within its bounds.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::{Result, rows};
use integration_host_ledger::delivery::Identity;
use integration_host_ledger::{
    AgeLook, DeliveryRecord, DeliveryStatus, LedgerError, Retention, SUPERSEDED,
};

/// Rows removed at once: enough that it happens rarely, few enough that nobody waits for it.
const PRUNED_AT_ONCE: i64 = 200;

pub(super) fn record(
    database: &Database,
    connection: i64,
    record: &DeliveryRecord,
    retention: &Retention,
) -> Result<()> {
    if let Some(number) = recorded_before(database, connection, record)? {
        return count_again(database, number, record, retention);
    }
    let received_at = record.received_at.as_millisecond();
    // Only what is failed can become something else: of two replays at a time, the one that succeeds counts.
    let recorded: Option<(i64, u32)> = database
        .prepare_cached(
            "INSERT INTO deliveries
                 (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes, digest,
                  attempts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET handled_at = excluded.handled_at, elapsed_us = excluded.elapsed_us,
                 event_id = excluded.event_id, status = excluded.status, detail = excluded.detail,
                 digest = coalesce(excluded.digest, digest), attempts = attempts + 1
             WHERE connection = excluded.connection AND status = 'failed'
             RETURNING number, attempts",
        )?
        .query_row(
            params![
                record.id.as_str(),
                connection,
                received_at,
                record.handled_at.as_millisecond(),
                i64::try_from(record.elapsed_us).unwrap_or(i64::MAX),
                record.event_id,
                record.status.as_str(),
                record.detail,
                i64::try_from(record.size_bytes).unwrap_or(i64::MAX),
                record.kept_digest(),
                record.times.max(1),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((number, attempts)) = recorded else {
        return ensure_is_of(database, connection, record);
    };
    match record.status {
        DeliveryStatus::Failed => {
            // A replay that fails again keeps what there is.
            if let Some(sealed) = &record.sealed_request {
                keep_request(database, number, sealed, retention)?;
            }
        }
        DeliveryStatus::Refused => forget_request(database, number)?,
        _ => {
            // Until its first success nothing is kept of it.
            if attempts > 1 {
                forget_request(database, number)?;
                mark_superseded(database, connection, number, record)?;
            }
            database
                .prepare_cached(
                    "UPDATE connections SET last_delivery_at =
                         CASE WHEN last_delivery_at BETWEEN ?2 AND unixepoch() * 1000 + 60000
                             THEN last_delivery_at ELSE ?2 END
                     WHERE number = ?1",
                )?
                .execute(params![connection, received_at])?;
        }
    }
    prune_log(database, connection, retention)
}

/// The row of a delivery that came before, under another id.
fn recorded_before(
    database: &Database,
    connection: i64,
    record: &DeliveryRecord,
) -> Result<Option<i64>> {
    let Some(identity) = record.identity() else {
        return Ok(None);
    };
    let (condition, value) = match identity {
        Identity::Event(event) => (
            "event_id = ?2 AND status IN ('accepted', 'ping', 'ignored')",
            event,
        ),
        Identity::Handled(digest) => (
            "digest = ?2 AND status IN ('accepted', 'ping', 'ignored')",
            digest,
        ),
        Identity::Failed(digest) => ("digest = ?2 AND status = 'failed'", digest),
    };
    // A replay is no repetition.
    let row = database
        .prepare_cached(&format!(
            "SELECT number FROM deliveries WHERE connection = ?1 AND {condition}
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE id = ?3)
             ORDER BY number LIMIT 1"
        ))?
        .query_row(params![connection, value, record.id.as_str()], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(row)
}

/// Counts a repetition. One that failed counts as no attempt: it was not the replay that failed.
fn count_again(
    database: &Database,
    number: i64,
    record: &DeliveryRecord,
    retention: &Retention,
) -> Result<()> {
    if record.status != DeliveryStatus::Failed {
        database
            .prepare_cached("UPDATE deliveries SET attempts = attempts + ?2 WHERE number = ?1")?
            .execute(params![number, record.times.max(1)])?;
        return Ok(());
    }
    let is_kept: bool = database
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery_requests WHERE delivery = ?1)")?
        .query_row(params![number], |row| row.get(0))?;
    match &record.sealed_request {
        Some(sealed) if !is_kept => keep_request(database, number, sealed, retention),
        _ => Ok(()),
    }
}

/// Whether a delivery that was handled already belongs to this connection.
fn ensure_is_of(database: &Database, connection: i64, record: &DeliveryRecord) -> Result<()> {
    let owner: Option<i64> = database
        .prepare_cached("SELECT connection FROM deliveries WHERE id = ?1")?
        .query_row(params![record.id.as_str()], |row| row.get(0))
        .optional()?;
    if owner == Some(connection) {
        return Ok(());
    }
    Err(LedgerError::Invalid(format!(
        "the delivery {} belongs to another connection",
        record.id
    ))
    .into())
}

fn mark_superseded(
    database: &Database,
    connection: i64,
    number: i64,
    record: &DeliveryRecord,
) -> Result<()> {
    let Some(event) = &record.event_id else {
        return Ok(());
    };
    database
        .prepare_cached(
            "UPDATE deliveries SET status = 'superseded', detail = ?4
             WHERE number = ?1 AND EXISTS (
                 SELECT 1 FROM deliveries
                 WHERE connection = ?2 AND event_id = ?3 AND number <> ?1 AND status IN ('accepted', 'ignored')
             )",
        )?
        .execute(params![number, connection, event, SUPERSEDED])?;
    Ok(())
}

fn forget_request(database: &Database, number: i64) -> Result<()> {
    database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = ?1")?
        .execute(params![number])?;
    Ok(())
}

fn keep_request(
    database: &Database,
    number: i64,
    sealed: &[u8],
    retention: &Retention,
) -> Result<()> {
    // Deleted first rather than replaced, so that the totals follow.
    forget_request(database, number)?;
    // What is too large by itself must not push out everything else.
    let most_bytes = i64::try_from(retention.request_bytes).unwrap_or(i64::MAX);
    if i64::try_from(sealed.len()).unwrap_or(i64::MAX) > most_bytes {
        return Ok(());
    }
    database
        .prepare_cached("INSERT INTO delivery_requests (delivery, sealed) VALUES (?1, ?2)")?
        .execute(params![number, sealed])?;
    let mut totals =
        database.prepare_cached("SELECT requests, bytes FROM delivery_requests_total")?;
    let mut drop_oldest = database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = (SELECT min(delivery) FROM delivery_requests)")?;
    // With smaller settings than before, there is much to remove: a part of it now.
    for _ in 0..PRUNED_AT_ONCE {
        let (requests, bytes): (i64, i64) =
            totals.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if requests <= i64::from(retention.requests) && bytes <= most_bytes {
            break;
        }
        drop_oldest.execute([])?;
    }
    Ok(())
}

fn prune_log(database: &Database, connection: i64, retention: &Retention) -> Result<()> {
    let most_rows = i64::from(retention.rows);
    let rows: i64 = database
        .prepare_cached("SELECT deliveries FROM connections WHERE number = ?1")?
        .query_row(params![connection], |row| row.get(0))?;
    if rows <= most_rows {
        return Ok(());
    }
    let replayable: i64 = database
        .prepare_cached(
            "SELECT count(*) FROM delivery_requests JOIN deliveries ON number = delivery WHERE connection = ?1",
        )?
        .query_row(params![connection], |row| row.get(0))?;
    let excess = rows - replayable - most_rows;
    if excess <= 0 {
        return Ok(());
    }
    // More than necessary, so that it happens rarely; never what was just recorded.
    let removed = (excess + most_rows / 100).min(PRUNED_AT_ONCE);
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
        .execute(params![connection, removed])?;
    Ok(())
}

/// Notes a look at the time, and returns as of when old deliveries may be removed.
pub(super) fn look_at_age(
    database: &Database,
    now: Timestamp,
    ran: Duration,
) -> Result<Option<Timestamp>> {
    let before = database
        .prepare_cached("SELECT as_of, looked_at, ran_ms FROM age_look")?
        .query_row([], |row| {
            Ok(AgeLook {
                as_of: rows::timestamp(row, 0)?,
                looked_at: rows::timestamp(row, 1)?,
                ran: Duration::from_millis(row.get::<_, i64>(2)?.unsigned_abs()),
            })
        })
        .optional()?;
    let (look, as_of) = AgeLook::after(before, now, ran);
    database
        .prepare_cached(
            "INSERT INTO age_look (only, as_of, looked_at, ran_ms) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (only) DO UPDATE SET as_of = ?1, looked_at = ?2, ran_ms = ?3",
        )?
        .execute(params![
            look.as_of.as_millisecond(),
            look.looked_at.as_millisecond(),
            i64::try_from(look.ran.as_millis()).unwrap_or(i64::MAX)
        ])?;
    Ok(as_of)
}

/// Removes some of what is older than it is to be kept. True: there is more.
pub(super) fn prune_old(
    database: &Database,
    now: Timestamp,
    retention: &Retention,
) -> Result<bool> {
    let before = |age| {
        now.checked_sub(age)
            .unwrap_or(Timestamp::MIN)
            .as_millisecond()
    };
    // Numbers are in the order of arrival, so the oldest tell whether there is anything to do.
    let requests = database
        .prepare_cached(
            "DELETE FROM delivery_requests WHERE delivery IN (
                 SELECT delivery FROM (
                     SELECT delivery FROM delivery_requests ORDER BY delivery LIMIT ?2
                 ) JOIN deliveries ON number = delivery
                 WHERE received_at < ?1
             )",
        )?
        .execute(params![before(retention.request_age), PRUNED_AT_ONCE])?;
    let rows = database
        .prepare_cached(
            "DELETE FROM deliveries WHERE number IN (
                 SELECT number FROM (
                     SELECT number, received_at FROM deliveries ORDER BY number LIMIT ?2
                 )
                 WHERE received_at < ?1
             )",
        )?
        .execute(params![before(retention.age), PRUNED_AT_ONCE])?;
    Ok(requests.max(rows) as i64 == PRUNED_AT_ONCE)
}
