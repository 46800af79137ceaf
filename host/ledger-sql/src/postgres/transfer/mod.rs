//! Moving a ledger to or from a Postgres database.

mod copy;
mod indexes;
mod write;

use async_trait::async_trait;

use self::write::Batch;
use super::PostgresLedger;
use super::connection::Postgres;
use crate::backend::SqlDatabase as _;
use crate::failure::{Failure, Result};
use crate::identity;
use crate::transfer::{contents, ensure_is_next, note, read};
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, RecordKind, Transfer};
use integration_host_ledger::{LedgerError, Page};

#[async_trait]
impl Transfer for PostgresLedger {
    async fn records(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Record>, LedgerError> {
        let given = (kind, after.map(str::to_owned), limit);
        let page = self.database.read(given, |db, (kind, after, limit)| {
            Box::pin(read::page(db, *kind, after.as_deref(), *limit))
        });
        page.await
    }

    async fn contents(&self) -> Result<Contents, LedgerError> {
        self.database
            .read((), |db, ()| Box::pin(contents(db)))
            .await
    }

    async fn import_batch(
        &self,
        records: Vec<Record>,
        from: u64,
        arrived: &ImportProgress,
    ) -> Result<(), LedgerError> {
        let database = &self.database.database;
        if arrived.is_complete {
            let mut client = database.client().await.map_err(Failure::from)?;
            indexes::complete(&mut client).await?;
        }
        let given = (Batch::sorted(records), from, arrived);
        let step = database.change(&given, |transaction, (batch, from, arrived)| {
            Box::pin(async move {
                let db = Postgres(transaction);
                ensure_is_next(&db, *from, arrived).await?;
                if *from == 0 && !arrived.is_complete {
                    indexes::set_aside(transaction).await?;
                }
                batch.store(transaction).await?;
                if arrived.is_complete {
                    identity::begin_life(&db).await?;
                }
                note(&db, arrived).await
            })
        });
        let taken: Result<()> = step.await;
        Ok(taken?)
    }
}
