//! Connections: made, changed, disconnected, revived.

use jiff::Timestamp;
use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::continuity::{self, COLUMNS};
use super::spreading::{Budget, spread};
use super::{Result, connection_number, rows};
use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
use integration_host_contract::{Account, Subscription};
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::stored;
use integration_host_ledger::{
    Attention, Connection, ConnectionState, ConnectionSummary, ConnectionUpdate, CoverageChange,
    IntegrationVersion, LedgerError, MAX_PAGE, NewConnection, SeenQuotas,
};

pub(super) const SELECT: &str = "SELECT id, name, integration, scope_id, scope_name, owner_id, owner_name, owner_email, hook, state,
        attention_code, attention_message, subscription_id, subscription_enabled, subscription_validated_at,
        subscription_events, users_mapped, users_total, created_at, updated_at, last_delivery_at, quotas, quotas_seen_at, unsettled_since";

pub(super) fn create(database: &Database, new: &NewConnection) -> Result<Connection> {
    let existing: Option<(String, ConnectionState)> = database
        .prepare_cached(
            "SELECT id, state FROM connections WHERE integration = ?1 AND scope_id = ?2",
        )?
        .query_row(params![new.integration, new.scope_id.as_str()], |row| {
            Ok((
                row.get(0)?,
                rows::named(row, 1, ConnectionState::from_name)?,
            ))
        })
        .optional()?;
    let now = new.created_at.as_millisecond();
    let id = match existing {
        Some((id, ConnectionState::Disconnected)) => {
            database
                .prepare_cached(
                    "UPDATE connections SET hook = ?2, state = 'connecting', updated_at = ?3,
                         attention_code = NULL, attention_message = NULL, subscription_id = NULL,
                         quotas = NULL, quotas_seen_at = NULL
                     WHERE id = ?1",
                )?
                .execute(params![id, new.hook.as_str(), now])?;
            ConnectionId::new(id)
        }
        Some((id, state)) => {
            let what = if state == ConnectionState::Active {
                "connected"
            } else {
                "being connected"
            };
            return Err(LedgerError::Conflict(format!(
                "the scope {} is already {what}, as the connection {id}",
                new.scope_id
            ))
            .into());
        }
        None => {
            let scope = new.scope_id.as_str();
            database
                .prepare_cached(
                    "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook,
                         state, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?4, '', '', ?5, 'connecting', ?6, ?6)",
                )?
                .execute(params![
                    new.id.as_str(),
                    new.name.as_deref().unwrap_or(scope),
                    new.integration,
                    scope,
                    new.hook.as_str(),
                    now
                ])?;
            new.id.clone()
        }
    };
    existing_connection(database, &id)
}

pub(super) fn find(database: &Database, id: &ConnectionId) -> Result<Option<Connection>> {
    Ok(database
        .prepare_cached(&format!(
            "{SELECT}, {COLUMNS} FROM connections WHERE id = ?1"
        ))?
        .query_row(params![id.as_str()], connection)
        .optional()?)
}

pub(super) fn find_by_hook(database: &Database, hook: &HookId) -> Result<Option<Connection>> {
    Ok(database
        .prepare_cached(&format!(
            "{SELECT}, {COLUMNS} FROM connections WHERE hook = ?1 AND state <> 'disconnected'"
        ))?
        .query_row(params![hook.as_str()], connection)
        .optional()?)
}

pub(super) fn all(database: &Database) -> Result<Vec<Connection>> {
    let mut statement = database.prepare_cached(&format!(
        "{SELECT}, {COLUMNS} FROM connections ORDER BY created_at, number"
    ))?;
    let connections = statement
        .query_map([], connection)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(connections)
}

