//! Which server answers, and whether another life of the change feed has begun with it.
//!
//! A database that was brought back to an earlier moment has another timeline, and one that was brought back elsewhere
//! another system identifier. Whoever sees either for the first time begins a life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use super::connection::Postgres;
use super::values::get;
use crate::failure::{Failure, Result};
use crate::identity::{begin_life, identity};
use integration_host_database::postgres::{execute, row};
use integration_host_ledger::{LedgerError, LedgerIdentity};

/// The identity as it is noted, the server that is noted with it, and the one that answers.
const WITH_SERVER: &str = "SELECT id, life, is_first, server,
         CASE WHEN NOT pg_is_in_recovery() THEN
             (SELECT system_identifier::text || '/' FROM pg_control_system())
                 || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
         END
     FROM ledger_identity";

/// The same where the server does not tell.
const WITHOUT_SERVER: &str = "SELECT id, life, is_first, server, NULL::text FROM ledger_identity";

pub(super) struct Found {
    pub(super) identity: LedgerIdentity,
    noted: Option<String>,
    answers: Option<String>,
}

impl Found {
    /// The server that answers, if it is not the noted one.
    pub(super) fn moved_to(&self) -> Option<String> {
        self.answers
            .clone()
            .filter(|answers| self.noted.as_ref() != Some(answers))
    }
}

/// Whether the server tells its identifier and timeline: other engines do not, and some do not let every login ask.
/// Remembered, because each refusal is an error in the server's log.
#[derive(Clone, Default)]
pub(super) struct TellsNothing(Arc<AtomicBool>);

pub(super) async fn read(client: &Client, tells_nothing: &TellsNothing) -> Result<Found> {
    let mut found = None;
    if !tells_nothing.0.load(Ordering::Relaxed) {
        match ask(client, WITH_SERVER).await {
            Err(error) if is_not_told(&error) => tells_nothing.0.store(true, Ordering::Relaxed),
            answer => found = answer?,
        }
    }
    if found.is_none() {
        found = ask(client, WITHOUT_SERVER).await?;
    }
    let found = found.ok_or_else(missing)?;
    Ok(Found {
        identity: identity(&found)?,
        noted: get(&found, 3)?,
        answers: get(&found, 4)?,
    })
}

async fn ask(client: &Client, sql: &str) -> Result<Option<Row>, tokio_postgres::Error> {
    let statement = client.prepare_cached(sql).await?;
    client.query_opt(&statement, &[]).await
}

/// Classes 0A (not supported), 22 (data), 42 (unknown, access) and 55 (not in this state).
fn is_not_told(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map_or("", SqlState::code);
    ["0A", "22", "42", "55"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// Notes the server that answers. If another one was noted, a life begins; whoever comes second finds that done.
pub(super) async fn settle(transaction: &Transaction<'_>, server: &str) -> Result<LedgerIdentity> {
    let noted = "SELECT id, life, is_first, server FROM ledger_identity FOR UPDATE";
    let found = row(transaction, noted, &[]).await?.ok_or_else(missing)?;
    let noted: Option<String> = get(&found, 3)?;
    if noted.as_deref() == Some(server) {
        return identity(&found);
    }
    let note = "UPDATE ledger_identity SET server = $1";
    execute(transaction, note, &[&server]).await?;
    match noted {
        Some(_) => begin_life(&Postgres(transaction)).await,
        None => identity(&found),
    }
}

fn missing() -> Failure {
    LedgerError::Unavailable("the table ledger_identity is empty: restore a backup".to_owned())
        .into()
}
