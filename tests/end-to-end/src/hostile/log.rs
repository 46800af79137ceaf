//! What the host logs while a hostile component runs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;

/// The log, kept in memory.
#[derive(Clone)]
pub struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    /// With a single subscriber in the process, a line first written by a thread without it counts as
    /// unwanted everywhere.
    _second: Dispatch,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            written: Arc::default(),
            _second: Dispatch::new(NoSubscriber::default()),
        }
    }
}

impl Log {
    /// Writes what the host logs at level `info` and above to here.
    pub fn dispatch(&self) -> Dispatch {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        Dispatch::new(subscriber)
    }

    /// What was logged since it was last taken.
    pub fn take(&self) -> String {
        let bytes =
            std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
