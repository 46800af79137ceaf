//! Which sessions have ended.

use async_trait::async_trait;

use crate::SqlLedger;
use crate::backend::{Backend, SqlDatabase, first, only, row};
use crate::failure::Result;
use crate::values::values;
use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_ledger::{LedgerError, MAX_ENDED_SESSIONS, Sessions};

#[async_trait]
impl<D: SqlDatabase> Sessions for SqlLedger<D> {
    async fn session_epoch(&self) -> Result<SessionEpoch, LedgerError> {
        let read = self.database.read((), |db, ()| {
            Box::pin(only(db, "SELECT epoch FROM session_epoch", &[], first))
        });
        read.await
    }

    async fn has_session_ended(
        &self,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool, LedgerError> {
        let given = (epoch.clone(), id.clone());
        let read = self
            .database
            .read(given, |db, (epoch, id)| Box::pin(has_ended(db, epoch, id)));
        read.await
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), LedgerError> {
        let end = (self.database).change_unfenced(id.clone(), |db, id| Box::pin(end(db, id)));
        end.await
    }

    async fn end_all_sessions(&self) -> Result<(), LedgerError> {
        let begin = (self.database).change_unfenced((), |db, ()| Box::pin(begin_epoch(db)));
        begin.await
    }
}

async fn has_ended(db: &dyn Backend, epoch: &SessionEpoch, id: &SessionId) -> Result<bool> {
    let goes_on = row(
        db,
        "SELECT epoch FROM session_epoch
         WHERE epoch = $1 AND NOT EXISTS (SELECT 1 FROM ended_sessions WHERE id = $2)",
        values![epoch.as_str(), id.as_str()],
        first::<String>,
    )
    .await?;
    Ok(goes_on.is_none())
}

async fn end(db: &dyn Backend, id: &SessionId) -> Result<()> {
    let note = "INSERT INTO ended_sessions (id) VALUES ($1) ON CONFLICT DO NOTHING";
    db.execute(note, values![id.as_str()]).await?;
    let ended: i64 = only(db, "SELECT count(*) FROM ended_sessions", &[], first).await?;
    if ended > MAX_ENDED_SESSIONS as i64 {
        begin_epoch(db).await?;
    }
    Ok(())
}

/// Ends all sessions; then it need not be remembered of each.
pub async fn begin_epoch(db: &dyn Backend) -> Result<()> {
    let epoch = SessionEpoch::generate();
    let begin = "UPDATE session_epoch SET epoch = $1";
    db.execute(begin, values![epoch.as_str()]).await?;
    db.execute("DELETE FROM ended_sessions", &[]).await?;
    Ok(())
}
