//! Reading an export line by line.

use std::io::{BufRead, Read as _};

use sha2::{Digest as _, Sha256};

use super::{FORMAT, FORMAT_VERSION, Footer, Header, Line, Progress, TransferError};

/// The longest line: a dead letter, which the server bounds to much less.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Reads the lines of an export.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    digest: Sha256,
    /// What was read, the line that was read last included.
    read: Progress,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            digest: Sha256::new(),
            read: Progress::default(),
        }
    }

    /// The first line.
    pub(super) fn header(&mut self) -> Result<Header, TransferError> {
        // Of another version, only these two are known.
        #[derive(serde::Deserialize)]
        struct First {
            header: Format,
        }
        #[derive(serde::Deserialize)]
        struct Format {
            format: String,
            version: u32,
        }
        self.read_line()?;
        let first: First =
            serde_json::from_slice(&self.line).map_err(|_| TransferError::NotAnExport)?;
        if first.header.format != FORMAT {
            return Err(TransferError::NotAnExport);
        }
        if first.header.version > FORMAT_VERSION {
            return Err(TransferError::Newer {
                found: first.header.version,
                known: FORMAT_VERSION,
            });
        }
        self.digest.update(&self.line);
        match self.parse()? {
            Line::Header(header) => Ok(header),
            _ => Err(TransferError::NotAnExport),
        }
    }

    /// The next line, unless it is among the first so many, which are passed over.
    pub(super) fn next(&mut self, passed: u64) -> Result<Option<Line>, TransferError> {
        self.read_line()?;
        let line = match self.read.lines > passed {
            true => Some(self.parse()?),
            false => None,
        };
        match &line {
            Some(Line::Footer(footer)) => self.ensure_whole(footer)?,
            _ => self.digest.update(&self.line),
        }
        Ok(line)
    }

    /// How far it is.
    pub(super) fn read(&self) -> Progress {
        self.read
    }

    /// Makes sure that what was read is what was written, and that nothing follows.
    fn ensure_whole(&mut self, footer: &Footer) -> Result<(), TransferError> {
        let digest = hex::encode(std::mem::take(&mut self.digest).finalize());
        let is_whole = footer.lines + 1 == self.read.lines && footer.sha256 == digest;
        if is_whole && self.input.fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(TransferError::Changed)
        }
    }

    fn read_line(&mut self) -> Result<(), TransferError> {
        self.line.clear();
        let mut input = (&mut self.input).take(MAX_LINE_BYTES);
        input.read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            if self.line.len() as u64 == MAX_LINE_BYTES {
                return Err(self.damaged(self.read.lines + 1, &"it is too long"));
            }
            // A line without an end is a part of one.
            return Err(match self.read.lines {
                0 => TransferError::NotAnExport,
                lines => TransferError::CutOff { lines },
            });
        }
        self.read.lines += 1;
        self.read.bytes += self.line.len() as u64;
        Ok(())
    }

    fn parse(&self) -> Result<Line, TransferError> {
        serde_json::from_slice(&self.line).map_err(|error| self.damaged(self.read.lines, &error))
    }

    fn damaged(&self, line: u64, cause: &dyn std::fmt::Display) -> TransferError {
        TransferError::Damaged {
            line,
            cause: cause.to_string(),
        }
    }
}
