//! A database that speaks the Postgres protocol, which storage and ledger of several hosts share.
//!
//! Connections come from a bounded pool, and statements are prepared once a connection. Every change is
//! a transaction that is made again if somebody else's was in the way, and everything has a time-out.

mod address;
mod change_notifier;
mod connect;
mod error;
mod schema;
mod scrub;
mod tls;

use std::time::Duration;

use deadpool_postgres::{Client, GenericClient, Pool, Transaction};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row, SimpleQueryMessage};

pub use self::address::{AddressError, PostgresAddress};
use self::change_notifier::ChangeNotifier;
pub use self::connect::{Purpose, connect};
pub use self::error::{PostgresError, PostgresOpenError};
use self::scrub::Scrubber;
use super::indexes::{Index, indexes};

/// What every connection begins with. Everything is in a schema of its own, so that a platform's tables are
/// never met, and whatever the database's defaults are, what is committed is on disk. A host that stands still
/// in the middle of a change holds up others that change the same: it has to lose its connection well before their
/// statements take too long.
const SETUP: &str = "SET search_path TO integration_host;
    SET TIME ZONE 'UTC';
    SET statement_timeout TO '10s';
    SET idle_in_transaction_session_timeout TO '3s';
    SET synchronous_commit TO on;";

/// How long one operation may take: the server's own time-outs end most that take longer, but not when
/// the server itself does not answer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(12);

/// How often a change is made again when somebody else's was in the way.
const ATTEMPTS: usize = 5;

/// The parameters of a statement.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// An error of a change, which may be the database's.
pub trait ChangeError: From<PostgresError> + Send {
    /// Whether the same change may succeed if it is made again at once.
    fn is_conflict(&self) -> bool;
}

impl ChangeError for PostgresError {
    fn is_conflict(&self) -> bool {
        Self::is_conflict(self)
    }
}

/// A handle to an open database; clones are cheap.
#[derive(Clone)]
pub struct PostgresDatabase {
    pool: Pool,
    notifier: ChangeNotifier,
    scrubber: Scrubber,
}

impl PostgresDatabase {
    /// Connects to a database and brings its schema up to date. The schema of a newer version will do as
    /// long as that version says so: hosts are replaced one after the other.
    ///
    /// # Errors
    /// A sentence that names the database, never a password, and what helps.
    pub async fn open(address: &PostgresAddress) -> Result<Self, PostgresOpenError> {
        let pool = connect(address, SETUP, Purpose::Writing).await?;
        schema::bring_up_to_date(&pool, address).await?;
        let notifier = ChangeNotifier::start(address)?;
        let scrubber = Scrubber::start(pool.clone());
        Ok(Self {
            pool,
            notifier,
            scrubber,
        })
    }

    /// The indexes of a table that are not unique.
    pub fn indexes(table: &str) -> impl Iterator<Item = Index> {
        indexes(schema::STEPS.iter().map(|step| step.sql), table)
    }

    /// A connection to read with.
    pub async fn client(&self) -> Result<Client, PostgresError> {
        Ok(self.pool.get().await?)
    }

