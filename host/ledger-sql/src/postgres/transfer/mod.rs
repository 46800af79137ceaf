//! Moving a ledger to or from a Postgres database.

mod copy;
mod indexes;
mod read;
mod write;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};

use self::write::Batch;
use super::values::{get, signed, to_u64};
use super::{PostgresLedger, Result, identity};
use integration_host_database::postgres::{execute, row, within_time};
use integration_host_ledger::transfer::{
    Contents, ImportProgress, Record, RecordKind, Transfer, out_of_step,
};
use integration_host_ledger::{LedgerError, Page};

#[async_trait]
impl Transfer for PostgresLedger {
    async fn records(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Record>, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(read::page(&client, kind, after, limit)).await?)
    }

    async fn contents(&self) -> Result<Contents, LedgerError> {
        let client = self.client().await?;
        Ok(within_time(contents(&client)).await?)
    }

    async fn import_batch(
        &self,
        records: Vec<Record>,
        from: u64,
        arrived: &ImportProgress,
    ) -> Result<(), LedgerError> {
        if arrived.is_complete {
            indexes::complete(&mut self.client().await?).await?;
        }
        let given = (Batch::sorted(records), from, arrived);
        let step = self
            .database
            .change(&given, |transaction, (batch, from, arrived)| {
                Box::pin(async move {
                    ensure_follows(transaction, *from, arrived).await?;
                    if *from == 0 && !arrived.is_complete {
                        indexes::set_aside(transaction).await?;
                    }
                    batch.store(transaction).await?;
                    if arrived.is_complete {
                        identity::begin_life(transaction).await?;
                    }
                    note(transaction, arrived).await
                })
            });
        Ok(step.await?)
    }
}

async fn contents(client: &impl GenericClient) -> Result<Contents> {
    let arrived = "SELECT export, lines, is_complete FROM arrived_export";
    if let Some(found) = row(client, arrived, &[]).await? {
        return Ok(Contents::Export(ImportProgress {
            export: get(&found, 0)?,
            lines: to_u64(&found, 1)?,
            is_complete: get(&found, 2)?,
        }));
    }
    let used = row(client, "SELECT 1 FROM connections LIMIT 1", &[]).await?;
    Ok(match used {
        Some(_) => Contents::Other,
        None => Contents::Nothing,
    })
}

async fn ensure_follows(
    transaction: &Transaction<'_>,
    from: u64,
    step: &ImportProgress,
) -> Result<()> {
    // Of two imports at the same time, one comes first.
    row(
        transaction,
        "SELECT last FROM ledger_changes FOR UPDATE",
        &[],
    )
    .await?;
    let follows = match contents(transaction).await? {
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

async fn note(transaction: &Transaction<'_>, arrived: &ImportProgress) -> Result<()> {
    execute(
        transaction,
        "INSERT INTO arrived_export (export, lines, is_complete) VALUES ($1, $2, $3)
         ON CONFLICT (single) DO UPDATE SET export = excluded.export, lines = excluded.lines,
             is_complete = excluded.is_complete",
        &[
            &arrived.export,
            &signed(arrived.lines),
            &arrived.is_complete,
        ],
    )
    .await?;
    Ok(())
}
