//! Coverage, the heartbeat, and the log of a connection.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::SqlLedger;
use crate::backend::{Backend, SqlDatabase, connection_number, first, lock_connection, row, rows};
use crate::connections::attention;
use crate::failure::Result;
use crate::values::{Columns, values};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{
    ConnectionEvent, Coverage, CoverageChange, CoverageLog, EventKind, Gap, LedgerError,
    MAX_EVENTS, Page, in_page, number_before,
};

#[async_trait]
impl<D: SqlDatabase> CoverageLog for SqlLedger<D> {
    async fn heartbeat(&self, now: Timestamp) -> Result<Option<Timestamp>, LedgerError> {
        let beat = (self.database).change_unfenced(now, |db, now| Box::pin(heartbeat(db, *now)));
        beat.await
    }

    async fn last_heartbeat(&self) -> Result<Option<Timestamp>, LedgerError> {
        let last = self
            .database
            .read((), |db, ()| Box::pin(last_heartbeat(db)));
        last.await
    }

    async fn change_coverage(
        &self,
        id: &ConnectionId,
        change: CoverageChange,
    ) -> Result<Coverage, LedgerError> {
        let given = (id.clone(), change);
        let change = self.database.change(given, |db, (id, change)| {
            Box::pin(self::change(db, id, change))
        });
        change.await
    }

