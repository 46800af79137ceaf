//! Moving a ledger to or from an SQLite database.

mod indexes;
mod write;

use async_trait::async_trait;

use self::write::Writer;
use super::SqliteLedger;
use super::connection::{Sqlite, finished};
use crate::backend::SqlDatabase as _;
use crate::failure::Result;
use crate::identity;
use crate::transfer::{contents, ensure_is_next, note, read};
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, RecordKind, Transfer};
use integration_host_ledger::{LedgerError, Page};

#[async_trait]
impl Transfer for SqliteLedger {
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
        let arrived = arrived.clone();
        if arrived.is_complete {
            indexes::complete(&self.database.0).await?;
        }
        let step = self
            .database
            .0
            .write_alone(move |connection| -> Result<()> {
                let sqlite = Sqlite::new(connection);
                finished(ensure_is_next(&sqlite, from, &arrived))?;
                if from == 0 && !arrived.is_complete {
                    sqlite.with(indexes::set_aside)?;
                }
                let mut writer = Writer::new(&sqlite);
                for record in records {
                    writer.write(record)?;
                }
                writer.finish()?;
                if arrived.is_complete {
                    finished(identity::begin_life(&sqlite))?;
                }
                finished(note(&sqlite, &arrived))
            });
        Ok(step.await?)
    }
}
