//! Coverage, the heartbeat, and the log of a connection.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, SqliteLedger, connection_number, rows};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::{
    Attention, ConnectionEvent, Continuity, Coverage, CoverageChange, EventKind, Gap, LedgerError,
    MAX_EVENTS, MAX_PAGE, Page,
};

/// The columns that [`coverage`] reads.
pub(super) const COLUMNS: &str =
    "ifnull(connected_at, created_at), ifnull(covered_until, created_at), gap_from, gap_reason,
        gap_opened_at, gap_noticed_at, gap_obstacle_code, gap_obstacle_message, reconciled_at, verified_at";

/// The coverage, from [`COLUMNS`] that begin at `first`.
pub(super) fn coverage(row: &Row<'_>, first: usize) -> rusqlite::Result<Coverage> {
    let gap = rows::optional_timestamp(row, first + 2)?
        .map(|from| {
            let obstacle: Option<String> = row.get(first + 6)?;
            let obstacle = obstacle
                .map(|code| {
                    Ok::<_, rusqlite::Error>(Attention {
                        code,
                        message: row.get(first + 7)?,
                    })
                })
                .transpose()?;
            Ok::<_, rusqlite::Error>(Gap {
                from,
                reason: row.get(first + 3)?,
                opened_at: rows::timestamp(row, first + 4)?,
                noticed_at: rows::timestamp(row, first + 5)?,
                obstacle,
            })
        })
        .transpose()?;
    Ok(Coverage {
        connected_at: rows::timestamp(row, first)?,
        covered_until: rows::timestamp(row, first + 1)?,
        gap,
        reconciled_at: rows::optional_timestamp(row, first + 8)?,
        verified_at: rows::optional_timestamp(row, first + 9)?,
    })
}

pub(super) fn change(
    database: &Database,
    id: &ConnectionId,
    change: CoverageChange,
) -> Result<Coverage> {
    let number = connection_number(database, id)?;
    let before = database
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM connections WHERE number = ?1"
        ))?
        .query_row(params![number], |row| coverage(row, 0))?;
    store(database, number, &before.after(change))?;
    // As it is kept: in whole milliseconds.
    Ok(database
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM connections WHERE number = ?1"
        ))?
        .query_row(params![number], |row| coverage(row, 0))?)
}

pub(super) fn store(database: &Database, number: i64, after: &Coverage) -> Result<()> {
    let gap = after.gap.as_ref();
    let obstacle = gap.and_then(|gap| gap.obstacle.as_ref());
    database
        .prepare_cached(
            "UPDATE connections SET connected_at = ?2, covered_until = ?3, gap_from = ?4, gap_reason = ?5,
                 gap_opened_at = ?6, gap_noticed_at = ?7, gap_obstacle_code = ?8, gap_obstacle_message = ?9,
                 reconciled_at = ?10, verified_at = ?11
             WHERE number = ?1",
        )?
        .execute(params![
            number,
            after.connected_at.as_millisecond(),
            after.covered_until.as_millisecond(),
            gap.map(|gap| gap.from.as_millisecond()),
            gap.map(|gap| &gap.reason),
            gap.map(|gap| gap.opened_at.as_millisecond()),
            gap.map(|gap| gap.noticed_at.as_millisecond()),
            obstacle.map(|obstacle| &obstacle.code),
            obstacle.map(|obstacle| &obstacle.message),
            after.reconciled_at.map(Timestamp::as_millisecond),
            after.verified_at.map(Timestamp::as_millisecond),
        ])?;
    Ok(())
}

pub(super) fn last_heartbeat(database: &Database) -> Result<Option<Timestamp>> {
    Ok(database
        .prepare_cached("SELECT at FROM heartbeat")?
        .query_row([], |row| rows::timestamp(row, 0))
        .optional()?)
}

pub(super) fn heartbeat(database: &Database, now: Timestamp) -> Result<Option<Timestamp>> {
    let before = last_heartbeat(database)?;
    database
        .prepare_cached(
            // Nobody takes back that a host ran, unless it would be in the future, whichever clock one asks.
            "INSERT INTO heartbeat (only, at) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE
             SET at = CASE WHEN heartbeat.at <= max(?1, ?2) + 60000 THEN max(heartbeat.at, ?1) ELSE ?1 END",
        )?
        .execute(params![
            now.as_millisecond(),
            Timestamp::now().as_millisecond()
        ])?;
    Ok(before)
}

