//! Keeping the delivery log, within its bounds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use deadpool_postgres::Transaction;
use jiff::Timestamp;

use super::batcher::PendingApply;
use super::values::{get, signed, timestamp};
use super::{Failure, Result};
use integration_host_database::postgres::{execute, row, rows};
use integration_host_ledger::delivery::Identity;
use integration_host_ledger::{
    AgeLook, DeliveryRecord, DeliveryStatus, LedgerError, Retention, SUPERSEDED,
};

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
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        pending: &[PendingApply],
    ) -> Result<Self> {
        let ids: Vec<&str> = pending
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
        mut self,
        transaction: &Transaction<'_>,
        retention: &Retention,
    ) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let repetitions = self.take_repetitions(transaction).await?;
        let stored = self.insert(transaction).await?;
        repetitions.count(transaction, &stored, retention).await?;
        let mut added: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
        for (connection, record) in &self.records {
            let (rows, last) = added.entry(*connection).or_default();
            let Some(Stored { number, attempts }) = stored.get(record.id.as_str()).copied() else {
                continue;
            };
            *rows += i64::from(attempts == times(record));
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

    /// Takes out what came before under another id, recorded already or with this log.
    async fn take_repetitions(&mut self, transaction: &Transaction<'_>) -> Result<Repetitions<'a>> {
        let mut first = self.read_first(transaction).await?;
        let mut repetitions = Repetitions::default();
        let recorded = &self.recorded;
        self.records.retain(|(connection, record)| {
            // A replay is no repetition.
            let identity = record.identity();
            let Some(identity) = identity.filter(|_| !recorded.contains_key(record.id.as_str()))
            else {
                return true;
            };
            match first.get(&(*connection, identity)) {
                Some(first) => {
                    repetitions.0.push((*first, record));
                    false
                }
                None => {
                    first.insert((*connection, identity), First::New(record.id.as_str()));
                    true
                }
            }
        });
        Ok(repetitions)
    }

    /// The rows of deliveries that came before.
    async fn read_first(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<HashMap<(i64, Identity<'a>), First<'a>>> {
        let mut first = HashMap::new();
        for (condition, kind) in [
            (
                "event_id = identity AND status IN ('accepted', 'ping', 'ignored')",
                Kind::Event,
            ),
            (
                "digest = identity AND status IN ('accepted', 'ping', 'ignored')",
                Kind::Handled,
            ),
            ("digest = identity AND status = 'failed'", Kind::Failed),
        ] {
            let of_kind: Vec<(i64, &'a str, Identity<'a>)> = (self.records.iter())
                .filter_map(|(connection, record)| {
                    let identity = record.identity()?;
                    let text = match (identity, kind) {
                        (Identity::Event(text), Kind::Event)
                        | (Identity::Handled(text), Kind::Handled)
                        | (Identity::Failed(text), Kind::Failed) => text,
                        _ => return None,
                    };
                    Some((*connection, text, identity))
                })
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            let connections: Vec<i64> =
                of_kind.iter().map(|(connection, ..)| *connection).collect();
            let texts: Vec<&str> = of_kind.iter().map(|(_, text, _)| *text).collect();
            // Written so that each is looked up by the index.
            let found = rows(
                transaction,
                &format!(
                    "SELECT place, (
                         SELECT min(number) FROM deliveries
                         WHERE deliveries.connection = sought.connection AND {condition}
                     )
                     FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS sought (connection, identity, place)"
                ),
                &[&connections, &texts],
            )
            .await?;
            for row in &found {
                let (place, number): (i64, Option<i64>) = (get(row, 0)?, get(row, 1)?);
                let sought = usize::try_from(place - 1)
                    .ok()
                    .and_then(|place| of_kind.get(place));
                if let (Some((connection, _, identity)), Some(number)) = (sought, number) {
                    first.insert((*connection, *identity), First::Row(number));
                }
            }
        }
        Ok(first)
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
        let digests: Vec<Option<&str>> = (self.records.iter())
            .map(|(_, record)| record.kept_digest())
            .collect();
        let times: Vec<i32> = (self.records.iter())
            .map(|(_, record)| times(record))
            .collect();
        let found = rows(
            transaction,
            "INSERT INTO deliveries AS stored
                 (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes, digest,
                  attempts)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[],
                 $7::text[], $8::text[], $9::bigint[], $10::text[], $11::int[])
             ON CONFLICT (id) DO UPDATE SET handled_at = excluded.handled_at, elapsed_us = excluded.elapsed_us,
                 event_id = excluded.event_id, status = excluded.status, detail = excluded.detail,
                 digest = coalesce(excluded.digest, stored.digest), attempts = stored.attempts + 1
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
                &digests,
                &times,
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

/// What an [`Identity`] is made of.
#[derive(Clone, Copy)]
enum Kind {
    Event,
    Handled,
    Failed,
}

/// Where a delivery was recorded first.
#[derive(Clone, Copy)]
enum First<'a> {
    /// In this row.
    Row(i64),
    /// With this log, under this id.
    New(&'a str),
}

/// Deliveries that came again, and where they were recorded first.
#[derive(Default)]
struct Repetitions<'a>(Vec<(First<'a>, &'a DeliveryRecord)>);

impl Repetitions<'_> {
    /// Counts each in its row. One that failed counts as no attempt: it was not the replay that failed.
    async fn count(
        &self,
        transaction: &Transaction<'_>,
        stored: &HashMap<String, Stored>,
        retention: &Retention,
    ) -> Result<()> {
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for (first, record) in &self.0 {
            let number = match first {
                First::Row(number) => *number,
                First::New(id) => match stored.get(*id) {
                    Some(stored) => stored.number,
                    None => continue,
                },
            };
            if record.status != DeliveryStatus::Failed {
                *counts.entry(number).or_default() += i64::from(times(record));
            } else if let Some(sealed) = &record.sealed_request {
                // The first of this log's is kept with the rest of it.
                if matches!(first, First::New(_)) {
                    continue;
                }
                let kept = row(
                    transaction,
                    "SELECT 1 FROM delivery_requests WHERE delivery = $1",
                    &[&number],
                )
                .await?;
                if kept.is_none() {
                    keep_request(transaction, number, sealed, retention).await?;
                }
            }
        }
        if counts.is_empty() {
            return Ok(());
        }
        let (numbers, counts): (Vec<i64>, Vec<i64>) = counts.into_iter().unzip();
        execute(
            transaction,
            "UPDATE deliveries SET attempts = least(attempts + again.times, 2147483647)
             FROM unnest($1::bigint[], $2::bigint[]) AS again (number, times)
             WHERE deliveries.number = again.number",
            &[&numbers, &counts],
        )
        .await?;
        Ok(())
    }
}

/// How many deliveries a record stands for.
fn times(record: &DeliveryRecord) -> i32 {
    i32::try_from(record.times.max(1)).unwrap_or(i32::MAX)
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
             last_delivery_at = greatest(
                 CASE WHEN last_delivery_at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000
                     THEN last_delivery_at END,
                 added.last)
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

/// Notes a look at the time, and returns as of when old deliveries may be removed.
pub(super) async fn look_at_age(
    transaction: &Transaction<'_>,
    now: Timestamp,
    ran: Duration,
) -> Result<Option<Timestamp>> {
    let found = row(
        transaction,
        "SELECT as_of, looked_at, ran_ms FROM age_look FOR UPDATE",
        &[],
    )
    .await?;
    let before = found
        .map(|found| {
            Ok::<_, Failure>(AgeLook {
                as_of: timestamp(&found, 0)?,
                looked_at: timestamp(&found, 1)?,
                ran: Duration::from_millis(get::<i64>(&found, 2)?.unsigned_abs()),
            })
        })
        .transpose()?;
    let (look, as_of) = AgeLook::after(before, now, ran);
    let ran = i64::try_from(look.ran.as_millis()).unwrap_or(i64::MAX);
    execute(
        transaction,
        "INSERT INTO age_look (as_of, looked_at, ran_ms) VALUES ($1, $2, $3)
         ON CONFLICT (single) DO UPDATE
         SET as_of = excluded.as_of, looked_at = excluded.looked_at, ran_ms = excluded.ran_ms",
        &[
            &look.as_of.as_millisecond(),
            &look.looked_at.as_millisecond(),
            &ran,
        ],
    )
    .await?;
    Ok(as_of)
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
