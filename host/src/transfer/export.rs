//! Writing everything there is.

use std::io::Write;

use super::{ExportWriter, Footer, Header, Progress, StoredEntry, TransferError};
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
    let mut writer = ExportWriter::start(output, header)?;
    for kind in RecordKind::ALL {
        let limit = match kind {
            RecordKind::Request => LARGE_PAGE,
            _ => PAGE,
        };
        let mut after = None;
        loop {
            let page = source.ledger.records(kind, after.as_deref(), limit).await?;
            for record in page.items {
                write_record(&mut writer, source.store, record).await?;
            }
            progress(writer.written());
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
    writer.finish()
}

/// Writes a record, and after a connection what is stored for it.
async fn write_record(
    writer: &mut ExportWriter<impl Write>,
    store: &dyn KeyValueStore,
    record: Record,
) -> Result<(), TransferError> {
    let connection = match &record {
        Record::Connection(moved) => Some(moved.connection.id.clone()),
        _ => None,
    };
    writer.write_record(record)?;
    match connection {
        Some(connection) => write_stored(writer, store, &connection).await,
        None => Ok(()),
    }
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
