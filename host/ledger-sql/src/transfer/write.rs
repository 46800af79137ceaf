//! Taking over what another ledger held, as far as both databases do it in one way.

use std::collections::BTreeMap;

use crate::backend::{Backend, Users, first, only};
use crate::failure::Result;
use crate::values::values;
use crate::{connections, coverage, identity};
use integration_host_contract::User;
use integration_host_ledger::matching::{Held, StoredMember};
use integration_host_ledger::transfer::{
    ExportConnection, ExportLedger, ExportMember, ExportRequest,
};
use integration_host_ledger::{LedgerError, Member};

pub async fn insert_connection(db: &dyn Backend, moved: &ExportConnection) -> Result<()> {
    let connection = &moved.connection;
    let number = only(
        db,
        "INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, hook, state,
             completed, created_at, updated_at, last_delivery_at)
         VALUES ($1, '', $2, $3, '', '', '', $4, $5, $6, $7, $7, $8) RETURNING number",
        values![
            connection.id.as_str(),
            &connection.integration,
            connection.scope_id.as_str(),
            connection.hook.as_str(),
            connection.state.as_str(),
            moved.was_active,
            connection.created_at,
            connection.last_delivery_at,
        ],
        first,
    )
    .await?;
    connections::store(db, connection).await?;
    coverage::store(db, number, &connection.coverage).await
}

/// The users that members mention.
pub fn mentioned<'a>(
    moved: impl IntoIterator<Item = &'a ExportMember>,
) -> BTreeMap<&'a str, &'a User> {
    let users = moved.into_iter().flat_map(|moved| {
        let member = &moved.member;
        [&member.user, &member.claimed_by, &member.earlier_user]
    });
    let users = users.flatten();
    users.map(|user| (user.id.as_str(), user)).collect()
}

/// A member as tables have it; they know its users by numbers.
pub fn stored_member<'a>(member: &'a Member, users: &Users) -> StoredMember<'a> {
    let number = |user: &Option<User>| user.as_ref().and_then(|user| users.number(user));
    StoredMember {
        remote_user: &member.remote_user,
        present: member.present,
        held: Held {
            user: number(&member.user),
            matched_by: member.matched_by,
            unconfirmed: member.unconfirmed,
            claimed_by: number(&member.claimed_by),
            earlier_user: number(&member.earlier_user),
        },
        note: member.note.as_deref(),
    }
}

pub async fn insert_request(
    db: &dyn Backend,
    connection: i64,
    moved: &ExportRequest,
) -> Result<()> {
    let kept = db
        .execute(
            "INSERT INTO delivery_requests (delivery, sealed)
         SELECT number, $3 FROM deliveries WHERE id = $1 AND connection = $2",
            values![moved.delivery.as_str(), connection, &moved.sealed],
        )
        .await?;
    if kept == 0 {
        return Err(LedgerError::NotFound(format!(
            "there is no delivery {} of the connection {}",
            moved.delivery, moved.connection
        ))
        .into());
    }
    Ok(())
}

pub async fn take_over_places(db: &dyn Backend, moved: &ExportLedger) -> Result<()> {
    if let Some(id) = &moved.id {
        identity::take_over(db, id).await?;
    }
    let greatest = db.dialect().greatest;
    let sql = format!("UPDATE ledger_changes SET last = {greatest}(last, $1)");
    db.execute(&sql, values![moved.last_change]).await?;
    if let Some(at) = moved.heartbeat {
        db.note_heartbeat(at).await?;
    }
    Ok(())
}
