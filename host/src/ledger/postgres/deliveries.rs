//! Keeping the delivery log, within its bounds.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::Result;
use super::arrivals::Arrival;
use super::values::{get, signed};
use crate::database::postgres::{execute, row, rows};
use crate::ledger::{DeliveryRecord, DeliveryStatus, LedgerError, Retention, SUPERSEDED};

/// Rows removed at once: enough that it happens rarely, few enough that nobody waits for it.
const PRUNED_AT_ONCE: i64 = 200;

/// Deliveries to be recorded, each at most once.
pub(super) struct Log<'a> {
    /// The connections of those that were recorded before, by id.
    recorded: HashMap<String, i64>,
    records: Vec<(i64, &'a DeliveryRecord)>,
}

impl<'a> Log<'a> {
    /// Reads which deliveries were recorded before.
    pub(super) async fn read(transaction: &Transaction<'_>, arrivals: &[Arrival]) -> Result<Self> {
        let ids: Vec<&str> = arrivals
            .iter()
            .filter_map(|arrival| Some(arrival.delivery.as_ref()?.id.as_str()))
            .collect();
        let mut recorded = HashMap::new();
        if !ids.is_empty() {
            let found = rows(
                transaction,
                "SELECT id, connection FROM deliveries WHERE id = ANY ($1)",
                &[&ids],
            )
            .await?;
            for row in &found {
                recorded.insert(get(row, 0)?, get(row, 1)?);
            }
        }
        Ok(Self {
            recorded,
            records: Vec::new(),
        })
    }

    /// Whether a delivery that was recorded before belongs to this connection.
    pub(super) fn ensure_is_of(
        &self,
        connection: i64,
        delivery: Option<&DeliveryRecord>,
    ) -> Result<(), LedgerError> {
        match delivery.and_then(|record| Some((record, self.recorded.get(record.id.as_str())?))) {
            Some((record, owner)) if *owner != connection => Err(LedgerError::Invalid(format!(
                "the delivery {} belongs to another connection",
                record.id
            ))),
            _ => Ok(()),
        }
    }

    /// Records a delivery when the log is stored.
    pub(super) fn record(&mut self, connection: i64, record: &'a DeliveryRecord) {
        self.records.push((connection, record));
    }

    /// Stores the log and keeps it within its bounds.
    pub(super) async fn store(
        self,
        transaction: &Transaction<'_>,
        retention: &Retention,
    ) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let stored = self.insert(transaction).await?;
        let mut added: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
        for (connection, record) in &self.records {
            let (rows, last) = added.entry(*connection).or_default();
            let Some(Stored { number, attempts }) = stored.get(record.id.as_str()).copied() else {
                continue;
            };
            *rows += i64::from(attempts == 1);
            match record.status {
                DeliveryStatus::Failed => {
                    // A replay that fails again keeps what there is.
                    if let Some(sealed) = &record.sealed_request {
                        keep_request(transaction, number, sealed, retention).await?;
                    }
                }
                DeliveryStatus::Refused => forget_request(transaction, number).await?,
                _ => {
                    // Until its first success nothing is kept of it.
                    if attempts > 1 {
                        forget_request(transaction, number).await?;
                        mark_superseded(transaction, *connection, number, record).await?;
                    }
                    *last = (*last).max(Some(record.received_at.as_millisecond()));
                }
            }
        }
        count(transaction, &added, retention).await
    }

    /// Only what is failed can become something else: of two replays at a time, the one that succeeds
    /// counts. The others are missing from what this returns.
    async fn insert(&self, transaction: &Transaction<'_>) -> Result<HashMap<String, Stored>> {
        let column = |of: fn(&DeliveryRecord) -> i64| {
            (self.records.iter())
                .map(|(_, record)| of(record))
                .collect::<Vec<_>>()
        };
        let texts = |of: fn(&'a DeliveryRecord) -> &'a str| {
            (self.records.iter())
                .map(|(_, record)| of(record))
                .collect::<Vec<_>>()
        };
        let events: Vec<Option<&str>> = (self.records.iter())
            .map(|(_, record)| record.event_id.as_deref())
            .collect();
        let connections: Vec<i64> = self.records.iter().map(|(number, _)| *number).collect();
        let found = rows(
            transaction,
            "INSERT INTO deliveries AS stored
                 (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                 $7::text[], $8::text[], $9::bigint[])
             ON CONFLICT (id) DO UPDATE SET handled_at = excluded.handled_at, elapsed_us = excluded.elapsed_us,
                 event_id = excluded.event_id, status = excluded.status, detail = excluded.detail,
                 attempts = stored.attempts + 1
             WHERE stored.connection = excluded.connection AND stored.status = 'failed'
             RETURNING id, number, attempts",
            &[
                &texts(|record| record.id.as_str()),
                &connections,
                &column(|record| record.received_at.as_millisecond()),
                &column(|record| record.handled_at.as_millisecond()),
                &column(|record| signed(record.elapsed_us)),
                &events,
                &texts(|record| record.status.as_str()),
                &texts(|record| record.detail.as_str()),
                &column(|record| signed(record.size_bytes)),
            ],
        )
        .await?;
        found
            .iter()
            .map(|row| {
                let stored = Stored {
                    number: get(row, 1)?,
                    attempts: get(row, 2)?,
                };
                Ok((get(row, 0)?, stored))
            })
            .collect()
    }
}

