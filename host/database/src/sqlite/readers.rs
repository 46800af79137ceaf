//! Connections for reading: a few, opened when they are needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Counters, DatabaseError, open};

/// Reads that may run at once.
const MAX_READERS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    counters: Arc<Counters>,
    /// With the generation of the writer's connection at the time they were opened.
    idle: Mutex<Vec<(u64, Connection)>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, counters: Arc<Counters>) -> Self {
        Self {
            path,
            counters,
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a query on a thread that may block.
    pub(super) async fn run<T, E>(
        self: Arc<Self>,
        query: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(DatabaseError::closed().into());
        };
        let task = tokio::task::spawn_blocking(move || {
            let result = self.run_here(query);
            drop(permit);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a query ended with a panic");
                Err(DatabaseError::defect().into())
            }
        }
    }

    fn run_here<T, E: From<DatabaseError>>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let (generation, mut connection) = self.take().map_err(DatabaseError::from)?;
        connection
            .execute_batch("BEGIN")
            .map_err(DatabaseError::from)?;
        let result = query(&mut connection);
        // A connection that cannot end its transaction is not used again.
        if connection.execute_batch("COMMIT").is_ok() && !self.permits.is_closed() {
            self.idle.lock().push((generation, connection));
        }
        result
    }

    fn take(&self) -> rusqlite::Result<(u64, Connection)> {
        let generation = self.counters.generation.load(Ordering::Relaxed);
        let idle = {
            let mut idle = self.idle.lock();
            idle.retain(|(opened_in, _)| *opened_in == generation);
            idle.pop()
        };
        match idle {
            Some(idle) => Ok(idle),
            None => Ok((generation, open::open_reader(&self.path)?)),
        }
    }

    pub(super) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
    }
}
