//! Connections: made, changed, disconnected, revived.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::SqlLedger;
use crate::backend::{Backend, SqlDatabase, lock_connection, row, rows};
use crate::coverage;
use crate::failure::{Failure, Result};
use crate::values::{Columns, values};
use integration_host_contract::id::{ConnectionId, HookId};
use integration_host_contract::{Account, Subscription};
use integration_host_ledger::spreading::Shared;
use integration_host_ledger::stored;
use integration_host_ledger::{
    Attention, Connection, ConnectionState, ConnectionSummary, ConnectionUpdate, Connections,
    CoverageChange, LedgerError, NewConnection, Removal, SeenQuotas, in_page,
};

#[async_trait]
impl<D: SqlDatabase> Connections for SqlLedger<D> {
    async fn create_connection(&self, new: NewConnection) -> Result<Connection, LedgerError> {
        let create = self
            .database
            .change(new, |db, new| Box::pin(create(db, new)));
        create.await
    }

    async fn connection(&self, id: &ConnectionId) -> Result<Option<Connection>, LedgerError> {
        let find = self
            .database
            .read(id.clone(), |db, id| Box::pin(find(db, id)));
        find.await
    }

    async fn connection_by_hook(&self, hook: &HookId) -> Result<Option<Connection>, LedgerError> {
        let find = (self.database).read(hook.clone(), |db, hook| Box::pin(find_by_hook(db, hook)));
        find.await
    }

    async fn connections(&self) -> Result<Vec<Connection>, LedgerError> {
        self.database.read((), |db, ()| Box::pin(all(db))).await
    }

    async fn scan_connections(
        &self,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<ConnectionSummary>, LedgerError> {
        let given = (after.cloned(), limit);
        let scan = self.database.read(given, |db, (after, limit)| {
            Box::pin(scan(db, after.as_ref(), *limit))
        });
        scan.await
    }

    async fn update_connection(
        &self,
        id: &ConnectionId,
        update: ConnectionUpdate,
        now: Timestamp,
    ) -> Result<Connection, LedgerError> {
        let given = (id.clone(), update, now);
        let update = self.database.change(given, |db, (id, update, now)| {
            Box::pin(self::update(db, id, update, *now))
        });
        update.await
    }

    async fn remove_connection(&self, id: &ConnectionId) -> Result<(), LedgerError> {
        let remove = (self.database).change(id.clone(), |db, id| Box::pin(remove(db, id)));
        remove.await
    }
}

/// With the coverage's columns after it, what [`connection`] reads.
pub const SELECT: &str = "SELECT id, name, integration, scope_id, scope_name, owner_id, owner_name, owner_email, hook, state,
        attention_code, attention_message, subscription_id, subscription_enabled, subscription_validated_at,
        subscription_events, users_mapped, users_total, created_at, updated_at, last_delivery_at, quotas, quotas_seen_at, unsettled_since";

async fn create(db: &dyn Backend, new: &NewConnection) -> Result<Connection> {
    let scope = new.scope_id.as_str();
    // Of several hosts that try at once one inserts, and the others wait and find its row.
    let made = db
        .execute(
        "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook,
             state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4, '', '', $5, 'connecting', $6, $6)
         ON CONFLICT (integration, scope_id) DO NOTHING",
        values![
            new.id.as_str(),
            new.name.as_deref().unwrap_or(scope),
            &new.integration,
            scope,
            new.hook.as_str(),
            new.created_at,
        ],
    )
    .await?;
    if made > 0 {
        return existing(db, &new.id).await;
    }
    let lock = db.dialect().lock_whole;
    let found: Option<(ConnectionId, ConnectionState)> = row(
        db,
        &format!(
            "SELECT id, state FROM connections WHERE integration = $1 AND scope_id = $2{lock}"
        ),
        values![&new.integration, scope],
        |row| Ok((row.get(0)?, row.named(1, ConnectionState::from_name)?)),
    )
    .await?;
    let (id, state) = found.ok_or_else(|| {
        LedgerError::Conflict(format!("the scope {scope} was just given up: try again"))
    })?;
    new.ensure_revives(&id, state)?;
    db.execute(
        "UPDATE connections SET hook = $2, state = 'connecting', updated_at = $3,
             attention_code = NULL, attention_message = NULL, subscription_id = NULL,
             quotas = NULL, quotas_seen_at = NULL
         WHERE id = $1",
        values![id.as_str(), new.hook.as_str(), new.created_at],
    )
    .await?;
    existing(db, &id).await
}

async fn find(db: &dyn Backend, id: &ConnectionId) -> Result<Option<Connection>> {
    let coverage = coverage::COLUMNS;
    let sql = format!("{SELECT}, {coverage} FROM connections WHERE id = $1");
    row(db, &sql, values![id.as_str()], connection).await
}

async fn find_by_hook(db: &dyn Backend, hook: &HookId) -> Result<Option<Connection>> {
    let coverage = coverage::COLUMNS;
    let sql = format!(
        "{SELECT}, {coverage} FROM connections WHERE hook = $1 AND state <> 'disconnected'"
    );
    row(db, &sql, values![hook.as_str()], connection).await
}

async fn all(db: &dyn Backend) -> Result<Vec<Connection>> {
    let coverage = coverage::COLUMNS;
    let sql = format!("{SELECT}, {coverage} FROM connections ORDER BY created_at, number");
    rows(db, &sql, &[], connection).await
}

