//! Which ledger this is, and which life of its change feed.

use rusqlite::{Connection as Database, Row, params};

use super::Result;
use super::sessions::begin_epoch;
use integration_host_contract::id::{FeedLife, LedgerId};
use integration_host_ledger::LedgerIdentity;

pub(super) fn read(database: &Database) -> Result<LedgerIdentity> {
    Ok(database
        .prepare_cached("SELECT id, life, is_first FROM ledger_identity")?
        .query_row([], identity)?)
}

pub(super) fn begin_life(database: &Database) -> Result<LedgerIdentity> {
    begin_epoch(database)?;
    Ok(database
        .prepare_cached(
            "UPDATE ledger_identity SET life = ?1, is_first = 0 RETURNING id, life, is_first",
        )?
        .query_row([FeedLife::generate().as_str()], identity)?)
}

/// Takes over the id of the ledger that this one is made of.
pub(super) fn take_over(database: &Database, id: &LedgerId) -> Result<()> {
    database
        .prepare_cached("UPDATE ledger_identity SET id = ?1")?
        .execute(params![id.as_str()])?;
    Ok(())
}

fn identity(row: &Row<'_>) -> rusqlite::Result<LedgerIdentity> {
    Ok(LedgerIdentity {
        id: LedgerId::new(row.get::<_, String>(0)?),
        life: FeedLife::new(row.get::<_, String>(1)?),
        is_first_life: row.get(2)?,
    })
}
