//! Recording deliveries many at a time, within the bounds of the log.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;

use super::batcher::PendingApply;
use super::connection::Postgres;
use super::values::get;
use crate::backend::Backend as _;
use crate::delivery_log::{forget_request, mark_superseded, prune_log};
use crate::failure::Result;
use crate::values::signed;
use integration_host_database::postgres::{execute, row, rows};
use integration_host_ledger::delivery::{Identity, Outcome};
use integration_host_ledger::{
    DeliveryRecord, DeliveryStatus, LedgerError, PRUNED_AT_ONCE, Retention,
};

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
            Some((record, owner)) if *owner != connection => Err(record.is_of_another()),
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
        let db = Postgres(transaction);
        let repetitions = self.take_repetitions(transaction).await?;
        let stored = self.insert(transaction).await?;
        repetitions.count(transaction, &stored, retention).await?;
        let mut added: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
        for (connection, record) in &self.records {
            let (rows, last) = added.entry(*connection).or_default();
            let Some(Stored { number, attempts }) = stored.get(record.id.as_str()).copied() else {
                continue;
            };
            *rows += i64::from(!self.recorded.contains_key(record.id.as_str()));
            match record.outcome(u32::try_from(attempts).unwrap_or_default()) {
                Outcome::Failed { keep: Some(sealed) } => {
                    keep_request(transaction, number, sealed, retention).await?;
                }
                Outcome::Failed { keep: None } => {}
                Outcome::Refused => forget_request(&db, number).await?,
                Outcome::Handled { was_failed } => {
                    if was_failed {
                        forget_request(&db, number).await?;
                        mark_superseded(&db, *connection, number, record).await?;
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

async fn keep_request(
    transaction: &Transaction<'_>,
    number: i64,
    sealed: &[u8],
    retention: &Retention,
) -> Result<()> {
    if retention.is_too_large(sealed) {
        return forget_request(&Postgres(transaction), number).await;
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
        &[
            &i64::from(retention.requests),
            &retention.most_bytes(),
            &PRUNED_AT_ONCE,
        ],
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
    let db = Postgres(transaction);
    for row in &found {
        let (connection, rows) = (get(row, 0)?, get(row, 1)?);
        let removed = prune_log(&db, connection, rows, retention).await?;
        if removed > 0 {
            let removed = BTreeMap::from([(connection, signed(removed))]);
            db.count_removed(&removed).await?;
        }
    }
    Ok(())
}
