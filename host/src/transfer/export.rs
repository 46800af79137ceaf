//! Writing an export.

use std::io::Write;

use sha2::{Digest as _, Sha256};

use super::{Footer, Header, Line, Progress, StoredEntry, TransferError};
use crate::capability::storage::KeyValueStore;
use crate::id::ConnectionId;
use crate::ledger::transfer::{Record, RecordKind, Transfer};

/// Records read at once.
const PAGE: usize = 1000;
/// Stored values and kept requests read at once: each may be a megabyte.
const LARGE_PAGE: usize = 16;

/// Where everything is. No host uses it meanwhile.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The storage, without seals.
    pub store: &'a dyn KeyValueStore,
    /// The ledger.
    pub ledger: &'a dyn Transfer,
}

/// Writes everything there is. `progress` is told of time and again. What was written is no export before this
/// returns.
///
/// # Errors
/// A provider does not answer, a host was started meanwhile, or the output cannot be written.
pub async fn export(
    source: Source<'_>,
    header: Header,
    output: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<Footer, TransferError> {
    let heartbeat = source.ledger.last_heartbeat().await?;
    let mut lines = Lines::new(output, progress);
    lines.write(&Line::Header(header))?;
    for kind in RecordKind::ALL {
        let limit = match kind {
            RecordKind::Request => LARGE_PAGE,
            _ => PAGE,
        };
        let mut after = None;
        loop {
            let page = source.ledger.records(kind, after.as_deref(), limit).await?;
            for record in page.items {
                lines.write_record(source.store, kind, record).await?;
            }
            lines.tell();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    // Every host says that it runs, first of all when it starts.
    if source.ledger.last_heartbeat().await? != heartbeat {
        return Err(TransferError::HostRan);
    }
    lines.finish()
}

/// Writes lines, and keeps account of them.
struct Lines<'a> {
    output: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(Progress),
    digest: Sha256,
    done: Progress,
    footer: Footer,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(output: &'a mut dyn Write, progress: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            output,
            progress,
            digest: Sha256::new(),
            done: Progress::default(),
            footer: Footer::default(),
            line: Vec::new(),
        }
    }

    fn write(&mut self, line: &Line) -> Result<(), TransferError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.output.write_all(&self.line)?;
        self.digest.update(&self.line);
        self.done.lines += 1;
        self.done.bytes += self.line.len() as u64;
        Ok(())
    }

    /// Writes a record, and after a connection what is stored for it.
    async fn write_record(
        &mut self,
        store: &dyn KeyValueStore,
        kind: RecordKind,
        record: Record,
    ) -> Result<(), TransferError> {
        let connection = match &record {
            Record::Connection(moved) => Some(moved.connection.id.clone()),
            _ => None,
        };
        self.count(kind.plural());
        self.write(&Line::Record(record))?;
        match connection {
            Some(connection) => self.write_stored(store, &connection).await,
            None => Ok(()),
        }
    }

    async fn write_stored(
        &mut self,
        store: &dyn KeyValueStore,
        connection: &ConnectionId,
    ) -> Result<(), TransferError> {
        let mut after: Option<String> = None;
        loop {
            let page = store
                .list(connection, "", after.as_deref(), LARGE_PAGE)
                .await?;
            let is_last = page.len() < LARGE_PAGE;
            after = page.last().map(|entry| entry.key.clone());
            for entry in page {
                self.count("stored entries");
                self.write(&Line::Stored(StoredEntry {
                    connection: connection.clone(),
                    key: entry.key,
                    value: entry.value,
                    expires_at: entry.expires_at,
                }))?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn count(&mut self, kind: &str) {
        match self.footer.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.footer.counts.insert(kind.to_owned(), 1);
            }
        }
    }

    fn tell(&mut self) {
        (self.progress)(self.done);
    }

    fn finish(mut self) -> Result<Footer, TransferError> {
        let footer = Footer {
            lines: self.done.lines,
            sha256: hex::encode(std::mem::take(&mut self.digest).finalize()),
            counts: std::mem::take(&mut self.footer.counts),
        };
        self.write(&Line::Footer(footer.clone()))?;
        self.output.flush()?;
        self.tell();
        Ok(footer)
    }
}