    /// Makes a change from what is given. It is durable when this returns `Ok`; nothing of it stays when
    /// `change` returns an error. `change` may run several times.
    pub async fn change<A: Sync, T: Send, E: ChangeError>(
        &self,
        given: &A,
        change: impl for<'a> Fn(&'a Transaction<'a>, &'a A) -> BoxFuture<'a, Result<T, E>> + Sync,
    ) -> Result<T, E> {
        within_time(async {
            let mut attempts = 1;
            loop {
                let result = self.try_change(given, &change).await;
                match result {
                    Err(error) if error.is_conflict() && attempts < ATTEMPTS => attempts += 1,
                    result => return result,
                }
            }
        })
        .await
    }

    async fn try_change<A: Sync, T: Send, E: ChangeError>(
        &self,
        given: &A,
        change: &(impl for<'a> Fn(&'a Transaction<'a>, &'a A) -> BoxFuture<'a, Result<T, E>> + Sync),
    ) -> Result<T, E> {
        let mut client = self.client().await?;
        let result = async {
            let transaction = client
                .build_transaction()
                .isolation_level(IsolationLevel::ReadCommitted)
                .start()
                .await
                .map_err(PostgresError::from)?;
            let result = change(&transaction, given).await?;
            transaction.commit().await.map_err(PostgresError::from)?;
            Ok(result)
        }
        .await;
        if result.as_ref().is_err_and(|error: &E| !error.is_conflict())
            && is_read_only(&client).await
        {
            self.leave_server(client);
        }
        result
    }

    /// Throws away the connections to a server that has become a standby, or is read-only otherwise. New ones lead to where
    /// the address leads now, and only to a server that can be written.
    fn leave_server(&self, client: Client) {
        tracing::warn!("the database server cannot be written any more: connecting again");
        drop(Client::take(client));
        self.pool.retain(|_, _| false);
    }

    /// Notes that a host seals with a key and can open with older ones. Returns the keys of other hosts if it
    /// has none of theirs.
    pub async fn share_keys(
        &self,
        id: &str,
        older: &[String],
    ) -> Result<Vec<String>, PostgresError> {
        let given = (id, older);
        self.change(&given, |transaction, (id, older)| {
            Box::pin(share_keys(transaction, id, older))
        })
        .await
    }

    /// Tells other hosts soon that the ledger's change feed has grown.
    pub fn announce_changes(&self) {
        self.notifier.announce();
    }

    /// Tells whenever the ledger's change feed may have grown, by whichever host.
    pub fn watch_changes(&self) -> watch::Receiver<u64> {
        self.notifier.watch()
    }

    /// Has what was erased leave the files of the tables that hold what is sealed, soon and in the background.
    pub async fn scrub(&self) {
        self.scrubber.scrub().await;
    }

    /// Lets go of the database. Whatever is asked afterwards, through any handle, is refused.
    pub async fn close(&self) {
        self.notifier.stop();
        self.scrubber.stop().await;
        self.pool.close();
    }
}

/// Whether a connection leads to a server that refuses changes. What cannot be found out is no.
async fn is_read_only(client: &Client) -> bool {
    let answer = client.simple_query("SHOW transaction_read_only").await;
    answer.is_ok_and(|messages| {
        messages.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("on"),
            _ => false,
        })
    })
}

async fn share_keys(
    transaction: &Transaction<'_>,
    id: &str,
    older: &[String],
) -> Result<Vec<String>, PostgresError> {
    // Of hosts that start at the same time, one comes first. A row that is always there is locked, because not
    // every engine can lock a table. Older programs lock the table: writing to it first waits for them.
    let lock = "SELECT last FROM ledger_changes FOR UPDATE";
    rows(transaction, lock, &[]).await?;
    let note = "INSERT INTO sealing_keys (id) VALUES ($1) ON CONFLICT (id) DO NOTHING";
    let is_new = execute(transaction, note, &[&id]).await? > 0;
    let others = "SELECT id FROM sealing_keys WHERE id <> $1 ORDER BY id";
    let mut of_others = Vec::new();
    for row in rows(transaction, others, &[&id]).await? {
        of_others.push(row.try_get::<_, String>(0)?);
    }
    let is_refused =
        is_new && !of_others.is_empty() && !of_others.iter().any(|key| older.contains(key));
    if !is_refused {
        return Ok(Vec::new());
    }
    let forget = "DELETE FROM sealing_keys WHERE id = $1";
    execute(transaction, forget, &[&id]).await?;
    Ok(of_others)
}

/// What a query returns, unless it takes too long.
pub async fn within_time<T, E: From<PostgresError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(OPERATION_TIMEOUT, work)
        .await
        .unwrap_or_else(|_| {
            Err(PostgresError::Unavailable("the database does not answer".to_owned()).into())
        })
}

/// The rows of a query.
pub async fn rows(
    client: &impl GenericClient,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, PostgresError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}

/// The only row of a query, if there is one.
pub async fn row(
    client: &impl GenericClient,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Option<Row>, PostgresError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, parameters).await?)
}

/// Executes a statement and returns how many rows it touched.
pub async fn execute(
    client: &impl GenericClient,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<u64, PostgresError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, parameters).await?)
}
