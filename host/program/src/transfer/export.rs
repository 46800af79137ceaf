//! Writing everything there is.

use std::io::{self, Write};

use futures_util::future::try_join;
use tokio::task::spawn_blocking;

use super::{ExportWriter, Footer, Header, Progress, StoredEntry, TransferError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::transfer::{Record, RecordKind, Transfer};
use integration_host_ledger::{CoverageLog, Page};
use integration_host_storage::KeyValueStore;

/// Records read at once.
const PAGE: usize = 1000;
/// Stored values and dead letters read at once: each may be a megabyte.
const LARGE_PAGE: usize = 16;

/// Where everything is. No host uses it meanwhile.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The storage, without seals.
    pub store: &'a dyn KeyValueStore,
    /// The ledger.
    pub ledger: &'a dyn Transfer,
    /// What tells whether a host runs.
    pub coverage: &'a dyn CoverageLog,
}

/// Writes everything there is. `progress` is told of time and again. What was written is no export before this
/// returns.
///
/// A page is written while the next one is read, and no more is held at once.
///
/// # Errors
/// A provider does not answer, a host was started meanwhile, or the output cannot be written.
pub async fn export<W: Write + Send + 'static>(
    source: Source<'_>,
    header: Header,
    output: W,
    progress: &mut dyn FnMut(Progress),
) -> Result<Footer, TransferError> {
    let heartbeat = source.coverage.last_heartbeat().await?;
    let mut writer = ExportWriter::start(output, header)?;
    for kind in RecordKind::ALL {
        let mut page = source.page(kind, None).await?;
        loop {
            let next = async {
                match page.next {
                    Some(after) => source.page(kind, Some(&after)).await.map(Some),
                    None => Ok(None),
                }
            };
            let written = write_page(writer, source.store, page.items);
            let (still, next) = try_join(written, next).await?;
            writer = still;
            progress(writer.written());
            match next {
                Some(next) => page = next,
                None => break,
            }
        }
    }
    // Every host says that it runs, first of all when it starts.
    if source.coverage.last_heartbeat().await? != heartbeat {
        return Err(TransferError::HostRan);
    }
    writer.finish()
}

impl Source<'_> {
    async fn page(
        &self,
        kind: RecordKind,
        after: Option<&str>,
    ) -> Result<Page<Record>, TransferError> {
        let limit = match kind {
            RecordKind::Request => LARGE_PAGE,
            _ => PAGE,
        };
        Ok(self.ledger.records(kind, after, limit).await?)
    }
}

/// Writes records, and after each connection what is stored for it.
async fn write_page<W: Write + Send + 'static>(
    mut writer: ExportWriter<W>,
    store: &dyn KeyValueStore,
    mut records: Vec<Record>,
) -> Result<ExportWriter<W>, TransferError> {
    if matches!(records.first(), Some(Record::Connection(_))) {
        for record in records.drain(..) {
            let connection = match &record {
                Record::Connection(moved) => Some(moved.connection.id.clone()),
                _ => None,
            };
            writer.write_record(record)?;
            if let Some(connection) = connection {
                write_stored(&mut writer, store, &connection).await?;
            }
        }
    }
    // On a thread of its own: it takes as long as reading does.
    let writing = spawn_blocking(move || {
        for record in records {
            writer.write_record(record)?;
        }
        Ok(writer)
    });
    writing.await.map_err(io::Error::other)?
}

async fn write_stored(
    writer: &mut ExportWriter<impl Write>,
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
            writer.write_stored(StoredEntry {
                connection: connection.clone(),
                key: entry.key,
                value: entry.value,
                expires_at: entry.expires_at,
            })?;
        }
        if is_last {
            return Ok(());
        }
    }
}
