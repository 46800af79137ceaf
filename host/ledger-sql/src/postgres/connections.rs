//! Connections: made, changed, disconnected, revived.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::coverage::{self, COLUMNS};
use super::spreading::spread;
use super::values::{get, named, optional_timestamp, texts, timestamp, to_u64};
use super::{Failure, Result};
use integration_host_contract::id::{ConnectionId, HookId, ScopeId};
use integration_host_contract::{Account, Subscription};
use integration_host_database::postgres::{execute, row, rows};
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::stored;
use integration_host_ledger::{
    Attention, Connection, ConnectionState, ConnectionSummary, ConnectionUpdate, CoverageChange,
    IntegrationVersion, LedgerError, MAX_PAGE, NewConnection, SeenQuotas,
};

pub(super) const SELECT: &str = "SELECT id, name, integration, scope_id, scope_name, owner_id, owner_name, owner_email, hook, state,
        attention_code, attention_message, subscription_id, subscription_enabled, subscription_validated_at,
        subscription_events, users_mapped, users_total, created_at, updated_at, last_delivery_at, quotas, quotas_seen_at, unsettled_since";

pub(super) async fn create(
    transaction: &Transaction<'_>,
    new: &NewConnection,
) -> Result<Connection> {
    let now = new.created_at.as_millisecond();
    let scope = new.scope_id.as_str();
    // Of several hosts that try at once one inserts, and the others wait and find its row.
    let made = execute(
        transaction,
        "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook,
             state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4, '', '', $5, 'connecting', $6, $6)
         ON CONFLICT (integration, scope_id) DO NOTHING",
        &[
            &new.id.as_str(),
            &new.name.as_deref().unwrap_or(scope),
            &new.integration,
            &scope,
            &new.hook.as_str(),
            &now,
        ],
    )
    .await?;
    if made > 0 {
        return existing(transaction, &new.id).await;
    }
    let found = row(
        transaction,
        "SELECT id, state FROM connections WHERE integration = $1 AND scope_id = $2 FOR UPDATE",
        &[&new.integration, &scope],
    )
    .await?
    .ok_or_else(|| {
        LedgerError::Conflict(format!("the scope {scope} was just given up: try again"))
    })?;
    let id = ConnectionId::new(get::<String>(&found, 0)?);
    match named(&found, 1, ConnectionState::from_name)? {
        ConnectionState::Disconnected => {
            execute(
                transaction,
                "UPDATE connections SET hook = $2, state = 'connecting', updated_at = $3,
                     attention_code = NULL, attention_message = NULL, subscription_id = NULL,
                     quotas = NULL, quotas_seen_at = NULL
                 WHERE id = $1",
                &[&id.as_str(), &new.hook.as_str(), &now],
            )
            .await?;
            existing(transaction, &id).await
        }
        state => {
            let what = match state {
                ConnectionState::Active => "connected",
                _ => "being connected",
            };
            Err(LedgerError::Conflict(format!(
                "the scope {scope} is already {what}, as the connection {id}"
            ))
            .into())
        }
    }
}

