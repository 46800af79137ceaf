//! The embedded database: one SQLite file that storage and ledger share.
//!
//! All changes go through one writer thread, which runs whatever is waiting in one transaction and
//! commits once: many deliveries, one fsync. Each change stands or falls alone, and its result is
//! told only after the commit. Reads run beside it on connections of their own.

mod copy;
mod files;
mod open;
mod readers;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

pub use self::copy::{BackupError, DatabaseContents, inspect_backup, key_ids_in};
pub use self::open::OpenError;
pub use self::open::{is_in_use, is_missing, left_log};
use self::readers::Readers;
use self::writer::{Message, Task, Writer};
use crate::indexes::{self, Index};
use integration_host_contract::supervision;

/// Changes that may wait for the writer before callers wait with them.
const QUEUE: usize = 1024;

/// For how long a commit shows that further ones will succeed, so that probes cost nothing.
const RECENT_COMMIT: Duration = Duration::from_secs(5);

/// The database could not do what was asked; whether a change happened is unknown. Trying again may help.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct DatabaseError(String);

impl DatabaseError {
    fn closed() -> Self {
        Self("the database is closed".to_owned())
    }

    fn defect() -> Self {
        Self("a defect in this program ended the operation; its log has the details".to_owned())
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// How much the writer has done since the database was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteStatistics {
    /// Transactions committed.
    pub commits: u64,
    /// Changes they held.
    pub changes: u64,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    changes: AtomicU64,
    /// Counts the writer's connections: readers of an older one are not used any more.
    generation: AtomicU64,
    /// Whether the last commit failed.
    failing: AtomicBool,
    last_commit: Mutex<Option<Instant>>,
}

impl Counters {
    fn committed(&self, changes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(changes as u64, Ordering::Relaxed);
        *self.last_commit() = Some(Instant::now());
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the database commits again");
        }
    }

    fn failed(&self) {
        self.failing.store(true, Ordering::Relaxed);
    }

    fn committed_recently(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
            && self
                .last_commit()
                .is_some_and(|at| at.elapsed() < RECENT_COMMIT)
    }

    fn last_commit(&self) -> MutexGuard<'_, Option<Instant>> {
        self.last_commit.lock()
    }
}

/// Where the database is.
#[derive(Clone, Debug)]
enum Location {
    File(PathBuf),
    Memory,
}

/// A handle to an open database; clones are cheap. The writer ends with the last one.
#[derive(Clone)]
pub struct SqliteDatabase {
    writer: mpsc::Sender<Message>,
    /// Absent in memory: there, reads run on the writer's connection, the only one that sees the data.
    readers: Option<Arc<Readers>>,
    counters: Arc<Counters>,
}

impl SqliteDatabase {
    /// Opens the database in a file, which is made (readable by its owner only) or brought up to
    /// date if necessary. The error is a sentence that names the file and what helps.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::start(Location::File(path.as_ref().to_owned()))
    }

    /// The indexes of a table that are not unique.
    pub fn indexes(table: &str) -> impl Iterator<Item = Index> {
        indexes::indexes(open::MIGRATIONS.iter().copied(), table)
    }

    /// An empty database in memory, gone with its last handle.
    pub fn open_in_memory() -> Result<Self, OpenError> {
        Self::start(Location::Memory)
    }

    fn start(location: Location) -> Result<Self, OpenError> {
        let connection = open::open_writer(&location)?;
        if let Location::File(path) = &location {
            copy::remove_unfinished(path);
        }
        let counters = Arc::new(Counters::default());
        let readers = match &location {
            Location::File(path) => {
                Some(Arc::new(Readers::new(path.clone(), Arc::clone(&counters))))
            }
            Location::Memory => None,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer::new(location, connection, Arc::clone(&counters));
        std::thread::Builder::new()
            .name("database-writer".to_owned())
            .spawn(move || {
                let (mut writer, mut receiver) = (writer, receiver);
                supervision::thread("database-writer", |again| {
                    if again {
                        writer.begin_afresh();
                    }
                    writer.run(&mut receiver);
                });
            })
            .map_err(|error| {
                OpenError::Other(format!("cannot start the database's writer: {error}"))
            })?;
        Ok(Self {
            writer: sender,
            readers,
            counters,
        })
    }

    /// Runs a change. It is durable when this returns `Ok`; when `change` returns an error or panics,
    /// nothing of it stays.
    pub async fn write<T, E>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.write_alone(|connection| change(connection)).await
    }

    /// The same for a change that has the connection to itself, so that it may be held in what goes from thread to thread.
    pub async fn write_alone<T, E>(
        &self,
        change: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let task = Box::new(Task::new(change, reply));
        if self.writer.send(Message::Change(task)).await.is_err() {
            return Err(DatabaseError::closed().into());
        }
        result.await.unwrap_or_else(|_| Err(self.gone().into()))
    }

    /// Why the writer does not answer.
    fn gone(&self) -> DatabaseError {
        if self.writer.is_closed() {
            DatabaseError::closed()
        } else {
            DatabaseError::defect()
        }
    }

    /// Runs a query, which sees one state of the database from its beginning to its end.
    pub async fn read<T, E>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.read_alone(|connection| query(connection)).await
    }

    /// The same for a query that has the connection to itself, as for [`SqliteDatabase::write_alone`].
    pub async fn read_alone<T, E>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match &self.readers {
            Some(readers) => Readers::run(Arc::clone(readers), query).await,
            None => self.write_alone(query).await,
        }
    }

    /// Whether changes can be committed. If none was lately, or the last one failed, this commits one
    /// that changes nothing.
    pub async fn ensure_writable(&self) -> Result<(), DatabaseError> {
        if self.counters.committed_recently() {
            return Ok(());
        }
        self.write(|database| {
            // Writing the same number again still writes a page.
            let version: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok(database.execute_batch(&format!("PRAGMA user_version = {version}"))?)
        })
        .await
    }

    /// Finishes the changes that wait, moves everything into the main file and closes it. Whatever is
    /// asked afterwards, through any handle, is refused.
    pub async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close();
        }
        let (reply, closed) = oneshot::channel();
        if self.writer.send(Message::Close(reply)).await.is_ok() {
            // An error means that the writer has ended already.
            let _ = closed.await;
        }
    }

    /// Makes an index, unless it is there, between two transactions.
    pub async fn make_index(&self, index: Index) -> Result<(), DatabaseError> {
        let (reply, done) = oneshot::channel();
        if self
            .writer
            .send(Message::Index(index, reply))
            .await
            .is_err()
        {
            return Err(DatabaseError::closed());
        }
        done.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Has the writer move everything into the main file and empty its log, between two transactions.
    async fn checkpoint(&self) -> Result<(), DatabaseError> {
        let (reply, done) = oneshot::channel();
        if self.writer.send(Message::Checkpoint(reply)).await.is_err() {
            return Err(DatabaseError::closed());
        }
        done.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Where the database is; `None`: in memory.
    fn path(&self) -> Option<PathBuf> {
        self.readers
            .as_ref()
            .map(|readers| readers.path().to_owned())
    }

    /// How much the writer has done.
    pub fn statistics(&self) -> WriteStatistics {
        WriteStatistics {
            commits: self.counters.commits.load(Ordering::Relaxed),
            changes: self.counters.changes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
