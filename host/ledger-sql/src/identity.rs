//! Which ledger this is, and which life of its change feed.

use crate::backend::{Backend, first, only, rows};
use crate::failure::Result;
use crate::sessions::begin_epoch;
use crate::values::{Columns, values};
use integration_host_contract::id::{FeedLife, LedgerId};
use integration_host_ledger::{IntegrationVersion, LedgerIdentity};

/// The columns that [`identity`] reads.
pub const COLUMNS: &str = "id, life, is_first";

/// The identity, from the first columns.
pub fn identity(row: &dyn Columns) -> Result<LedgerIdentity> {
    Ok(LedgerIdentity {
        id: row.get(0)?,
        life: row.get(1)?,
        is_first_life: row.get(2)?,
    })
}

/// The identity as it is noted.
#[cfg(feature = "sqlite")]
pub async fn noted(db: &dyn Backend) -> Result<LedgerIdentity> {
    let sql = format!("SELECT {COLUMNS} FROM ledger_identity");
    only(db, &sql, &[], identity).await
}

/// The id alone.
pub async fn id(db: &dyn Backend) -> Result<LedgerId> {
    only(db, "SELECT id FROM ledger_identity", &[], first).await
}

pub async fn begin_life(db: &dyn Backend) -> Result<LedgerIdentity> {
    let begin =
        format!("UPDATE ledger_identity SET life = $1, is_first = false RETURNING {COLUMNS}");
    let life = FeedLife::generate();
    let begun = only(db, &begin, values![life.as_str()], identity).await?;
    begin_epoch(db).await?;
    Ok(begun)
}

/// Takes over the id of the ledger that this one is made of.
pub async fn take_over(db: &dyn Backend, id: &LedgerId) -> Result<()> {
    let take_over = "UPDATE ledger_identity SET id = $1";
    db.execute(take_over, values![id.as_str()]).await?;
    Ok(())
}

/// The integrations that ran on this ledger.
pub async fn integrations(db: &dyn Backend) -> Result<Vec<IntegrationVersion>> {
    let sql = "SELECT id, name, version FROM integrations ORDER BY id";
    rows(db, sql, &[], |row| {
        Ok(IntegrationVersion {
            id: row.get(0)?,
            name: row.get(1)?,
            version: row.get(2)?,
        })
    })
    .await
}

/// Keeps which version of an integration runs.
pub async fn record_integration(db: &dyn Backend, running: &IntegrationVersion) -> Result<()> {
    db.execute(
        "INSERT INTO integrations (id, name, version) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version",
        values![&running.id, &running.name, &running.version],
    )
    .await?;
    Ok(())
}
