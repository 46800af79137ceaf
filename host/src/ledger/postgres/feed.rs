//! Places in the change feed.
//!
//! Whoever gives out places holds the feed until the transaction ends, and holds it before changing any
//! activity. So places become visible in order, and nobody waits in a circle.

use deadpool_postgres::{GenericClient, Transaction};

use super::Result;
use super::values::{get, unsigned};
use crate::database::postgres::{Parameters, execute, row};
use crate::ledger::LedgerError;

/// The last place.
pub(super) async fn last(client: &impl GenericClient) -> Result<u64> {
    let found = row(client, "SELECT last FROM ledger_changes", &[]).await?;
    unsigned(&found.ok_or_else(missing)?, 0)
}

/// Holds the feed.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<()> {
    let found = row(
        transaction,
        "SELECT last FROM ledger_changes FOR UPDATE",
        &[],
    )
    .await?;
    found.map(|_| ()).ok_or_else(|| missing().into())
}

/// Holds the feed and gives out so many places; returns the first.
pub(super) async fn take(transaction: &Transaction<'_>, places: usize) -> Result<i64> {
    let places = places as i64;
    let found = row(
        transaction,
        "UPDATE ledger_changes SET last = last + $1 RETURNING last - $1 + 1",
        &[&places],
    )
    .await?;
    get(&found.ok_or_else(missing)?, 0)
}

/// Moves activities to the end of the change feed, in their order there. `which` selects their numbers,
/// with `$1` and on for `parameters`.
pub(super) async fn move_to_end(
    transaction: &Transaction<'_>,
    which: &str,
    parameters: Parameters<'_>,
) -> Result<()> {
    lock(transaction).await?;
    let sql = format!(
        "UPDATE activities SET change = (SELECT last FROM ledger_changes) + moved.place
         FROM (
             SELECT number, row_number() OVER (ORDER BY change) AS place
             FROM activities WHERE number IN ({which})
         ) AS moved
         WHERE activities.number = moved.number"
    );
    let moved = execute(transaction, &sql, parameters).await?;
    if moved > 0 {
        take(transaction, usize::try_from(moved).unwrap_or_default()).await?;
    }
    Ok(())
}

/// Moves everything of users to the end of the change feed.
pub(super) async fn show_users_again(transaction: &Transaction<'_>, users: &[i64]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    move_to_end(
        transaction,
        "SELECT number FROM activities WHERE user_number = ANY ($1)",
        &[&users],
    )
    .await
}

fn missing() -> LedgerError {
    LedgerError::Unavailable("the table ledger_changes is empty: restore a backup".to_owned())
}
