//! Writing an export line by line.

use std::io::Write;

use sha2::{Digest as _, Sha256};

use super::{Footer, Header, Line, Progress, StoredEntry, TransferError};
use integration_host_ledger::transfer::Record;

/// Writes the lines of an export and keeps account of them. What was written is no export before
/// [`finish`](Self::finish) returns. Lines are written one by one, so an output that is slow wants a buffer.
pub struct ExportWriter<W> {
    output: W,
    digest: Sha256,
    written: Progress,
    footer: Footer,
    /// The present line; kept, so that its memory is used again.
    line: Vec<u8>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn start(output: W, header: Header) -> Result<Self, TransferError> {
        let mut writer = Self {
            output,
            digest: Sha256::new(),
            written: Progress::default(),
            footer: Footer::default(),
            line: Vec::new(),
        };
        writer.write(&Line::Header(header))?;
        Ok(writer)
    }

    /// Writes a record. Whatever it mentions was written before.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write_record(&mut self, record: Record) -> Result<(), TransferError> {
        self.count(record.kind().plural());
        self.write(&Line::Record(record))
    }

    /// Writes a stored entry. The record of its connection was written before.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write_stored(&mut self, entry: StoredEntry) -> Result<(), TransferError> {
        self.count("stored entries");
        self.write(&Line::Stored(entry))
    }

    /// What was written so far.
    pub fn written(&self) -> Progress {
        self.written
    }

    /// Ends the export with its last line, and tells what that says.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn finish(mut self) -> Result<Footer, TransferError> {
        let footer = Footer {
            lines: self.written.lines,
            sha256: hex::encode(std::mem::take(&mut self.digest).finalize()),
            counts: std::mem::take(&mut self.footer.counts),
        };
        self.write(&Line::Footer(footer.clone()))?;
        self.output.flush()?;
        Ok(footer)
    }

    fn write(&mut self, line: &Line) -> Result<(), TransferError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.output.write_all(&self.line)?;
        self.digest.update(&self.line);
        self.written.lines += 1;
        self.written.bytes += self.line.len() as u64;
        Ok(())
    }

    fn count(&mut self, kind: &str) {
        match self.footer.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => {
                self.footer.counts.insert(kind.to_owned(), 1);
            }
        }
    }
}