/// What became of a record.
#[derive(Clone, Copy)]
struct Stored {
    number: i64,
    attempts: i32,
}

async fn mark_superseded(
    transaction: &Transaction<'_>,
    connection: i64,
    number: i64,
    record: &DeliveryRecord,
) -> Result<()> {
    let Some(event) = &record.event_id else {
        return Ok(());
    };
    execute(
        transaction,
        "UPDATE deliveries SET status = 'superseded', detail = $4
         WHERE number = $1 AND EXISTS (
             SELECT 1 FROM deliveries AS other
             WHERE other.connection = $2 AND other.event_id = $3 AND other.number <> $1
                 AND other.status IN ('accepted', 'ignored')
         )",
        &[&number, &connection, event, &SUPERSEDED],
    )
    .await?;
    Ok(())
}

async fn forget_request(transaction: &Transaction<'_>, number: i64) -> Result<()> {
    execute(
        transaction,
        "DELETE FROM delivery_requests WHERE delivery = $1",
        &[&number],
    )
    .await?;
    Ok(())
}

async fn keep_request(
    transaction: &Transaction<'_>,
    number: i64,
    sealed: &[u8],
    retention: &Retention,
) -> Result<()> {
    // What is too large by itself must not push out everything else.
    let most_bytes = signed(retention.request_bytes);
    if signed(sealed.len() as u64) > most_bytes {
        return forget_request(transaction, number).await;
    }
    execute(
        transaction,
        "INSERT INTO delivery_requests (delivery, sealed) VALUES ($1, $2)
         ON CONFLICT (delivery) DO UPDATE SET sealed = excluded.sealed",
        &[&number, &sealed],
    )
    .await?;
    // The oldest make room; those that somebody else is handling stay. With smaller settings than before
    // there is much to remove: a part of it now.
    execute(
        transaction,
        "DELETE FROM delivery_requests WHERE delivery IN (
             SELECT delivery FROM delivery_requests
             WHERE delivery IN (
                 SELECT delivery FROM (
                     SELECT delivery, row_number() OVER newest AS requests,
                         sum(octet_length(sealed)) OVER newest AS bytes
                     FROM delivery_requests WINDOW newest AS (ORDER BY delivery DESC)
                 ) AS kept
                 WHERE requests > $1 OR bytes > $2
             )
             ORDER BY delivery LIMIT $3 FOR UPDATE SKIP LOCKED
         )",
        &[&i64::from(retention.requests), &most_bytes, &PRUNED_AT_ONCE],
    )
    .await?;
    Ok(())
}