    async fn delivery_times(
        &self,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>, LedgerError> {
        let given = (id.clone(), limit);
        let times = self.database.read(given, |db, (id, limit)| {
            Box::pin(delivery_times(db, id, *limit))
        });
        times.await
    }

    async fn note(&self, id: &ConnectionId, name: &str) -> Result<Option<String>, LedgerError> {
        let given = (id.clone(), name.to_owned());
        let note = self.database.read(given, |db, (id, name)| {
            Box::pin(async move { note(db, connection_number(db, id).await?, name).await })
        });
        note.await
    }

    async fn change_note(
        &self,
        id: &ConnectionId,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
        let given = (id.clone(), name.to_owned(), before, after);
        let change = self
            .database
            .change(given, |db, (id, name, before, after)| {
                Box::pin(change_note(
                    db,
                    id,
                    name,
                    before.as_deref(),
                    after.as_deref(),
                ))
            });
        change.await
    }

    async fn record_event(
        &self,
        id: &ConnectionId,
        event: ConnectionEvent,
    ) -> Result<(), LedgerError> {
        let given = (id.clone(), event);
        let record = self.database.change(given, |db, (id, event)| {
            Box::pin(record_event(db, id, event))
        });
        record.await
    }

    async fn events(
        &self,
        id: &ConnectionId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionEvent>, LedgerError> {
        let given = (id.clone(), cursor.map(str::to_owned), limit);
        let events = self.database.read(given, |db, (id, cursor, limit)| {
            Box::pin(events(db, id, cursor.as_deref(), *limit))
        });
        events.await
    }
}

/// The columns that [`coverage`] reads.
pub const COLUMNS: &str =
    "coalesce(connected_at, created_at), coalesce(covered_until, created_at), gap_from, gap_reason,
        gap_opened_at, gap_noticed_at, gap_obstacle_code, gap_obstacle_message, reconciled_at, verified_at";

/// The coverage, from [`COLUMNS`] that begin at `first`.
pub fn coverage(row: &dyn Columns, first: usize) -> Result<Coverage> {
    Ok(Coverage {
        connected_at: row.get(first)?,
        covered_until: row.get(first + 1)?,
        gap: match row.get(first + 2)? {
            Some(from) => Some(Gap {
                from,
                reason: row.get(first + 3)?,
                opened_at: row.get(first + 4)?,
                noticed_at: row.get(first + 5)?,
                obstacle: attention(row, first + 6)?,
            }),
            None => None,
        },
        reconciled_at: row.get(first + 8)?,
        verified_at: row.get(first + 9)?,
    })
}

pub async fn change(
    db: &dyn Backend,
    id: &ConnectionId,
    change: &CoverageChange,
) -> Result<Coverage> {
    let number = lock_connection(db, id).await?;
    let after = find(db, number).await?.after(change.clone());
    store(db, number, &after).await?;
    // As it is kept: in whole milliseconds.
    find(db, number).await
}

pub async fn store(db: &dyn Backend, number: i64, after: &Coverage) -> Result<()> {
    let gap = after.gap.as_ref();
    let obstacle = gap.and_then(|gap| gap.obstacle.as_ref());
    db.execute(
        "UPDATE connections SET connected_at = $2, covered_until = $3, gap_from = $4, gap_reason = $5,
             gap_opened_at = $6, gap_noticed_at = $7, gap_obstacle_code = $8, gap_obstacle_message = $9,
             reconciled_at = $10, verified_at = $11
         WHERE number = $1",
        values![
            number,
            after.connected_at,
            after.covered_until,
            gap.map(|gap| gap.from),
            gap.map(|gap| &gap.reason),
            gap.map(|gap| gap.opened_at),
            gap.map(|gap| gap.noticed_at),
            obstacle.map(|obstacle| &obstacle.code),
            obstacle.map(|obstacle| &obstacle.message),
            after.reconciled_at,
            after.verified_at,
        ],
    )
    .await?;
    Ok(())
}

async fn find(db: &dyn Backend, number: i64) -> Result<Coverage> {
    let sql = format!("SELECT {COLUMNS} FROM connections WHERE number = $1");
    let found = row(db, &sql, values![number], |row| coverage(row, 0)).await?;
    Ok(found.ok_or_else(|| LedgerError::NotFound("the connection was just removed".to_owned()))?)
}

pub async fn last_heartbeat(db: &dyn Backend) -> Result<Option<Timestamp>> {
    row(db, "SELECT at FROM heartbeat", &[], first).await
}

async fn heartbeat(db: &dyn Backend, now: Timestamp) -> Result<Option<Timestamp>> {
    let before = last_heartbeat(db).await?;
    db.note_heartbeat(now).await?;
    Ok(before)
}

async fn delivery_times(
    db: &dyn Backend,
    id: &ConnectionId,
    limit: usize,
) -> Result<Vec<Timestamp>> {
    let connection = connection_number(db, id).await?;
    rows(
        db,
        "SELECT received_at FROM deliveries WHERE connection = $1 AND status = 'accepted'
         ORDER BY number DESC LIMIT $2",
        values![connection, in_page(limit)],
        first,
    )
    .await
}

async fn note(db: &dyn Backend, connection: i64, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM connection_notes WHERE connection = $1 AND name = $2";
    row(db, sql, values![connection, name], first).await
}

async fn change_note(
    db: &dyn Backend,
    id: &ConnectionId,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<bool> {
    let connection = lock_connection(db, id).await?;
    if note(db, connection, name).await?.as_deref() != before {
        return Ok(false);
    }
    match after {
        Some(value) => {
            let put = "INSERT INTO connection_notes (connection, name, value) VALUES ($1, $2, $3)
                 ON CONFLICT (connection, name) DO UPDATE SET value = excluded.value";
            db.execute(put, values![connection, name, value]).await?
        }
        None => {
            let forget = "DELETE FROM connection_notes WHERE connection = $1 AND name = $2";
            db.execute(forget, values![connection, name]).await?
        }
    };
    Ok(true)
}

async fn record_event(db: &dyn Backend, id: &ConnectionId, event: &ConnectionEvent) -> Result<()> {
    let connection = lock_connection(db, id).await?;
    let newest: Option<(String, String)> = row(
        db,
        "SELECT kind, message FROM connection_events WHERE connection = $1 ORDER BY number DESC LIMIT 1",
        values![connection],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
    .await?;
    if newest.is_some_and(|(kind, message)| kind == event.kind.as_str() && message == event.message)
    {
        return Ok(());
    }
    insert_event(db, connection, event).await?;
    db.execute(
        "DELETE FROM connection_events WHERE connection = $1 AND number <= (
             SELECT number FROM connection_events WHERE connection = $1 ORDER BY number DESC LIMIT 1 OFFSET $2
         )",
        values![connection, MAX_EVENTS],
    )
    .await?;
    Ok(())
}

pub async fn insert_event(
    db: &dyn Backend,
    connection: i64,
    event: &ConnectionEvent,
) -> Result<()> {
    db.execute(
        "INSERT INTO connection_events (connection, at, kind, message) VALUES ($1, $2, $3, $4)",
        values![connection, event.at, event.kind.as_str(), &event.message],
    )
    .await?;
    Ok(())
}

async fn events(
    db: &dyn Backend,
    id: &ConnectionId,
    cursor: Option<&str>,
    limit: usize,
) -> Result<Page<ConnectionEvent>> {
    let before = number_before(cursor, "a connection's log")?;
    let connection = connection_number(db, id).await?;
    let limit = in_page(limit);
    let found = rows(
        db,
        "SELECT number, at, kind, message FROM connection_events WHERE connection = $1 AND number < $2
         ORDER BY number DESC LIMIT $3",
        values![connection, before, limit + 1],
        |row| Ok((row.get(0)?, event(row)?)),
    )
    .await?;
    Ok(Page::of_numbered(found, limit))
}

/// An event, from the columns after its number.
pub fn event(row: &dyn Columns) -> Result<ConnectionEvent> {
    Ok(ConnectionEvent {
        at: row.get(1)?,
        kind: row.named(2, EventKind::from_name)?,
        message: row.get(3)?,
    })
}
