//! The writer: the one thread that changes the database.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use super::{Counters, DatabaseError, Location, open};

/// The most changes one transaction holds.
const MAX_BATCH: usize = 512;
/// How long a transaction takes in changes that arrive while it runs.
const MAX_BATCH_TIME: Duration = Duration::from_millis(50);

/// How long emptying the log waits for readers: everybody else waits with it.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(200);

/// What the writer is asked to do.
pub(super) enum Message {
    Change(Box<dyn Change>),
    Checkpoint(CheckpointReply),
    Close(oneshot::Sender<()>),
}

type CheckpointReply = oneshot::Sender<Result<(), DatabaseError>>;

/// A change whose types are known only to who asked for it.
pub(super) trait Change: Send {
    /// Runs it and keeps the result. False: what it did must be undone.
    fn run(&mut self, connection: &Connection) -> bool;

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
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
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

pub(super) struct Writer {
    location: Location,
    /// `None` after an error that a new connection may cure.
    connection: Option<Connection>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn new(location: Location, connection: Connection, counters: Arc<Counters>) -> Self {
        Self {
            location,
            connection: Some(connection),
            counters,
        }
    }

    /// Works until the last handle is dropped or one asks to close.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.blocking_recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Change(first) => next = self.commit_batch(first, &mut messages),
                    Message::Checkpoint(reply) => {
                        // Who asked may have stopped waiting.
                        let _ = reply.send(self.checkpoint().map_err(DatabaseError::from));
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
        let mut batch = vec![first];
        let mut next = None;
        let outcome = self.run_batch(&mut batch, messages, &mut next);
        match &outcome {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters
                    .changes
                    .fetch_add(batch.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, changes = batch.len(), "the database could not commit");
                self.recover(error);
            }
        }
        let outcome = outcome.map_err(DatabaseError::from);
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
    ) -> rusqlite::Result<()> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(open::reopen_writer(&self.location)?),
        };
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
        execute(connection, "COMMIT")
    }

    /// Makes sure that the next batch starts afresh.
    fn recover(&mut self, error: &rusqlite::Error) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "the database could not roll back");
        }
        let passing = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
        );
        if matches!(self.location, Location::File(_)) && !passing {
            self.connection = None;
        }
    }

    /// Moves everything into the main file and empties the log, unless readers prevent it.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        connection.busy_timeout(CHECKPOINT_PATIENCE)?;
        let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(open::BUSY_TIMEOUT)?;
        done
    }

    /// Moves everything into the main file, which needs no other file then.
    fn close(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let tidied = connection
            .execute_batch("PRAGMA optimize")
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
            .and_then(|()| connection.close().map_err(|(_, error)| error));
        if let Err(error) = tidied {
            // Nothing is lost: the next start reads the write-ahead log.
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
