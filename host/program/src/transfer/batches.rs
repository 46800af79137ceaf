//! Reading an export many lines at a time, ready to be taken over.

use std::collections::HashSet;
use std::io::BufRead;

use super::read::Lines;
use super::reseal::Resealer;
use super::{Footer, Header, Line, Progress, StoredEntry, TransferError};
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::transfer::{Record, doubled};

/// Lines taken over at once: so many that a transaction and its wait for the disk are shared by many, and so few
/// that they need little memory.
const BATCH_LINES: usize = 10_000;
/// A batch ends with the line that makes it larger than this.
const BATCH_BYTES: u64 = 4 << 20;

/// Lines that are taken over together.
pub(super) struct Batch {
    pub(super) stored: Vec<StoredEntry>,
    pub(super) records: Vec<Record>,
    /// The lines that the records are in.
    pub(super) record_lines: Vec<u64>,
    /// How far the export is read with them.
    pub(super) read: Progress,
    /// The last line, if it is among them.
    pub(super) footer: Option<Footer>,
}

/// Reads batches. What is in them is sealed with the keys of the destination already.
pub(super) struct Batches<R> {
    lines: Lines<R>,
    resealer: Resealer,
    /// Lines that arrived before, which are passed over.
    passed: u64,
    /// The keys of the present connection that were read.
    keys: HashSet<String>,
    connection: Option<ConnectionId>,
}

impl<R: BufRead> Batches<R> {
    /// Begins with the first line, and tells it.
    pub(super) fn start(input: R, resealer: Resealer) -> Result<(Self, Header), TransferError> {
        let mut lines = Lines::new(input);
        let header = lines.header()?;
        let batches = Self {
            lines,
            resealer,
            passed: 0,
            keys: HashSet::new(),
            connection: None,
        };
        Ok((batches, header))
    }

    /// Passes over the first so many lines.
    pub(super) fn pass(&mut self, lines: u64) {
        self.passed = lines;
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Result<Batch, TransferError> {
        let mut stored = Vec::new();
        let mut records = Vec::new();
        let mut record_lines = Vec::new();
        let mut began = None;
        loop {
            let before = self.lines.read().bytes;
            let line = self.lines.next(self.passed).map_err(|error| {
                // Where something was added by mistake, that tells more than a checksum.
                find_doubled(&record_lines, &records).unwrap_or(error)
            })?;
            let Some(line) = line else {
                continue;
            };
            let read = self.lines.read();
            let mut footer = None;
            match line {
                Line::Header(_) => {
                    return Err(TransferError::Damaged {
                        line: read.lines,
                        cause: "it is another first line".to_owned(),
                    });
                }
                Line::Stored(mut entry) => {
                    self.ensure_once(&entry, read.lines)?;
                    self.resealer.reseal_entry(&mut entry, read.lines)?;
                    stored.push(entry);
                }
                Line::Record(mut record) => {
                    if let Record::Request(request) = &mut record {
                        self.resealer.reseal_request(request, read.lines)?;
                    }
                    records.push(record);
                    record_lines.push(read.lines);
                }
                Line::Footer(last) => footer = Some(last),
            }
            let bytes = read.bytes - *began.get_or_insert(before);
            let is_full = stored.len() + records.len() >= BATCH_LINES || bytes >= BATCH_BYTES;
            if is_full || footer.is_some() {
                return Ok(Batch {
                    stored,
                    records,
                    record_lines,
                    read,
                    footer,
                });
            }
        }
    }

    /// What is stored of a connection stands together.
    fn ensure_once(&mut self, entry: &StoredEntry, line: u64) -> Result<(), TransferError> {
        if self.connection.as_ref() != Some(&entry.connection) {
            self.connection = Some(entry.connection.clone());
            self.keys.clear();
        }
        if self.keys.insert(entry.key.clone()) {
            return Ok(());
        }
        Err(TransferError::Damaged {
            line,
            cause: format!(
                "the key {} of the connection {} is there already",
                entry.key, entry.connection
            ),
        })
    }
}

/// The first record that is among these twice.
fn find_doubled(lines: &[u64], records: &[Record]) -> Option<TransferError> {
    let mut seen = HashSet::new();
    lines.iter().zip(records).find_map(|(line, record)| {
        let record = record.describe_if_single()?;
        if seen.insert(record.clone()) {
            return None;
        }
        Some(TransferError::Refused {
            line: *line,
            record,
            cause: doubled(),
        })
    })
}
