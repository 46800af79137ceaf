//! Reading an export many lines at a time, ready to be taken over.

use std::io::BufRead;

use super::read::Lines;
use super::reseal::Resealer;
use super::{Footer, Header, Line, Progress, StoredEntry, TransferError};
use crate::ledger::transfer::Record;

/// Lines taken over at once: so many that a transaction and its wait for the disk are shared by many, and so few
/// that they need little memory.
const BATCH_LINES: usize = 10_000;
/// A batch ends with the line that makes it larger than this.
const BATCH_BYTES: u64 = 4 << 20;

/// Lines that are taken over together.
pub(super) struct Batch {
    pub(super) stored: Vec<StoredEntry>,
    pub(super) records: Vec<Record>,
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
        let mut began = None;
        loop {
            let before = self.lines.read().bytes;
            let Some(line) = self.lines.next(self.passed)? else {
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
                    self.resealer.reseal_entry(&mut entry, read.lines)?;
                    stored.push(entry);
                }
                Line::Record(mut record) => {
                    if let Record::Request(request) = &mut record {
                        self.resealer.reseal_request(request, read.lines)?;
                    }
                    records.push(record);
                }
                Line::Footer(last) => footer = Some(last),
            }
            let bytes = read.bytes - *began.get_or_insert(before);
            let is_full = stored.len() + records.len() >= BATCH_LINES || bytes >= BATCH_BYTES;
            if is_full || footer.is_some() {
                return Ok(Batch {
                    stored,
                    records,
                    read,
                    footer,
                });
            }
        }
    }
}
