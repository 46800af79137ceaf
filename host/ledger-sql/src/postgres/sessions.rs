//! Which sessions have ended.

use async_trait::async_trait;
use deadpool_postgres::GenericClient;

use super::values::get;
use super::{Failure, PostgresLedger, Result};
use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_database::postgres::{execute, row, within_time};
use integration_host_ledger::{LedgerError, MAX_ENDED_SESSIONS, Sessions};

#[async_trait]
impl Sessions for PostgresLedger {
    async fn session_epoch(&self) -> Result<SessionEpoch, LedgerError> {
        let client = self.client().await?;
        let found = within_time(row(&client, "SELECT epoch FROM session_epoch", &[])).await;
        let epoch: String = get(&found.map_err(Failure::from)?.ok_or_else(no_epoch)?, 0)?;
        Ok(SessionEpoch::new(epoch))
    }

    async fn has_session_ended(
        &self,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool, LedgerError> {
        let client = self.client().await?;
        let found = within_time(row(
            &client,
            "SELECT 1 FROM session_epoch
             WHERE epoch = $1 AND NOT EXISTS (SELECT 1 FROM ended_sessions WHERE id = $2)",
            &[&epoch.as_str(), &id.as_str()],
        ))
        .await;
        Ok(found.map_err(Failure::from)?.is_none())
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), LedgerError> {
        let end = self.database.change(id, |transaction, id| {
            Box::pin(async move { end(transaction, id).await })
        });
        Ok(end.await?)
    }

    async fn end_all_sessions(&self) -> Result<(), LedgerError> {
        let begin = self.database.change(&(), |transaction, ()| {
            Box::pin(async move { begin_epoch(transaction).await })
        });
        Ok(begin.await?)
    }
}

async fn end(client: &impl GenericClient, id: &SessionId) -> Result<()> {
    execute(
        client,
        "INSERT INTO ended_sessions (id) VALUES ($1) ON CONFLICT DO NOTHING",
        &[&id.as_str()],
    )
    .await?;
    let counted = row(client, "SELECT count(*) FROM ended_sessions", &[]).await?;
    let ended: i64 = get(&counted.ok_or_else(no_epoch)?, 0)?;
    if ended > MAX_ENDED_SESSIONS as i64 {
        begin_epoch(client).await?;
    }
    Ok(())
}

/// Ends all sessions; then it need not be remembered of each.
pub(super) async fn begin_epoch(client: &impl GenericClient) -> Result<()> {
    execute(
        client,
        "UPDATE session_epoch SET epoch = $1",
        &[&SessionEpoch::generate().as_str()],
    )
    .await?;
    execute(client, "DELETE FROM ended_sessions", &[]).await?;
    Ok(())
}

fn no_epoch() -> Failure {
    LedgerError::Unavailable("the sessions are missing in the database".to_owned()).into()
}
