//! The writer: the one thread that changes the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::files::Files;
use super::open::OpenError;
use super::{Counters, DatabaseError, Index, Location, QUEUE, open};

/// The most changes one transaction holds.
const MAX_BATCH: usize = 512;
/// How long a transaction takes in changes that arrive while it runs.
const MAX_BATCH_TIME: Duration = Duration::from_millis(50);
/// After how long a failure also ends the changes that waited meanwhile: each would wait as long again.
const LONG_FAILURE: Duration = Duration::from_millis(500);

/// How long emptying the log waits for readers: everybody else waits with it.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(200);

/// What the writer is asked to do.
pub(super) enum Message {
    Change(Box<dyn Change>),
    Checkpoint(Reply),
    Index(Index, Reply),
    Close(oneshot::Sender<()>),
}

type Reply = oneshot::Sender<Result<(), DatabaseError>>;

/// A change whose types are known only to who asked for it.
pub(super) trait Change: Send {
    /// Runs it and keeps the result. False: what it did must be undone.
    fn run(&mut self, connection: &mut Connection) -> bool;

    /// Tells the result, or why it is void.
    fn answer(self: Box<Self>, outcome: Result<(), DatabaseError>);
}

/// A [`Change`] and where its result goes.
pub(super) struct Task<F, T, E> {
    change: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Task<F, T, E> {
    pub(super) fn new(change: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self {
            change: Some(change),
            result: None,
            reply,
        }
    }
}

impl<F, T, E> Change for Task<F, T, E>
where
    F: FnOnce(&mut Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
    fn run(&mut self, connection: &mut Connection) -> bool {
        let Some(change) = self.change.take() else {
            return false;
        };
        let result = catch_unwind(AssertUnwindSafe(|| change(connection))).unwrap_or_else(|_| {
            tracing::error!("a change of the database ended with a panic");
            Err(DatabaseError::defect().into())
        });
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, outcome: Result<(), DatabaseError>) {
        let result = match outcome {
            Ok(()) => self.result,
            Err(error) => Some(Err(error.into())),
        };
        if let Some(result) = result {
            // Who asked may have stopped waiting.
            let _ = self.reply.send(result);
        }
    }
}

/// Why a batch was not committed.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It may be committed, in files that nobody will find.
    #[error("{0}")]
    Moved(String),
    /// It ended with a panic.
    #[error("{0}")]
    Interrupted(String),
}

impl Failure {
    /// Whether the connection is as good as before.
    fn passes(&self) -> bool {
        let Self::Sqlite(error) = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
        )
    }
}

/// The open database.
struct Open {
    connection: Connection,
    /// Absent in memory.
    files: Option<Files>,
}

impl Open {
    fn new(location: &Location, connection: Connection) -> Result<Self, Failure> {
        let files = match location {
            Location::File(path) => Some(
                Files::of(path)
                    .map_err(|error| Failure::Moved(format!("{}: {error}", path.display())))?,
            ),
            Location::Memory => None,
        };
        Ok(Self { connection, files })
    }
}

pub(super) struct Writer {
    location: Location,
    /// `None` after an error that a new connection may cure.
    open: Option<Open>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn new(location: Location, connection: Connection, counters: Arc<Counters>) -> Self {
        Self {
            // If the files are gone already, the first change finds out.
            open: Open::new(&location, connection).ok(),
            location,
            counters,
        }
    }

    /// Lets go of what a panic left in the middle of something.
    pub(super) fn begin_afresh(&mut self) {
        self.counters.failed();
        let interrupted = DatabaseError::defect().to_string();
        self.recover(&Failure::Interrupted(interrupted));
    }

