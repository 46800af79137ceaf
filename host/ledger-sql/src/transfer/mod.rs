//! Moving a ledger to or from a database.

pub mod read;
pub mod write;

use crate::backend::{Backend, first, row};
use crate::failure::Result;
use crate::values::values;
use integration_host_ledger::transfer::{Contents, ImportProgress, ensure_follows};

pub async fn contents(db: &dyn Backend) -> Result<Contents> {
    let sql = "SELECT export, lines, is_complete FROM arrived_export";
    let arrived = row(db, sql, &[], |row| {
        Ok(ImportProgress {
            export: row.get(0)?,
            lines: row.get(1)?,
            is_complete: row.get(2)?,
        })
    });
    if let Some(arrived) = arrived.await? {
        return Ok(Contents::Export(arrived));
    }
    let used = row(
        db,
        "SELECT id FROM connections LIMIT 1",
        &[],
        first::<String>,
    );
    Ok(match used.await? {
        Some(_) => Contents::Other,
        None => Contents::Nothing,
    })
}

/// Whether a step goes on where the ledger is. Of two imports at the same time, one comes first.
pub async fn ensure_is_next(db: &dyn Backend, from: u64, step: &ImportProgress) -> Result<()> {
    db.hold_feed().await?;
    Ok(ensure_follows(&contents(db).await?, from, step)?)
}

/// Notes how far an export has arrived.
pub async fn note(db: &dyn Backend, arrived: &ImportProgress) -> Result<()> {
    let (single, one) = (db.dialect().single, db.dialect().one);
    let sql = format!(
        "INSERT INTO arrived_export ({single}, export, lines, is_complete) VALUES ({one}, $1, $2, $3)
         ON CONFLICT ({single}) DO UPDATE SET export = excluded.export, lines = excluded.lines,
             is_complete = excluded.is_complete"
    );
    let given = values![&arrived.export, arrived.lines, arrived.is_complete];
    db.execute(&sql, given).await?;
    Ok(())
}
