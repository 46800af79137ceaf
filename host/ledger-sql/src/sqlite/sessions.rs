//! Which sessions have ended.

use async_trait::async_trait;
use rusqlite::{Connection as Database, params};

use super::{Result, SqliteLedger};
use integration_host_contract::id::{SessionEpoch, SessionId};
use integration_host_ledger::{LedgerError, MAX_ENDED_SESSIONS, Sessions};

#[async_trait]
impl Sessions for SqliteLedger {
    async fn session_epoch(&self) -> Result<SessionEpoch, LedgerError> {
        self.database
            .read(|database| {
                let epoch: String = database
                    .prepare_cached("SELECT epoch FROM session_epoch")?
                    .query_row([], |row| row.get(0))?;
                Ok(SessionEpoch::new(epoch))
            })
            .await
    }

    async fn has_session_ended(
        &self,
        epoch: &SessionEpoch,
        id: &SessionId,
    ) -> Result<bool, LedgerError> {
        let (epoch, id) = (epoch.clone(), id.clone());
        self.database
            .read(move |database| {
                let goes_on: bool = database
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM session_epoch WHERE epoch = ?1)
                             AND NOT EXISTS (SELECT 1 FROM ended_sessions WHERE id = ?2)",
                    )?
                    .query_row(params![epoch.as_str(), id.as_str()], |row| row.get(0))?;
                Ok(!goes_on)
            })
            .await
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), LedgerError> {
        let id = id.clone();
        self.database
            .write(move |database| {
                database
                    .prepare_cached(
                        "INSERT INTO ended_sessions VALUES (?1) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![id.as_str()])?;
                let ended: i64 = database
                    .prepare_cached("SELECT count(*) FROM ended_sessions")?
                    .query_row([], |row| row.get(0))?;
                if ended > MAX_ENDED_SESSIONS as i64 {
                    begin_epoch(database)?;
                }
                Ok(())
            })
            .await
    }

    async fn end_all_sessions(&self) -> Result<(), LedgerError> {
        self.database.write(begin_epoch).await
    }
}

/// Ends all sessions; then it need not be remembered of each.
pub(super) fn begin_epoch(database: &Database) -> Result<()> {
    database.execute(
        "UPDATE session_epoch SET epoch = ?1",
        params![SessionEpoch::generate().as_str()],
    )?;
    database.execute("DELETE FROM ended_sessions", [])?;
    Ok(())
}
