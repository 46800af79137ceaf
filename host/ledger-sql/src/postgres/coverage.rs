//! Coverage, the heartbeat, and the log of a connection.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::values::{get, named, optional_timestamp, timestamp};
use super::{Failure, PostgresLedger, Result, connection_number, lock_connection};
use integration_host_contract::id::ConnectionId;
use integration_host_database::postgres::{execute, row, rows, within_time};
use integration_host_ledger::{
    Attention, ConnectionEvent, Continuity, Coverage, CoverageChange, EventKind, Gap, LedgerError,
    MAX_EVENTS, MAX_PAGE, Page,
};

/// The columns that [`read`] reads.
pub(super) const COLUMNS: &str =
    "coalesce(connected_at, created_at), coalesce(covered_until, created_at), gap_from, gap_reason,
        gap_opened_at, gap_noticed_at, gap_obstacle_code, gap_obstacle_message, reconciled_at, verified_at";

/// The coverage, from [`COLUMNS`] that begin at `first`.
pub(super) fn read(row: &Row, first: usize) -> Result<Coverage> {
    let gap = optional_timestamp(row, first + 2)?
        .map(|from| {
            let obstacle: Option<String> = get(row, first + 6)?;
            let obstacle = obstacle
                .map(|code| {
                    Ok::<_, Failure>(Attention {
                        code,
                        message: get(row, first + 7)?,
                    })
                })
                .transpose()?;
            Ok::<_, Failure>(Gap {
                from,
                reason: get(row, first + 3)?,
                opened_at: timestamp(row, first + 4)?,
                noticed_at: timestamp(row, first + 5)?,
                obstacle,
            })
        })
        .transpose()?;
    Ok(Coverage {
        connected_at: timestamp(row, first)?,
        covered_until: timestamp(row, first + 1)?,
        gap,
        reconciled_at: optional_timestamp(row, first + 8)?,
        verified_at: optional_timestamp(row, first + 9)?,
    })
}

pub(super) async fn change(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    change: &CoverageChange,
) -> Result<Coverage> {
    let number = lock_connection(transaction, id).await?;
    let after = find(transaction, number).await?.after(change.clone());
    store(transaction, number, &after).await?;
    // As it is kept: in whole milliseconds.
    find(transaction, number).await
}

pub(super) async fn store(
    transaction: &Transaction<'_>,
    number: i64,
    after: &Coverage,
) -> Result<()> {
    let gap = after.gap.as_ref();
    let obstacle = gap.and_then(|gap| gap.obstacle.as_ref());
    execute(
        transaction,
        "UPDATE connections SET connected_at = $2, covered_until = $3, gap_from = $4, gap_reason = $5,
             gap_opened_at = $6, gap_noticed_at = $7, gap_obstacle_code = $8, gap_obstacle_message = $9,
             reconciled_at = $10, verified_at = $11
         WHERE number = $1",
        &[
            &number,
            &after.connected_at.as_millisecond(),
            &after.covered_until.as_millisecond(),
            &gap.map(|gap| gap.from.as_millisecond()),
            &gap.map(|gap| &gap.reason),
            &gap.map(|gap| gap.opened_at.as_millisecond()),
            &gap.map(|gap| gap.noticed_at.as_millisecond()),
            &obstacle.map(|obstacle| &obstacle.code),
            &obstacle.map(|obstacle| &obstacle.message),
            &after.reconciled_at.map(Timestamp::as_millisecond),
            &after.verified_at.map(Timestamp::as_millisecond),
        ],
    )
    .await?;
    Ok(())
}

async fn find(client: &impl GenericClient, number: i64) -> Result<Coverage> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE number = $1");
    let found = row(client, &sql, &[&number]).await?;
    let found =
        found.ok_or_else(|| LedgerError::NotFound("the connection was just removed".to_owned()))?;
    read(&found, 0)
}

pub(super) async fn last_heartbeat(client: &impl GenericClient) -> Result<Option<Timestamp>> {
    let found = row(client, "SELECT at FROM heartbeat", &[]).await?;
    found.map(|found| timestamp(&found, 0)).transpose()
}

pub(super) async fn heartbeat(
    transaction: &Transaction<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let before = last_heartbeat(transaction).await?;
    // Clocks of hosts differ a little, and nobody takes back that a host ran, unless it would be in the future by the
    // database's clock.
    execute(
        transaction,
        "INSERT INTO heartbeat (at)
         SELECT least($1, latest.at) FROM (
             SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000 AS at
         ) AS latest
         ON CONFLICT (single) DO UPDATE SET at = greatest(
             CASE WHEN heartbeat.at <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000
                 THEN heartbeat.at END,
             excluded.at)",
        &[&now.as_millisecond()],
    )
    .await?;
    Ok(before)
}

async fn running_ids(
    client: &impl GenericClient,
    id: &ConnectionId,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(client, id).await?;
    let found = rows(
        client,
        "SELECT entry_id FROM activities
         WHERE connection = $1 AND visibility IN (0, 1) AND span = 4 AND place < $2
         ORDER BY place DESC LIMIT $3",
        &[
            &connection,
            &before.as_millisecond(),
            &(limit.clamp(1, MAX_PAGE) as i64),
        ],
    )
    .await?;
    found.iter().map(|row| get(row, 0)).collect()
}