/// Counts what was added to the logs of connections, and removes what is too much.
async fn count(
    transaction: &Transaction<'_>,
    added: &BTreeMap<i64, (i64, Option<i64>)>,
    retention: &Retention,
) -> Result<()> {
    let connections: Vec<i64> = added.keys().copied().collect();
    let (counts, lasts): (Vec<i64>, Vec<Option<i64>>) = added.values().copied().unzip();
    let found = rows(
        transaction,
        "UPDATE connections SET deliveries = connections.deliveries + added.deliveries,
             last_delivery_at = greatest(last_delivery_at, added.last)
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS added (connection, deliveries, last)
         WHERE connections.number = added.connection
         RETURNING connections.number, connections.deliveries",
        &[&connections, &counts, &lasts],
    )
    .await?;
    for row in &found {
        prune_log(transaction, get(row, 0)?, get(row, 1)?, retention).await?;
    }
    Ok(())
}

async fn prune_log(
    transaction: &Transaction<'_>,
    connection: i64,
    rows: i64,
    retention: &Retention,
) -> Result<()> {
    let most_rows = i64::from(retention.rows);
    if rows <= most_rows {
        return Ok(());
    }
    let replayable = row(
        transaction,
        "SELECT count(*) FROM delivery_requests JOIN deliveries ON number = delivery WHERE connection = $1",
        &[&connection],
    )
    .await?;
    let replayable: i64 = replayable.map_or(Ok(0), |row| get(&row, 0))?;
    let excess = rows - replayable - most_rows;
    if excess <= 0 {
        return Ok(());
    }
    // More than necessary, so that it happens rarely; never what was just recorded.
    let removed = (excess + most_rows / 100).min(PRUNED_AT_ONCE);
    let removed = execute(
        transaction,
        "DELETE FROM deliveries WHERE number IN (
             SELECT number FROM deliveries
             WHERE connection = $1 AND NOT EXISTS (
                 SELECT 1 FROM delivery_requests WHERE delivery = deliveries.number
             )
             ORDER BY number LIMIT $2
         )",
        &[&connection, &removed],
    )
    .await?;
    execute(
        transaction,
        "UPDATE connections SET deliveries = deliveries - $2 WHERE number = $1",
        &[&connection, &signed(removed)],
    )
    .await?;
    Ok(())
}

/// Removes some of what is older than it is to be kept. True: there is more.
pub(super) async fn prune_old(
    transaction: &Transaction<'_>,
    now: Timestamp,
    retention: &Retention,
) -> Result<bool> {
    let before = |age| {
        now.checked_sub(age)
            .unwrap_or(Timestamp::MIN)
            .as_millisecond()
    };
    // Numbers are about in the order of arrival, so the oldest tell whether there is anything to do.
    let requests = execute(
        transaction,
        "DELETE FROM delivery_requests WHERE delivery IN (
             SELECT delivery FROM (
                 SELECT delivery FROM delivery_requests ORDER BY delivery LIMIT $2 FOR UPDATE SKIP LOCKED
             ) AS oldest JOIN deliveries ON number = delivery
             WHERE received_at < $1
         )",
        &[&before(retention.request_age), &PRUNED_AT_ONCE],
    )
    .await?;
    let removed = rows(
        transaction,
        "DELETE FROM deliveries WHERE number IN (
             SELECT number FROM (
                 SELECT number, received_at FROM deliveries ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED
             ) AS oldest
             WHERE received_at < $1
         ) RETURNING connection",
        &[&before(retention.age), &PRUNED_AT_ONCE],
    )
    .await?;
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    for row in &removed {
        *counts.entry(get(row, 0)?).or_default() += 1;
    }
    let (connections, counts): (Vec<i64>, Vec<i64>) = counts.into_iter().unzip();
    execute(
        transaction,
        "UPDATE connections SET deliveries = connections.deliveries - removed.deliveries
         FROM unnest($1::bigint[], $2::bigint[]) AS removed (connection, deliveries)
         WHERE connections.number = removed.connection",
        &[&connections, &counts],
    )
    .await?;
    Ok(signed(requests).max(removed.len() as i64) == PRUNED_AT_ONCE)
}
