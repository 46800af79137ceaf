//! Storage in the embedded database: the default.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    Commit, Entry, Expectation, KeyValueStore, MAX_LIST, StorageError, Version, Write,
    check_commit, check_key,
};
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_database::{DatabaseError, SqliteDatabase};

/// How many expired entries one commit removes: a few more than it can add is enough to keep up.
const EXPIRED_PER_COMMIT: usize = 32;

/// A storage provider in an SQLite database.
pub struct SqliteStore {
    database: SqliteDatabase,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// The store in this database; `clock` tells what has expired.
    pub fn new(database: SqliteDatabase, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }
}

impl From<DatabaseError> for StorageError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

#[async_trait]
impl KeyValueStore for SqliteStore {
    async fn get(
        &self,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>, StorageError> {
        check_key(key)?;
        let (connection, key, now) = (connection.clone(), key.to_owned(), self.clock.now());
        self.database
            .read(move |database| {
                let mut statement = database.prepare_cached(
                    "SELECT key, value, version, expires_at FROM storage_entries
                     WHERE connection = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
                )?;
                let parameters = params![connection.as_str(), key, now.as_millisecond()];
                Ok(statement.query_row(parameters, entry).optional()?)
            })
            .await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let (connection, prefix) = (connection.clone(), prefix.to_owned());
        let (after, now) = (after.map(str::to_owned), self.clock.now());
        self.database
            .read(move |database| {
                list(database, &connection, &prefix, after.as_deref(), limit, now)
            })
            .await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit, StorageError> {
        check_commit(expected, writes)?;
        let (connection, expected, writes) =
            (connection.clone(), expected.to_vec(), writes.to_vec());
        let now = self.clock.now();
        self.database
            .write(move |database| commit(database, &connection, &expected, &writes, now))
            .await
    }

    async fn scrub(&self) {
        self.database.scrub().await;
    }
}

fn list(
    database: &Connection,
    connection: &ConnectionId,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Entry>, StorageError> {
    // The comparison begins with the first key that can match; the loop ends with the last.
    let mut statement = database.prepare_cached(
        "SELECT key, value, version, expires_at FROM storage_entries
         WHERE connection = ?1 AND key >= ?2 AND key IS NOT ?3 AND (expires_at IS NULL OR expires_at > ?4)
         ORDER BY key LIMIT ?5",
    )?;
    let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
    let limit = limit.min(MAX_LIST);
    let parameters = params![
        connection.as_str(),
        from,
        after,
        now.as_millisecond(),
        limit as i64
    ];
    let mut rows = statement.query(parameters)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        if !row
            .get_ref(0)?
            .as_bytes()
            .map_err(rusqlite::Error::from)?
            .starts_with(prefix.as_bytes())
        {
            break;
        }
        entries.push(entry(row)?);
    }
    Ok(entries)
}

fn commit(
    database: &Connection,
    connection: &ConnectionId,
    expected: &[Expectation],
    writes: &[Write],
    now: Timestamp,
) -> Result<Commit, StorageError> {
    let now = now.as_millisecond();
    let mut find = database.prepare_cached(
        "SELECT version FROM storage_entries
         WHERE connection = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
    )?;
    for Expectation { key, version } in expected {
        let found: Option<i64> = find
            .query_row(params![connection.as_str(), key, now], |row| row.get(0))
            .optional()?;
        if found.map(|found| found.to_string()).as_ref()
            != version.as_ref().map(|version| &version.0)
        {
            return Ok(Commit::Conflict);
        }
    }
    if writes.is_empty() {
        return Ok(Commit::Committed);
    }
    let version: i64 = database
        .prepare_cached("UPDATE storage_versions SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))?;
    let mut put = database.prepare_cached(
        "INSERT INTO storage_entries (connection, key, value, version, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (connection, key) DO UPDATE
         SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at",
    )?;
    let mut delete = database
        .prepare_cached("DELETE FROM storage_entries WHERE connection = ?1 AND key = ?2")?;
    for Write {
        key,
        value,
        expires_at,
    } in writes
    {
        match value {
            Some(value) => {
                let expires_at = expires_at.map(Timestamp::as_millisecond);
                put.execute(params![
                    connection.as_str(),
                    key,
                    value,
                    version,
                    expires_at
                ])?
            }
            None => delete.execute(params![connection.as_str(), key])?,
        };
    }
    database
        .prepare_cached(
            "DELETE FROM storage_entries WHERE number IN (
                 SELECT number FROM storage_entries WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2
             )",
        )?
        .execute(params![now, EXPIRED_PER_COMMIT as i64])?;
    Ok(Commit::Committed)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let version: i64 = row.get(2)?;
    let expires_at: Option<i64> = row.get(3)?;
    Ok(Entry {
        key: row.get(0)?,
        value: row.get(1)?,
        version: Version(version.to_string()),
        // What no timestamp can say is beyond all times.
        expires_at: expires_at.map(|at| Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)),
    })
}