async fn delivery_times(
    client: &impl GenericClient,
    id: &ConnectionId,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let connection = connection_number(client, id).await?;
    let found = rows(
        client,
        "SELECT received_at FROM deliveries WHERE connection = $1 AND status = 'accepted'
         ORDER BY number DESC LIMIT $2",
        &[&connection, &(limit.clamp(1, MAX_PAGE) as i64)],
    )
    .await?;
    found.iter().map(|row| timestamp(row, 0)).collect()
}

async fn note(client: &impl GenericClient, connection: i64, name: &str) -> Result<Option<String>> {
    let found = row(
        client,
        "SELECT value FROM connection_notes WHERE connection = $1 AND name = $2",
        &[&connection, &name],
    )
    .await?;
    found.map(|found| get(&found, 0)).transpose()
}

async fn change_note(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<bool> {
    let connection = lock_connection(transaction, id).await?;
    if note(transaction, connection, name).await?.as_deref() != before {
        return Ok(false);
    }
    match after {
        Some(value) => {
            execute(
                transaction,
                "INSERT INTO connection_notes (connection, name, value) VALUES ($1, $2, $3)
                 ON CONFLICT (connection, name) DO UPDATE SET value = excluded.value",
                &[&connection, &name, &value],
            )
            .await?
        }
        None => {
            execute(
                transaction,
                "DELETE FROM connection_notes WHERE connection = $1 AND name = $2",
                &[&connection, &name],
            )
            .await?
        }
    };
    Ok(true)
}

async fn record_event(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    event: &ConnectionEvent,
) -> Result<()> {
    let connection = lock_connection(transaction, id).await?;
    let newest = row(
        transaction,
        "SELECT kind, message FROM connection_events WHERE connection = $1 ORDER BY number DESC LIMIT 1",
        &[&connection],
    )
    .await?;
    if let Some(newest) = newest
        && get::<&str>(&newest, 0)? == event.kind.as_str()
        && get::<&str>(&newest, 1)? == event.message
    {
        return Ok(());
    }
    execute(
        transaction,
        "INSERT INTO connection_events (connection, at, kind, message) VALUES ($1, $2, $3, $4)",
        &[
            &connection,
            &event.at.as_millisecond(),
            &event.kind.as_str(),
            &event.message,
        ],
    )
    .await?;
    execute(
        transaction,
        "DELETE FROM connection_events WHERE connection = $1 AND number <= (
             SELECT number FROM connection_events WHERE connection = $1 ORDER BY number DESC LIMIT 1 OFFSET $2
         )",
        &[&connection, &(MAX_EVENTS as i64)],
    )
    .await?;
    Ok(())
}

async fn events(
    client: &impl GenericClient,
    id: &ConnectionId,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<ConnectionEvent>> {
    let before: i64 = match cursor {
        None => i64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| {
            LedgerError::Invalid(format!("`{cursor}` is not a cursor of a connection's log"))
        })?,
    };
    let connection = connection_number(client, id).await?;
    let limit = limit.clamp(1, MAX_PAGE);
    let found = rows(
        client,
        "SELECT number, at, kind, message FROM connection_events WHERE connection = $1 AND number < $2
         ORDER BY number DESC LIMIT $3",
        &[&connection, &before, &(limit as i64 + 1)],
    )
    .await?;
    super::page(&found, limit, event)
}

pub(super) fn event(row: &Row) -> Result<ConnectionEvent> {
    Ok(ConnectionEvent {
        at: timestamp(row, 1)?,
        kind: named(row, 2, EventKind::from_name)?,
        message: get(row, 3)?,
    })
}

#[async_trait]
impl Continuity for PostgresLedger {
    async fn heartbeat(&self, now: Timestamp) -> Result<Option<Timestamp>, LedgerError> {
        let beat = self.database.change(&now, |transaction, now| {
            Box::pin(heartbeat(transaction, *now))
        });
        Ok(beat.await?)
    }

    async fn last_heartbeat(&self) -> Result<Option<Timestamp>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(last_heartbeat(&client)).await?)
    }

    async fn change_coverage(
        &self,
        id: &ConnectionId,
        change: CoverageChange,
    ) -> Result<Coverage, LedgerError> {
        let given = (id, change);
        let change = self.change(&given, |transaction, (id, change)| {
            Box::pin(self::change(transaction, id, change))
        });
        Ok(change.await?)
    }

    async fn running_ids(
        &self,
        id: &ConnectionId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(running_ids(&client, id, before, limit)).await?)
    }

    async fn delivery_times(
        &self,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(delivery_times(&client, id, limit)).await?)
    }

    async fn note(&self, id: &ConnectionId, name: &str) -> Result<Option<String>, LedgerError> {
        let client = self.client().await?;
        let found = async {
            let connection = connection_number(&client, id).await?;
            note(&client, connection, name).await
        };
        Ok(within_time(found).await?)
    }

    async fn change_note(
        &self,
        id: &ConnectionId,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let given = (id, name, before, after);
        let change = self.change(&given, |transaction, (id, name, before, after)| {
            Box::pin(change_note(transaction, id, name, *before, *after))
        });
        Ok(change.await?)
    }

    async fn record_event(
        &self,
        id: &ConnectionId,
        event: ConnectionEvent,
    ) -> Result<(), LedgerError> {
        let given = (id, event);
        let record = self.change(&given, |transaction, (id, event)| {
            Box::pin(record_event(transaction, id, event))
        });
        Ok(record.await?)
    }

    async fn events(
        &self,
        id: &ConnectionId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionEvent>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(events(&client, id, cursor, limit)).await?)
    }
}
