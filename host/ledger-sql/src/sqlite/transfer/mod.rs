//! Moving a ledger to or from an SQLite database.

mod indexes;
mod read;
mod write;

use async_trait::async_trait;
use rusqlite::{Connection as Database, OptionalExtension as _, params};

pub(super) use self::read::page;
use self::write::Writer;
use super::{Result, SqliteLedger, identity, rows};
use integration_host_ledger::transfer::{
    Contents, ImportProgress, Record, RecordKind, Transfer, out_of_step,
};
use integration_host_ledger::{LedgerError, Page};

#[async_trait]
impl Transfer for SqliteLedger {
    async fn records(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Record>, LedgerError> {
        let after = after.map(str::to_owned);
        self.database
            .read(move |database| page(database, kind, after.as_deref(), limit))
            .await
    }

    async fn contents(&self) -> Result<Contents, LedgerError> {
        self.database.read(contents).await
    }

    async fn import_batch(
        &self,
        records: Vec<Record>,
        from: u64,
        arrived: &ImportProgress,
    ) -> Result<(), LedgerError> {
        let arrived = arrived.clone();
        if arrived.is_complete {
            indexes::complete(&self.database.0).await?;
        }
        self.database
            .write(move |database| {
                ensure_follows(database, from, &arrived)?;
                if from == 0 && !arrived.is_complete {
                    indexes::set_aside(database)?;
                }
                let mut writer = Writer::new(database);
                for record in records {
                    writer.write(record)?;
                }
                writer.finish()?;
                if arrived.is_complete {
                    identity::begin_life(database)?;
                }
                note(database, &arrived)
            })
            .await
    }
}

fn contents(database: &Database) -> Result<Contents> {
    if let Some(arrived) = arrived(database)? {
        return Ok(Contents::Export(arrived));
    }
    let is_used: bool = database
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM connections)")?
        .query_row([], |row| row.get(0))?;
    Ok(match is_used {
        true => Contents::Other,
        false => Contents::Nothing,
    })
}

fn arrived(database: &Database) -> Result<Option<ImportProgress>> {
    Ok(database
        .prepare_cached("SELECT export, lines, is_complete FROM arrived_export")?
        .query_row([], |row| {
            Ok(ImportProgress {
                export: row.get(0)?,
                lines: rows::to_u64(row, 1)?,
                is_complete: row.get(2)?,
            })
        })
        .optional()?)
}

fn ensure_follows(database: &Database, from: u64, step: &ImportProgress) -> Result<()> {
    let follows = match contents(database)? {
        Contents::Nothing => from == 0,
        Contents::Export(before) => before.is_followed_by(step, from),
        Contents::Other => false,
    };
    if follows {
        Ok(())
    } else {
        Err(out_of_step().into())
    }
}

fn note(database: &Database, arrived: &ImportProgress) -> Result<()> {
    database
        .prepare_cached(
            "INSERT INTO arrived_export (only, export, lines, is_complete) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (only) DO UPDATE SET export = excluded.export, lines = excluded.lines,
                 is_complete = excluded.is_complete",
        )?
        .execute(params![
            arrived.export,
            i64::try_from(arrived.lines).unwrap_or(i64::MAX),
            arrived.is_complete,
        ])?;
    Ok(())
}
