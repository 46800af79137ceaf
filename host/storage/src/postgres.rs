//! Storage in a database that speaks the Postgres protocol, which several hosts may share.

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_database::postgres::{
    PostgresDatabase, PostgresError, execute, row, rows, within_time,
};

/// How many expired entries one commit removes: a few more than it can add is enough to keep up.
const EXPIRED_PER_COMMIT: i64 = 32;

/// A storage provider in a Postgres database.
pub struct PostgresStore {
    database: PostgresDatabase,
    clock: Arc<dyn Clock>,
}

impl PostgresStore {
    /// The store in this database; `clock` tells what has expired. Hosts that share a database should have
    /// clocks that agree.
    pub fn new(database: PostgresDatabase, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }
}

impl From<PostgresError> for StorageError {
    fn from(error: PostgresError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
impl KeyValueStore for PostgresStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let now = self.clock.now().as_millisecond();
        let client = self.database.client().await?;
        let found = within_time(row(
            &client,
            "SELECT key, value, version, expires_at FROM storage_entries
             WHERE connection = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)",
            &[&connection.as_str(), &key.as_bytes(), &now],
        ))
        .await?;
        found.as_ref().map(entry).transpose()
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let now = self.clock.now().as_millisecond();
        let client = self.database.client().await?;
        // The last condition ends the walk through the index, the one before tells what is wanted.
        let found = within_time(rows(
            &client,
            "SELECT key, value, version, expires_at FROM storage_entries
             WHERE connection = $1 AND key >= $2 AND ($3::bytea IS NULL OR key > $3)
                 AND (expires_at IS NULL OR expires_at > $4) AND ($5::bytea IS NULL OR key < $5)
             ORDER BY key LIMIT $6",
            &[
                &connection.as_str(),
                &prefix.as_bytes(),
                &after.map(str::as_bytes),
                &now,
                &after_all_with(prefix.as_bytes()),
                &(limit.min(MAX_LIST) as i64),
            ],
        ))
        .await?;
        found.iter().map(entry).collect()
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let change = Change {
            connection: connection.as_str(),
            expected,
            writes,
            now: self.clock.now().as_millisecond(),
        };
        let commit = self
            .database
            .change(&change, |transaction, change| {
                Box::pin(change.make(transaction))
            })
            .await;
        Ok(commit?)
    }

    async fn scrub(&self) {
        self.database.scrub().await;
    }
}

/// The least key after every key that begins with a prefix; `None`: there is none.
fn after_all_with(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        // UTF-8 has no byte 0xFF, so that a byte can always be counted up.
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

struct Change<'a> {
    connection: &'a str,
    expected: &'a [Expectation],
    writes: &'a [Write],
    now: i64,
}

impl Change<'_> {
    async fn make(&self, transaction: &Transaction<'_>) -> Result<Commit, PostgresError> {
        self.lock(transaction).await?;
        if !self.holds(transaction).await? {
            return Ok(Commit::Conflict);
        }
        if self.writes.is_empty() {
            return Ok(Commit::Committed);
        }
        self.put(transaction).await?;
        self.delete(transaction).await?;
        self.remove_expired(transaction).await?;
        Ok(Commit::Committed)
    }

    /// Waits for other commits of this connection. The statements that follow see what they wrote.
    async fn lock(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        execute(
            transaction,
            "INSERT INTO storage_scopes (connection) VALUES ($1)
             ON CONFLICT (connection) DO UPDATE SET connection = excluded.connection",
            &[&self.connection],
        )
        .await?;
        Ok(())
    }

    /// Whether every expectation holds.
    async fn holds(&self, transaction: &Transaction<'_>) -> Result<bool, PostgresError> {
        if self.expected.is_empty() {
            return Ok(true);
        }
        let keys: Vec<&[u8]> = (self.expected.iter())
            .map(|expectation| expectation.key.as_bytes())
            .collect();
        let found = rows(
            transaction,
            "SELECT key, version FROM storage_entries
             WHERE connection = $1 AND key = ANY ($2) AND (expires_at IS NULL OR expires_at > $3)",
            &[&self.connection, &keys, &self.now],
        )
        .await?;
        let found: Vec<(Vec<u8>, String)> = found
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get::<_, i64>(1)?.to_string())))
            .collect::<Result<_, tokio_postgres::Error>>()?;
        Ok(self.expected.iter().all(|Expectation { key, version }| {
            let entry = found.iter().find(|(found, _)| found == key.as_bytes());
            entry.map(|(_, version)| version) == version.as_ref().map(|version| &version.0)
        }))
    }

    async fn put(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        let mut keys: Vec<&[u8]> = Vec::new();
        let mut values: Vec<&[u8]> = Vec::new();
        let mut expiries: Vec<Option<i64>> = Vec::new();
        for write in self.writes {
            if let Some(value) = &write.value {
                keys.push(write.key.as_bytes());
                values.push(value);
                expiries.push(write.expires_at.map(Timestamp::as_millisecond));
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        execute(
            transaction,
            "INSERT INTO storage_entries (connection, key, value, version, expires_at)
             SELECT $1, key, value, nextval('storage_versions'), expires_at
             FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS put (key, value, expires_at)
             ON CONFLICT (connection, key) DO UPDATE
             SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at",
            &[&self.connection, &keys, &values, &expiries],
        )
        .await?;
        Ok(())
    }

    async fn delete(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        let keys: Vec<&[u8]> = (self.writes.iter())
            .filter(|write| write.value.is_none())
            .map(|write| write.key.as_bytes())
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        execute(
            transaction,
            "DELETE FROM storage_entries WHERE connection = $1 AND key = ANY ($2)",
            &[&self.connection, &keys],
        )
        .await?;
        Ok(())
    }

    /// Removes some of what has expired, of whichever connection. What somebody else is writing is left.
    async fn remove_expired(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        execute(
            transaction,
            "DELETE FROM storage_entries WHERE (connection, key) IN (
                 SELECT connection, key FROM storage_entries WHERE expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
             )",
            &[&self.now, &EXPIRED_PER_COMMIT],
        )
        .await?;
        Ok(())
    }
}

fn entry(row: &Row) -> Result<Entry, StorageError> {
    let read = || -> Result<_, tokio_postgres::Error> {
        Ok((
            row.try_get::<_, Vec<u8>>(0)?,
            row.try_get(1)?,
            row.try_get::<_, i64>(2)?,
            row.try_get::<_, Option<i64>>(3)?,
        ))
    };
    let (key, value, version, expires_at) = read().map_err(PostgresError::from)?;
    Ok(Entry {
        key: String::from_utf8(key)
            .map_err(|_| StorageError::Invalid("a stored key is not UTF-8".to_owned()))?,
        value,
        version: Version(version.to_string()),
        // What no timestamp can say is beyond all times.
        expires_at: expires_at.map(|at| Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)),
    })
}
