//! Places in the change feed.
//!
//! Whoever gives out places holds the feed until the transaction ends, and holds it before changing any
//! activity. So places become visible in order, and nobody waits in a circle.

use deadpool_postgres::GenericClient;

use super::values::get;
use crate::failure::Result;
use integration_host_database::postgres::row;
use integration_host_ledger::LedgerError;

/// Holds the feed.
pub(super) async fn lock(client: &impl GenericClient) -> Result<()> {
    let found = row(client, "SELECT last FROM ledger_changes FOR UPDATE", &[]).await?;
    found.map(|_| ()).ok_or_else(|| missing().into())
}

/// Holds the feed and gives out so many places; returns the first.
pub(super) async fn take(client: &impl GenericClient, places: usize) -> Result<i64> {
    let places = places as i64;
    let found = row(
        client,
        "UPDATE ledger_changes SET last = last + $1 RETURNING last - $1 + 1",
        &[&places],
    )
    .await?;
    get(&found.ok_or_else(missing)?, 0)
}

fn missing() -> LedgerError {
    LedgerError::Unavailable("the table ledger_changes is empty: restore a backup".to_owned())
}