pub(super) fn scan_connections(
    database: &Database,
    after: Option<&ConnectionId>,
    limit: usize,
) -> Result<Vec<ConnectionSummary>> {
    // No id is empty.
    let after = after.map_or("", ConnectionId::as_str);
    let mut statement = database.prepare_cached(
        "SELECT id, state, gap_from IS NOT NULL, unsettled_since IS NOT NULL, integration FROM connections WHERE id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let scan_connections = statement
        .query_map(params![after, limit.clamp(1, MAX_PAGE) as i64], |row| {
            Ok(ConnectionSummary {
                id: ConnectionId::new(row.get::<_, String>(0)?),
                state: rows::named(row, 1, ConnectionState::from_name)?,
                has_gap: row.get(2)?,
                is_unsettled: row.get(3)?,
                integration: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(scan_connections)
}

/// The integrations that ran on this ledger.
pub(super) fn integrations(database: &Database) -> Result<Vec<IntegrationVersion>> {
    let mut statement =
        database.prepare_cached("SELECT id, name, version FROM integrations ORDER BY id")?;
    let known = statement
        .query_map([], |row| {
            Ok(IntegrationVersion {
                id: row.get(0)?,
                name: row.get(1)?,
                version: row.get(2)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(known)
}

/// Keeps which version of an integration runs.
pub(super) fn record_integration(database: &Database, running: &IntegrationVersion) -> Result<()> {
    database
        .prepare_cached(
            "INSERT OR REPLACE INTO integrations (id, name, version) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![running.id, running.name, running.version])?;
    Ok(())
}

pub(super) fn update(
    database: &Database,
    id: &ConnectionId,
    update: &ConnectionUpdate,
    now: Timestamp,
) -> Result<Connection> {
    let mut row = existing_connection(database, id)?;
    let begins =
        update.state == Some(ConnectionState::Active) && row.state != ConnectionState::Active;
    let was_active = row.state == ConnectionState::Active;
    row.change(update.clone(), now);
    store(database, &row)?;
    if was_active != (row.state == ConnectionState::Active) {
        // What runs counts no more, or again.
        let connection = connection_number(database, id)?;
        spread(
            database,
            &Shared::Running { connection },
            &mut Budget::new(),
        )?;
    }
    if begins {
        continuity::change(database, id, CoverageChange::Connected { at: now })?;
    }
    existing_connection(database, id)
}

/// Stores what of a connection does not stay as it was made and belongs to nothing else.
pub(super) fn store(database: &Database, row: &Connection) -> Result<()> {
    let (subscription, quotas) = (row.subscription.as_ref(), row.quotas.as_ref());
    database
        .prepare_cached(
            "UPDATE connections SET name = ?2, scope_name = ?3, owner_id = ?4, owner_name = ?5, owner_email = ?6,
                 state = ?7, completed = max(completed, ?7 = 'active'), attention_code = ?8, attention_message = ?9,
                 subscription_id = ?10, subscription_enabled = ?11, subscription_validated_at = ?12,
                 subscription_events = ?13, updated_at = ?14,
                 quotas = ?15, quotas_seen_at = ?16, unsettled_since = ?17, hook = ?18
             WHERE id = ?1",
        )?
        .execute(params![
            row.id.as_str(),
            row.name,
            row.scope_name,
            row.owner.id,
            row.owner.name,
            row.owner.email,
            row.state.as_str(),
            row.attention.as_ref().map(|attention| &attention.code),
            row.attention.as_ref().map(|attention| &attention.message),
            subscription.map(|subscription| &subscription.id),
            subscription.map(|subscription| subscription.enabled),
            subscription.and_then(|subscription| subscription.validated_at).map(Timestamp::as_millisecond),
            subscription.map(|subscription| stored::to_json(&subscription.events)),
            row.updated_at.as_millisecond(),
            quotas.map(|seen| stored::quotas_to_json(&seen.quotas)),
            quotas.map(|seen| seen.at.as_millisecond()),
            row.unsettled_since.map(Timestamp::as_millisecond),
            row.hook.as_str(),
        ])?;
    Ok(())
}

pub(super) fn remove(database: &Database, id: &ConnectionId) -> Result<()> {
    let found: Option<(ConnectionState, bool)> = database
        .prepare_cached("SELECT state, completed FROM connections WHERE id = ?1")?
        .query_row(params![id.as_str()], |row| {
            Ok((
                rows::named(row, 0, ConnectionState::from_name)?,
                row.get(1)?,
            ))
        })
        .optional()?;
    match found {
        None => Ok(()),
        Some((ConnectionState::Active, _)) => Err(LedgerError::Conflict(format!(
            "the connection {id} is complete: disconnect it"
        ))
        .into()),
        // It was revived and keeps what it had before.
        Some((_, true)) => {
            database
                .prepare_cached("UPDATE connections SET state = 'disconnected' WHERE id = ?1")?
                .execute(params![id.as_str()])?;
            Ok(())
        }
        Some((_, false)) => {
            database
                .prepare_cached("DELETE FROM connections WHERE id = ?1")?
                .execute(params![id.as_str()])?;
            Ok(())
        }
    }
}

fn existing_connection(database: &Database, id: &ConnectionId) -> Result<Connection> {
    find(database, id)?
        .ok_or_else(|| LedgerError::NotFound(format!("there is no connection {id}")).into())
}

/// A connection, from [`SELECT`] and the coverage's columns.
pub(super) fn connection(row: &Row<'_>) -> rusqlite::Result<Connection> {
    let attention_code: Option<String> = row.get(10)?;
    let attention = attention_code
        .map(|code| {
            Ok::<_, rusqlite::Error>(Attention {
                code,
                message: row.get(11)?,
            })
        })
        .transpose()?;
    let subscription_id: Option<String> = row.get(12)?;
    let subscription = subscription_id
        .map(|id| {
            Ok::<_, rusqlite::Error>(Subscription {
                id,
                enabled: row.get(13)?,
                validated_at: rows::optional_timestamp(row, 14)?,
                events: rows::texts(row, 15)?,
            })
        })
        .transpose()?;
    Ok(Connection {
        id: ConnectionId::new(row.get::<_, String>(0)?),
        name: row.get(1)?,
        integration: row.get(2)?,
        scope_id: ScopeId::new(row.get::<_, String>(3)?),
        scope_name: row.get(4)?,
        owner: Account {
            id: row.get(5)?,
            name: row.get(6)?,
            email: row.get(7)?,
        },
        hook: HookId::new(row.get::<_, String>(8)?),
        state: rows::named(row, 9, ConnectionState::from_name)?,
        attention,
        subscription,
        users_mapped: rows::to_u64(row, 16)?,
        users_total: rows::to_u64(row, 17)?,
        created_at: rows::timestamp(row, 18)?,
        updated_at: rows::timestamp(row, 19)?,
        last_delivery_at: rows::optional_timestamp(row, 20)?,
        quotas: quotas(row, 21)?,
        unsettled_since: rows::optional_timestamp(row, 23)?,
        coverage: continuity::coverage(row, 24)?,
    })
}

fn quotas(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SeenQuotas>> {
    let Some(at) = rows::optional_timestamp(row, column + 1)? else {
        return Ok(None);
    };
    let quotas =
        stored::quotas(rows::text(row, column)?).map_err(|error| rows::damaged(column, error))?;
    Ok(Some(SeenQuotas { quotas, at }))
}
