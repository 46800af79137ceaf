//! Taking an export over.

use std::io::BufRead;

use super::read::Lines;
use super::reseal::Resealer;
use super::{Footer, Header, Line, Progress, StoredEntry, TransferError};
use crate::capability::storage::{KeyValueStore, MAX_STORED_BYTES, Write};
use crate::id::ConnectionId;
use crate::ledger::LedgerError;
use crate::ledger::transfer::{Arrived, Contents, Record, Transfer};
use crate::seal::KeyRing;

/// Lines taken over at once: so many that a transaction and its wait for the disk are shared by many, and so few
/// that they need little memory.
const BATCH_LINES: u64 = 5000;
/// A batch ends with the line that makes it larger than this.
const BATCH_BYTES: u64 = 4 << 20;

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
/// # Errors
/// The input is not a whole export, the destination holds something else, a key is missing, or a provider does not
/// answer. What was taken over until then stays, and a further import of the same export goes on.
pub async fn import(
    destination: Destination<'_>,
    input: impl BufRead,
    progress: &mut dyn FnMut(Progress),
) -> Result<Imported, TransferError> {
    let mut lines = Lines::new(input);
    let header = lines.header()?;
    let arrived = match destination.ledger.contents().await? {
        Contents::Nothing => 0,
        Contents::Export(arrived) if arrived.export != header.id => {
            return Err(match arrived.is_complete {
                true => TransferError::NotEmpty,
                false => TransferError::OtherExport {
                    lines: arrived.lines,
                },
            });
        }
        Contents::Export(arrived) if arrived.is_complete => {
            return Ok(Imported {
                header,
                footer: None,
                lines_before: arrived.lines,
            });
        }
        Contents::Export(arrived) => arrived.lines,
        Contents::Other => return Err(TransferError::NotEmpty),
    };
    let mut batch = Batch {
        resealer: Resealer::new(destination.keys, destination.source_keys),
        destination,
        export: header.id.clone(),
        from: arrived,
        lines: 0,
        bytes: 0,
        stored: Vec::new(),
        records: Vec::new(),
    };
    loop {
        let before = lines.read();
        let Some(line) = lines.next(arrived)? else {
            continue;
        };
        let read = lines.read();
        match line {
            Line::Header(_) => {
                return Err(TransferError::Damaged {
                    line: read.lines,
                    cause: "it is another first line".to_owned(),
                });
            }
            Line::Stored(entry) => batch.add_stored(entry, read.lines)?,
            Line::Record(record) => batch.add_record(record, read.lines)?,
            Line::Footer(footer) => {
                batch.take_over(read.lines, true).await?;
                progress(read);
                return Ok(Imported {
                    header,
                    footer: Some(footer),
                    lines_before: arrived,
                });
            }
        }
        batch.lines += 1;
        batch.bytes += read.bytes - before.bytes;
        if batch.is_full() {
            batch.take_over(read.lines, false).await?;
            progress(read);
        }
    }
}

/// Lines that are taken over together.
struct Batch<'a> {
    destination: Destination<'a>,
    resealer: Resealer,
    export: String,
    /// How many lines of the export were taken over before.
    from: u64,
    lines: u64,
    bytes: u64,
    stored: Vec<StoredEntry>,
    records: Vec<Record>,
}

impl Batch<'_> {
    fn add_stored(&mut self, mut entry: StoredEntry, line: u64) -> Result<(), TransferError> {
        self.resealer.reseal_entry(&mut entry, line)?;
        self.stored.push(entry);
        Ok(())
    }

    fn add_record(&mut self, mut record: Record, line: u64) -> Result<(), TransferError> {
        if let Record::Request(request) = &mut record {
            self.resealer.reseal_request(request, line)?;
        }
        self.records.push(record);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.lines >= BATCH_LINES || self.bytes >= BATCH_BYTES
    }

    /// Takes over what was collected, up to the line `to`.
    async fn take_over(&mut self, to: u64, is_complete: bool) -> Result<(), TransferError> {
        // Before the ledger notes it: stored again after an interruption, an entry is the same.
        self.store().await?;
        let arrived = Arrived {
            export: self.export.clone(),
            lines: to,
            is_complete,
        };
        let records = std::mem::take(&mut self.records);
        let ledger = self.destination.ledger;
        ledger
            .take_over(records, self.from, &arrived)
            .await
            .map_err(|error| match error {
                cause @ (LedgerError::Invalid(_) | LedgerError::NotFound(_)) => {
                    TransferError::Refused {
                        first: self.from + 1,
                        last: to,
                        cause,
                    }
                }
                error => error.into(),
            })?;
        self.from = to;
        self.lines = 0;
        self.bytes = 0;
        Ok(())
    }

    /// Stores the entries, those of a connection together as far as they are small.
    async fn store(&mut self) -> Result<(), TransferError> {
        let mut writes: Vec<Write> = Vec::new();
        let mut bytes = 0;
        let mut of: Option<ConnectionId> = None;
        for entry in std::mem::take(&mut self.stored) {
            let is_other = of.as_ref() != Some(&entry.connection);
            if is_other || bytes + entry.value.len() > MAX_STORED_BYTES {
                self.commit(of.as_ref(), std::mem::take(&mut writes))
                    .await?;
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
        self.commit(of.as_ref(), writes).await
    }

    async fn commit(
        &self,
        connection: Option<&ConnectionId>,
        writes: Vec<Write>,
    ) -> Result<(), TransferError> {
        if let Some(connection) = connection
            && !writes.is_empty()
        {
            // Without expectations it cannot be in conflict.
            self.destination
                .store
                .commit(connection, &[], &writes)
                .await?;
        }
        Ok(())
    }
}