fn running_ids(
    database: &Database,
    id: &ConnectionId,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<String>> {
    let connection = connection_number(database, id)?;
    let ids = database
        .prepare_cached(
            "SELECT entry_id FROM activities INDEXED BY activities_by_connection
             WHERE connection = ?1 AND visibility IN (0, 1) AND span = 4 AND place < ?2
             ORDER BY place DESC LIMIT ?3",
        )?
        .query_map(
            params![
                connection,
                before.as_millisecond(),
                limit.clamp(1, MAX_PAGE) as i64
            ],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

fn delivery_times(database: &Database, id: &ConnectionId, limit: usize) -> Result<Vec<Timestamp>> {
    let connection = connection_number(database, id)?;
    let times = database
        .prepare_cached(
            "SELECT received_at FROM deliveries WHERE connection = ?1 AND status = 'accepted'
             ORDER BY number DESC LIMIT ?2",
        )?
        .query_map(
            params![connection, limit.clamp(1, MAX_PAGE) as i64],
            |row| rows::timestamp(row, 0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(times)
}

fn note(database: &Database, id: &ConnectionId, name: &str) -> Result<Option<String>> {
    let connection = connection_number(database, id)?;
    Ok(database
        .prepare_cached("SELECT value FROM connection_notes WHERE connection = ?1 AND name = ?2")?
        .query_row(params![connection, name], |row| row.get(0))
        .optional()?)
}

fn change_note(
    database: &Database,
    id: &ConnectionId,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<bool> {
    if note(database, id, name)?.as_deref() != before {
        return Ok(false);
    }
    let connection = connection_number(database, id)?;
    match after {
        Some(value) => database
            .prepare_cached(
                "INSERT INTO connection_notes (connection, name, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (connection, name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![connection, name, value])?,
        None => database
            .prepare_cached("DELETE FROM connection_notes WHERE connection = ?1 AND name = ?2")?
            .execute(params![connection, name])?,
    };
    Ok(true)
}

fn record_event(database: &Database, id: &ConnectionId, event: &ConnectionEvent) -> Result<()> {
    let connection = connection_number(database, id)?;
    let newest: Option<(String, String)> = database
        .prepare_cached(
            "SELECT kind, message FROM connection_events WHERE connection = ?1 ORDER BY number DESC LIMIT 1",
        )?
        .query_row(params![connection], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if newest.is_some_and(|(kind, message)| kind == event.kind.as_str() && message == event.message)
    {
        return Ok(());
    }
    database
        .prepare_cached(
            "INSERT INTO connection_events (connection, at, kind, message) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            connection,
            event.at.as_millisecond(),
            event.kind.as_str(),
            event.message
        ])?;
    database
        .prepare_cached(
            "DELETE FROM connection_events WHERE connection = ?1 AND number <= (
                 SELECT number FROM connection_events WHERE connection = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2
             )",
        )?
        .execute(params![connection, MAX_EVENTS as i64])?;
    Ok(())
}

fn events(
    database: &Database,
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
    let connection = connection_number(database, id)?;
    let limit = limit.clamp(1, MAX_PAGE);
    let mut found: Vec<(i64, ConnectionEvent)> = database
        .prepare_cached(
            "SELECT number, at, kind, message FROM connection_events WHERE connection = ?1 AND number < ?2
             ORDER BY number DESC LIMIT ?3",
        )?
        .query_map(params![connection, before, limit as i64 + 1], |row| {
            Ok((row.get(0)?, event(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|(number, _)| number.to_string());
    Ok(Page {
        items: found.into_iter().map(|(_, event)| event).collect(),
        next,
    })
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<ConnectionEvent> {
    let kind: String = row.get(2)?;
    Ok(ConnectionEvent {
        at: rows::timestamp(row, 1)?,
        kind: EventKind::from_name(&kind).ok_or_else(|| rows::damaged(2, &kind))?,
        message: row.get(3)?,
    })
}

#[async_trait]
impl Continuity for SqliteLedger {
    async fn heartbeat(&self, now: Timestamp) -> Result<Option<Timestamp>, LedgerError> {
        self.database
            .write(move |database| heartbeat(database, now))
            .await
    }

    async fn last_heartbeat(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.database.read(last_heartbeat).await
    }

    async fn change_coverage(
        &self,
        id: &ConnectionId,
        what: CoverageChange,
    ) -> Result<Coverage, LedgerError> {
        let id = id.clone();
        self.database
            .write(move |database| change(database, &id, what))
            .await
    }

    async fn running_ids(
        &self,
        id: &ConnectionId,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let id = id.clone();
        self.database
            .read(move |database| running_ids(database, &id, before, limit))
            .await
    }

    async fn delivery_times(
        &self,
        id: &ConnectionId,
        limit: usize,
    ) -> Result<Vec<Timestamp>, LedgerError> {
        let id = id.clone();
        self.database
            .read(move |database| delivery_times(database, &id, limit))
            .await
    }

    async fn note(&self, id: &ConnectionId, name: &str) -> Result<Option<String>, LedgerError> {
        let (id, name) = (id.clone(), name.to_owned());
        self.database
            .read(move |database| note(database, &id, &name))
            .await
    }

    async fn change_note(
        &self,
        id: &ConnectionId,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let (id, name) = (id.clone(), name.to_owned());
        let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
        self.database
            .write(move |database| {
                change_note(database, &id, &name, before.as_deref(), after.as_deref())
            })
            .await
    }

    async fn record_event(
        &self,
        id: &ConnectionId,
        event: ConnectionEvent,
    ) -> Result<(), LedgerError> {
        let id = id.clone();
        self.database
            .write(move |database| record_event(database, &id, &event))
            .await
    }

    async fn events(
        &self,
        id: &ConnectionId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<ConnectionEvent>, LedgerError> {
        let (id, cursor) = (id.clone(), cursor.map(str::to_owned));
        self.database
            .read(move |database| events(database, &id, cursor.as_deref(), limit))
            .await
    }
}