    /// Works until the last handle is dropped or one asks to close.
    pub(super) fn run(&mut self, messages: &mut mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Change(first) => next = self.commit_batch(first, messages),
                    Message::Checkpoint(reply) => {
                        // Who asked may have stopped waiting.
                        let _ = reply.send(self.checkpoint().map_err(DatabaseError::from));
                    }
                    Message::Index(index, reply) => {
                        let _ = reply.send(self.make_index(index));
                    }
                    Message::Close(reply) => {
                        messages.close();
                        self.close();
                        let _ = reply.send(());
                        return;
                    }
                }
            }
        }
        self.close();
    }

    /// Runs a change and those that arrive meanwhile, commits them together and answers them. What
    /// arrived and is no change comes next.
    fn commit_batch(
        &mut self,
        first: Box<dyn Change>,
        messages: &mut mpsc::Receiver<Message>,
    ) -> Option<Message> {
        let began = Instant::now();
        let mut batch = vec![first];
        let mut next = None;
        let outcome = self.run_batch(&mut batch, messages, &mut next);
        match &outcome {
            Ok(()) => self.counters.committed(batch.len()),
            Err(error) => {
                tracing::warn!(%error, changes = batch.len(), "the database could not commit");
                self.counters.failed();
                self.recover(error);
                if began.elapsed() >= LONG_FAILURE {
                    take_waiting(&mut batch, messages, &mut next);
                }
            }
        }
        let outcome = outcome.map_err(|error| DatabaseError(error.to_string()));
        for change in batch {
            change.answer(outcome.clone());
        }
        next
    }

    fn run_batch(
        &mut self,
        batch: &mut Vec<Box<dyn Change>>,
        messages: &mut mpsc::Receiver<Message>,
        next: &mut Option<Message>,
    ) -> Result<(), Failure> {
        let Open { connection, files } = match &mut self.open {
            Some(open) => open,
            None => {
                let connection = open::reopen_writer(&self.location)?;
                let open = self.open.insert(Open::new(&self.location, connection)?);
                // Connections for reading may have been opened to other files.
                self.counters.generation.fetch_add(1, Ordering::Relaxed);
                open
            }
        };
        // Before, so that nothing is written into them; after, because they may be moved meanwhile.
        ensure_in_place(files)?;
        execute(connection, "BEGIN IMMEDIATE")?;
        let began = Instant::now();
        while let Some(change) = batch.last_mut() {
            execute(connection, "SAVEPOINT change")?;
            let keep = change.run(connection);
            if !keep {
                execute(connection, "ROLLBACK TO change")?;
            }
            // Some errors, a full disk for one, undo the whole transaction: this reports them.
            execute(connection, "RELEASE change")?;

            if batch.len() >= MAX_BATCH || began.elapsed() >= MAX_BATCH_TIME {
                break;
            }
            match messages.try_recv() {
                Ok(Message::Change(change)) => batch.push(change),
                Ok(other) => {
                    *next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        execute(connection, "COMMIT")?;
        ensure_in_place(files)
    }

    /// Makes sure that the next batch starts afresh.
    fn recover(&mut self, failure: &Failure) {
        let Some(Open { connection, .. }) = &self.open else {
            return;
        };
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "the database could not roll back");
        }
        if matches!(self.location, Location::File(_)) && !failure.passes() {
            if let Err(error) = open::leave_files_alone(connection) {
                tracing::warn!(%error, "the database could not be let go of");
            }
            self.open = None;
        }
    }

    /// Moves everything into the main file and empties the log, unless readers prevent it.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let Some(Open { connection, .. }) = &self.open else {
            return Ok(());
        };
        connection.busy_timeout(CHECKPOINT_PATIENCE)?;
        let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(open::BUSY_TIMEOUT)?;
        done
    }

    /// Makes an index, unless it is there. What there is is sorted in files: in memory, ten million rows take half a
    /// gigabyte. Where there can be no files, as on a file system that is read-only but for the database, it is sorted
    /// in memory all the same.
    fn make_index(&mut self, index: Index) -> Result<(), DatabaseError> {
        let Some(Open { connection, .. }) = &self.open else {
            return Err(DatabaseError::closed());
        };
        let statement = index.statement();
        connection.execute_batch("PRAGMA temp_store = FILE")?;
        let made = connection.execute_batch(&statement);
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        Ok(made.or_else(|_| connection.execute_batch(&statement))?)
    }

    /// Moves everything into the main file, which needs no other file then.
    fn close(&mut self) {
        let Some(Open { connection, .. }) = self.open.take() else {
            return;
        };
        let tidied = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .and_then(|()| connection.close().map_err(|(_, error)| error));
        if let Err(error) = tidied {
            // Nothing is lost: the next start reads the write-ahead log.
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

fn ensure_in_place(files: &Option<Files>) -> Result<(), Failure> {
    match files {
        Some(files) => files.ensure_in_place().map_err(Failure::Moved),
        None => Ok(()),
    }
}

/// Adds the changes that wait. What is no change comes next.
fn take_waiting(
    batch: &mut Vec<Box<dyn Change>>,
    messages: &mut mpsc::Receiver<Message>,
    next: &mut Option<Message>,
) {
    for _ in 0..QUEUE {
        if next.is_some() {
            return;
        }
        match messages.try_recv() {
            Ok(Message::Change(change)) => batch.push(change),
            Ok(other) => *next = Some(other),
            Err(_) => return,
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