pub(super) async fn find(
    client: &impl GenericClient,
    id: &ConnectionId,
) -> Result<Option<Connection>> {
    let sql = format!("{SELECT}, {COLUMNS} FROM connections WHERE id = $1");
    let found = row(client, &sql, &[&id.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn find_by_hook(
    client: &impl GenericClient,
    hook: &HookId,
) -> Result<Option<Connection>> {
    let sql =
        format!("{SELECT}, {COLUMNS} FROM connections WHERE hook = $1 AND state <> 'disconnected'");
    let found = row(client, &sql, &[&hook.as_str()]).await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn all(client: &impl GenericClient) -> Result<Vec<Connection>> {
    let sql = format!("{SELECT}, {COLUMNS} FROM connections ORDER BY created_at, number");
    rows(client, &sql, &[]).await?.iter().map(read).collect()
}

pub(super) async fn scan_connections(
    client: &impl GenericClient,
    after: Option<&ConnectionId>,
    limit: usize,
) -> Result<Vec<ConnectionSummary>> {
    // No id is empty.
    let after = after.map_or("", ConnectionId::as_str);
    let sql = "SELECT id, state, gap_from IS NOT NULL, unsettled_since IS NOT NULL, integration FROM connections WHERE id > $1 ORDER BY id LIMIT $2";
    let found = rows(client, sql, &[&after, &(limit.clamp(1, MAX_PAGE) as i64)]).await?;
    let standing = |row: &Row| {
        Ok(ConnectionSummary {
            id: ConnectionId::new(get::<String>(row, 0)?),
            state: named(row, 1, ConnectionState::from_name)?,
            has_gap: get(row, 2)?,
            is_unsettled: get(row, 3)?,
            integration: get(row, 4)?,
        })
    };
    found.iter().map(standing).collect()
}

/// The integrations that ran on this ledger.
pub(super) async fn integrations(client: &impl GenericClient) -> Result<Vec<IntegrationVersion>> {
    let sql = "SELECT id, name, version FROM integrations ORDER BY id";
    let integration = |row: &Row| {
        Ok(IntegrationVersion {
            id: get(row, 0)?,
            name: get(row, 1)?,
            version: get(row, 2)?,
        })
    };
    rows(client, sql, &[])
        .await?
        .iter()
        .map(integration)
        .collect()
}

/// Keeps which version of an integration runs.
pub(super) async fn record_integration(
    transaction: &Transaction<'_>,
    running: &IntegrationVersion,
) -> Result<()> {
    execute(
        transaction,
        "INSERT INTO integrations (id, name, version) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version",
        &[&running.id, &running.name, &running.version],
    )
    .await?;
    Ok(())
}

pub(super) async fn update(
    transaction: &Transaction<'_>,
    id: &ConnectionId,
    update: &ConnectionUpdate,
    now: Timestamp,
) -> Result<Connection> {
    let connection = super::lock_connection(transaction, id).await?;
    let mut row = existing(transaction, id).await?;
    let begins =
        update.state == Some(ConnectionState::Active) && row.state != ConnectionState::Active;
    let was_active = row.state == ConnectionState::Active;
    row.change(update.clone(), now);
    store(transaction, &row).await?;
    if was_active != (row.state == ConnectionState::Active) {
        // What runs counts no more, or again.
        spread(transaction, &[Shared::Running { connection }]).await?;
    }
    if begins {
        coverage::change(transaction, id, &CoverageChange::Connected { at: now }).await?;
    }
    existing(transaction, id).await
}

/// Stores what of a connection does not stay as it was made and belongs to nothing else.
pub(super) async fn store(transaction: &Transaction<'_>, row: &Connection) -> Result<()> {
    let (subscription, quotas) = (row.subscription.as_ref(), row.quotas.as_ref());
    execute(
        transaction,
        "UPDATE connections SET name = $2, scope_name = $3, owner_id = $4, owner_name = $5, owner_email = $6,
             state = $7, completed = completed OR $7 = 'active', attention_code = $8, attention_message = $9,
             subscription_id = $10, subscription_enabled = $11, subscription_validated_at = $12,
             subscription_events = $13, updated_at = $14, quotas = $15, quotas_seen_at = $16,
             unsettled_since = $17, hook = $18
         WHERE id = $1",
        &[
            &row.id.as_str(),
            &row.name,
            &row.scope_name,
            &row.owner.id,
            &row.owner.name,
            &row.owner.email,
            &row.state.as_str(),
            &row.attention.as_ref().map(|attention| &attention.code),
            &row.attention.as_ref().map(|attention| &attention.message),
            &subscription.map(|subscription| &subscription.id),
            &subscription.map(|subscription| subscription.enabled),
            &subscription
                .and_then(|subscription| subscription.validated_at)
                .map(Timestamp::as_millisecond),
            &subscription.map(|subscription| stored::to_json(&subscription.events)),
            &row.updated_at.as_millisecond(),
            &quotas.map(|seen| stored::quotas_to_json(&seen.quotas)),
            &quotas.map(|seen| seen.at.as_millisecond()),
            &row.unsettled_since.map(Timestamp::as_millisecond),
            &row.hook.as_str(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn remove(transaction: &Transaction<'_>, id: &ConnectionId) -> Result<()> {
    let found = row(
        transaction,
        "SELECT state, completed FROM connections WHERE id = $1 FOR UPDATE",
        &[&id.as_str()],
    )
    .await?;
    let Some(found) = found else {
        return Ok(());
    };
    let sql = match (
        named(&found, 0, ConnectionState::from_name)?,
        get(&found, 1)?,
    ) {
        (ConnectionState::Active, _) => {
            return Err(LedgerError::Conflict(format!(
                "the connection {id} is complete: disconnect it"
            ))
            .into());
        }
        // It was revived and keeps what it had before.
        (_, true) => "UPDATE connections SET state = 'disconnected' WHERE id = $1",
        (_, false) => "DELETE FROM connections WHERE id = $1",
    };
    execute(transaction, sql, &[&id.as_str()]).await?;
    Ok(())
}

async fn existing(client: &impl GenericClient, id: &ConnectionId) -> Result<Connection> {
    let found = find(client, id).await?;
    found.ok_or_else(|| Failure::no_connection(id))
}

/// A connection, from [`SELECT`] and the coverage's columns.
pub(super) fn read(row: &Row) -> Result<Connection> {
    let attention_code: Option<String> = get(row, 10)?;
    let attention = attention_code
        .map(|code| {
            Ok::<_, Failure>(Attention {
                code,
                message: get(row, 11)?,
            })
        })
        .transpose()?;
    let subscription_id: Option<String> = get(row, 12)?;
    let subscription = subscription_id
        .map(|id| {
            Ok::<_, Failure>(Subscription {
                id,
                enabled: get(row, 13)?,
                validated_at: optional_timestamp(row, 14)?,
                events: texts(row, 15)?,
            })
        })
        .transpose()?;
    let quotas = optional_timestamp(row, 22)?
        .map(|at| {
            let quotas = stored::quotas(get(row, 21)?).map_err(stored::damaged)?;
            Ok::<_, Failure>(SeenQuotas { quotas, at })
        })
        .transpose()?;
    Ok(Connection {
        id: ConnectionId::new(get::<String>(row, 0)?),
        name: get(row, 1)?,
        integration: get(row, 2)?,
        scope_id: ScopeId::new(get::<String>(row, 3)?),
        scope_name: get(row, 4)?,
        owner: Account {
            id: get(row, 5)?,
            name: get(row, 6)?,
            email: get(row, 7)?,
        },
        hook: HookId::new(get::<String>(row, 8)?),
        state: named(row, 9, ConnectionState::from_name)?,
        attention,
        subscription,
        users_mapped: to_u64(row, 16)?,
        users_total: to_u64(row, 17)?,
        created_at: timestamp(row, 18)?,
        updated_at: timestamp(row, 19)?,
        last_delivery_at: optional_timestamp(row, 20)?,
        quotas,
        unsettled_since: optional_timestamp(row, 23)?,
        coverage: coverage::read(row, 24)?,
    })
}
