//! Recording deliveries, within the bounds of the log.

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::connection::{Sqlite, finished};
use crate::delivery_log::{forget_request, mark_superseded, prune_log};
use crate::failure::Result;
use crate::values::signed;
use integration_host_ledger::delivery::{Identity, Outcome};
use integration_host_ledger::{DeliveryRecord, DeliveryStatus, PRUNED_AT_ONCE, Retention};

pub fn record(
    sqlite: &Sqlite<'_>,
    connection: i64,
    record: &DeliveryRecord,
    retention: &Retention,
) -> Result<()> {
    if let Some(number) = sqlite.with(|database| recorded_before(database, connection, record))? {
        return count_again(sqlite, number, record, retention);
    }
    let recorded = sqlite.with(|database| insert(database, connection, record))?;
    let Some((number, attempts)) = recorded else {
        return sqlite.with(|database| ensure_is_of(database, connection, record));
    };
    match record.outcome(attempts) {
        Outcome::Failed { keep: Some(sealed) } => {
            sqlite.with(|database| keep_request(database, number, sealed, retention))?;
        }
        Outcome::Failed { keep: None } => {}
        Outcome::Refused => finished(forget_request(sqlite, number))?,
        Outcome::Handled { was_failed } => {
            if was_failed {
                finished(forget_request(sqlite, number))?;
                finished(mark_superseded(sqlite, connection, number, record))?;
            }
            sqlite.with(|database| note_last(database, connection, record))?;
        }
    }
    let rows: i64 = sqlite.with(|database| {
        Ok(database
            .prepare_cached("SELECT deliveries FROM connections WHERE number = ?1")?
            .query_row(params![connection], |row| row.get(0))?)
    })?;
    finished(prune_log(sqlite, connection, rows, retention))?;
    Ok(())
}

/// Only what is failed can become something else: of two replays at a time, the one that succeeds counts. `None`: this
/// one does not.
fn insert(
    database: &Database,
    connection: i64,
    record: &DeliveryRecord,
) -> Result<Option<(i64, u32)>> {
    Ok(database
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
                record.received_at.as_millisecond(),
                record.handled_at.as_millisecond(),
                signed(record.elapsed_us),
                record.event_id,
                record.status.as_str(),
                record.detail,
                signed(record.size_bytes),
                record.kept_digest(),
                record.times.max(1),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?)
}

fn note_last(database: &Database, connection: i64, record: &DeliveryRecord) -> Result<()> {
    database
        .prepare_cached(
            "UPDATE connections SET last_delivery_at =
                 CASE WHEN last_delivery_at BETWEEN ?2 AND unixepoch() * 1000 + 60000
                     THEN last_delivery_at ELSE ?2 END
             WHERE number = ?1",
        )?
        .execute(params![connection, record.received_at.as_millisecond()])?;
    Ok(())
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
    sqlite: &Sqlite<'_>,
    number: i64,
    record: &DeliveryRecord,
    retention: &Retention,
) -> Result<()> {
    sqlite.with(|database| {
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
    })
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
    Err(record.is_of_another().into())
}

fn keep_request(
    database: &Database,
    number: i64,
    sealed: &[u8],
    retention: &Retention,
) -> Result<()> {
    // Deleted first rather than replaced, so that the totals follow.
    database
        .prepare_cached("DELETE FROM delivery_requests WHERE delivery = ?1")?
        .execute(params![number])?;
    if retention.is_too_large(sealed) {
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
        if requests <= i64::from(retention.requests) && bytes <= retention.most_bytes() {
            break;
        }
        drop_oldest.execute([])?;
    }
    Ok(())
}
