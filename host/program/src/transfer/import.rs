//! Taking an export over.

use std::io::{self, BufRead};

use futures_util::future::join;
use tokio::task::spawn_blocking;

use super::batches::{Batch, Batches};
use super::reseal::Resealer;
use super::{Footer, Header, Progress, StoredEntry, TransferError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::LedgerError;
use integration_host_ledger::transfer::{Contents, ImportProgress, Record, Transfer};
use integration_host_seal::KeyRing;
use integration_host_storage::{KeyValueStore, MAX_STORED_BYTES, Write};

/// Where everything is to be. No host uses it meanwhile.
pub struct Destination<'a> {
    /// The storage, without seals.
    pub store: &'a dyn KeyValueStore,
    /// The ledger.
    pub ledger: &'a dyn Transfer,
    /// Its keys: the first seals.
    pub keys: &'a KeyRing,
    /// The keys of the place where the export comes from, if they are others.
    pub source_keys: Option<&'a KeyRing>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What the export is.
    pub header: Header,
    /// What it holds; `None`: it was there already, as a whole.
    pub footer: Option<Footer>,
    /// How many of its lines were there already, from an import that was interrupted.
    pub lines_before: u64,
}

/// Takes everything over. What is taken over is noted in the ledger, so that an import that was interrupted,
/// however that happened, goes on when it is begun again. `progress` is told of time and again.
///
/// Some thousand lines are taken over while the next are read, on a thread that may block; no more is held at once.
///
/// # Errors
/// The input is not a whole export, the destination holds something else, a key is missing, or a provider does not
/// answer. What was taken over until then stays, and a further import of the same export goes on.
pub async fn import<R: BufRead + Send + 'static>(
    destination: Destination<'_>,
    input: R,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, TransferError> {
    let resealer = Resealer::new(destination.keys, destination.source_keys);
    let (mut batches, header) = Batches::start(input, resealer)?;
    let contents = destination.ledger.contents().await?;
    let arrived = match arrived_before(contents, &header)? {
        Some(arrived) if arrived.is_complete => {
            return Ok(Imported {
                header,
                footer: None,
                lines_before: arrived.lines,
            });
        }
        Some(arrived) => arrived.lines,
        None => {
            // Whatever comes now: no host takes the ledger for one that is empty.
            let begun = ImportProgress {
                export: header.id.clone(),
                lines: 0,
                is_complete: false,
            };
            destination
                .ledger
                .import_batch(Vec::new(), 0, &begun)
                .await?;
            0
        }
    };
    batches.pass(arrived);
    let mut from = arrived;
    let (mut batches, mut batch) = next(batches).await?;
    loop {
        let read = batch.read;
        let footer = batch.footer.take();
        let taken_over = import_batch(&destination, &header.id, from, batch, footer.is_some());
        if let Some(footer) = footer {
            taken_over.await?;
            progress(read);
            return Ok(Imported {
                header,
                footer: Some(footer),
                lines_before: arrived,
            });
        }
        // Both to their ends: what is whole is taken over, whatever follows.
        let (taken_over, following) = join(taken_over, next(batches)).await;
        taken_over?;
        progress(read);
        from = read.lines;
        (batches, batch) = following?;
    }
}

/// What arrived of this export before.
fn arrived_before(
    contents: Contents,
    header: &Header,
) -> Result<Option<ImportProgress>, TransferError> {
    match contents {
        Contents::Nothing => Ok(None),
        Contents::Export(arrived) if arrived.lines == 0 && !arrived.is_complete => Ok(None),
        Contents::Export(arrived) if arrived.export == header.id => Ok(Some(arrived)),
        Contents::Export(arrived) if !arrived.is_complete => Err(TransferError::OtherExport {
            lines: arrived.lines,
        }),
        Contents::Export(_) | Contents::Other => Err(TransferError::NotEmpty),
    }
}

/// Reads the next batch, on a thread of its own: it takes as long as taking one over does.
async fn next<R: BufRead + Send + 'static>(
    mut batches: Batches<R>,
) -> Result<(Batches<R>, Batch), TransferError> {
    let reading = spawn_blocking(move || {
        let batch = batches.next()?;
        Ok((batches, batch))
    });
    reading.await.map_err(io::Error::other)?
}

/// Takes over a batch that follows so many lines of an export.
async fn import_batch(
    destination: &Destination<'_>,
    export: &str,
    from: u64,
    batch: Batch,
    is_complete: bool,
) -> Result<(), TransferError> {
    // Before the ledger notes it: stored again after an interruption, an entry is the same.
    store(destination.store, batch.stored).await?;
    let arrived = ImportProgress {
        export: export.to_owned(),
        lines: batch.read.lines,
        is_complete,
    };
    // Kept to find out which of them is refused, if one is.
    let records = batch.records.clone();
    let taken_over = destination
        .ledger
        .import_batch(batch.records, from, &arrived);
    match taken_over.await {
        Err(cause) if is_refusal(&cause) => {
            let records: Vec<_> = batch.record_lines.into_iter().zip(records).collect();
            Err(find_refused(destination.ledger, export, from, &records, cause).await)
        }
        taken_over => Ok(taken_over?),
    }
}

fn is_refusal(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Invalid(_) | LedgerError::NotFound(_))
}

/// Takes over those before the one that is refused, halving what it is among, and tells which it is.
async fn find_refused(
    ledger: &dyn Transfer,
    export: &str,
    mut from: u64,
    records: &[(u64, Record)],
    mut cause: LedgerError,
) -> TransferError {
    let mut among = records;
    while among.len() > 1 {
        let (half, rest) = among.split_at(among.len() / 2);
        let lines = half.last().map_or(from, |(line, _)| *line);
        let arrived = ImportProgress {
            export: export.to_owned(),
            lines,
            is_complete: false,
        };
        let half_records = half.iter().map(|(_, record)| record.clone()).collect();
        match ledger.import_batch(half_records, from, &arrived).await {
            Ok(()) => (from, among) = (lines, rest),
            Err(error) if is_refusal(&error) => (cause, among) = (error, half),
            Err(error) => return error.into(),
        }
    }
    match among.first() {
        Some((line, record)) => TransferError::Refused {
            line: *line,
            record: record.describe(),
            cause,
        },
        None => cause.into(),
    }
}

/// Stores entries, those of a connection together as far as they are small.
async fn store(store: &dyn KeyValueStore, entries: Vec<StoredEntry>) -> Result<(), TransferError> {
    let mut writes: Vec<Write> = Vec::new();
    let mut bytes = 0;
    let mut of: Option<ConnectionId> = None;
    for entry in entries {
        let is_other = of.as_ref() != Some(&entry.connection);
        if is_other || bytes + entry.value.len() > MAX_STORED_BYTES {
            commit(store, of.as_ref(), std::mem::take(&mut writes)).await?;
            bytes = 0;
        }
        of = Some(entry.connection);
        bytes += entry.value.len();
        writes.push(Write {
            key: entry.key,
            value: Some(entry.value),
            expires_at: entry.expires_at,
        });
    }
    commit(store, of.as_ref(), writes).await
}

async fn commit(
    store: &dyn KeyValueStore,
    connection: Option<&ConnectionId>,
    writes: Vec<Write>,
) -> Result<(), TransferError> {
    if let Some(connection) = connection
        && !writes.is_empty()
    {
        // Without expectations it cannot be in conflict.
        store.commit(connection, &[], &writes).await?;
    }
    Ok(())
}