async fn scan(
    db: &dyn Backend,
    after: Option<&ConnectionId>,
    limit: usize,
) -> Result<Vec<ConnectionSummary>> {
    // No id is empty.
    let after = after.map_or("", ConnectionId::as_str);
    rows(
        db,
        "SELECT id, state, gap_from IS NOT NULL, unsettled_since IS NOT NULL, integration FROM connections
         WHERE id > $1 ORDER BY id LIMIT $2",
        values![after, in_page(limit)],
        |row| {
            Ok(ConnectionSummary {
                id: row.get(0)?,
                state: row.named(1, ConnectionState::from_name)?,
                has_gap: row.get(2)?,
                is_unsettled: row.get(3)?,
                integration: row.get(4)?,
            })
        },
    )
    .await
}

async fn update(
    db: &dyn Backend,
    id: &ConnectionId,
    update: &ConnectionUpdate,
    now: Timestamp,
) -> Result<Connection> {
    let connection = lock_connection(db, id).await?;
    let mut row = existing(db, id).await?;
    let was_active = row.state == ConnectionState::Active;
    row.change(update.clone(), now);
    store(db, &row).await?;
    let is_active = row.state == ConnectionState::Active;
    if was_active != is_active {
        // What runs counts no more, or again.
        db.spread(connection, vec![Shared::Running { connection }])
            .await?;
    }
    if is_active && !was_active {
        coverage::change(db, id, &CoverageChange::Connected { at: now }).await?;
    }
    existing(db, id).await
}

/// Stores what of a connection does not stay as it was made and belongs to nothing else.
pub async fn store(db: &dyn Backend, row: &Connection) -> Result<()> {
    let (attention, subscription) = (row.attention.as_ref(), row.subscription.as_ref());
    let quotas = row.quotas.as_ref();
    db.execute(
        "UPDATE connections SET name = $2, scope_name = $3, owner_id = $4, owner_name = $5, owner_email = $6,
             state = $7, completed = completed OR $7 = 'active', attention_code = $8, attention_message = $9,
             subscription_id = $10, subscription_enabled = $11, subscription_validated_at = $12,
             subscription_events = $13, updated_at = $14, quotas = $15, quotas_seen_at = $16,
             unsettled_since = $17, hook = $18
         WHERE id = $1",
        values![
            row.id.as_str(),
            &row.name,
            &row.scope_name,
            &row.owner.id,
            &row.owner.name,
            row.owner.email.as_ref(),
            row.state.as_str(),
            attention.map(|attention| &attention.code),
            attention.map(|attention| &attention.message),
            subscription.map(|subscription| &subscription.id),
            subscription.map(|subscription| subscription.enabled),
            subscription.and_then(|subscription| subscription.validated_at),
            subscription.map(|subscription| stored::to_json(&subscription.events)),
            row.updated_at,
            quotas.map(|seen| stored::quotas_to_json(&seen.quotas)),
            quotas.map(|seen| seen.at),
            row.unsettled_since,
            row.hook.as_str(),
        ],
    )
    .await?;
    Ok(())
}

async fn remove(db: &dyn Backend, id: &ConnectionId) -> Result<()> {
    let lock = db.dialect().lock_whole;
    let found = row(
        db,
        &format!("SELECT state, completed FROM connections WHERE id = $1{lock}"),
        values![id.as_str()],
        |row| Ok((row.named(0, ConnectionState::from_name)?, row.get(1)?)),
    )
    .await?;
    let Some((state, was_active)) = found else {
        return Ok(());
    };
    let sql = match Removal::of(id, state, was_active)? {
        Removal::Disconnect => "UPDATE connections SET state = 'disconnected' WHERE id = $1",
        Removal::Delete => "DELETE FROM connections WHERE id = $1",
    };
    db.execute(sql, values![id.as_str()]).await?;
    Ok(())
}

async fn existing(db: &dyn Backend, id: &ConnectionId) -> Result<Connection> {
    let found = find(db, id).await?;
    found.ok_or_else(|| Failure::no_connection(id))
}

/// A connection, from [`SELECT`] and the coverage's columns.
pub fn connection(row: &dyn Columns) -> Result<Connection> {
    Ok(Connection {
        id: row.get(0)?,
        name: row.get(1)?,
        integration: row.get(2)?,
        scope_id: row.get(3)?,
        scope_name: row.get(4)?,
        owner: Account {
            id: row.get(5)?,
            name: row.get(6)?,
            email: row.get(7)?,
        },
        hook: row.get(8)?,
        state: row.named(9, ConnectionState::from_name)?,
        attention: attention(row, 10)?,
        subscription: match row.get(12)? {
            Some(id) => Some(Subscription {
                id,
                enabled: row.get(13)?,
                validated_at: row.get(14)?,
                events: stored::texts(row.text(15)?).map_err(stored::damaged)?,
            }),
            None => None,
        },
        users_mapped: row.get(16)?,
        users_total: row.get(17)?,
        created_at: row.get(18)?,
        updated_at: row.get(19)?,
        last_delivery_at: row.get(20)?,
        quotas: match row.get(22)? {
            Some(at) => Some(SeenQuotas {
                quotas: stored::quotas(row.text(21)?).map_err(stored::damaged)?,
                at,
            }),
            None => None,
        },
        unsettled_since: row.get(23)?,
        coverage: coverage::coverage(row, 24)?,
    })
}

/// What a person must do, from a code and a message.
pub fn attention(row: &dyn Columns, first: usize) -> Result<Option<Attention>> {
    Ok(match row.get(first)? {
        Some(code) => Some(Attention {
            code,
            message: row.get(first + 1)?,
        }),
        None => None,
    })
}
