//! Why something could not be moved.

use std::io;

use thiserror::Error;

use integration_host_ledger::LedgerError;
use integration_host_storage::StorageError;

/// Why something could not be moved: a sentence that says what helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// What is read is no export.
    #[error(
        "this is not an export: its first line does not say so; name a file that `integration-host export` wrote"
    )]
    NotAnExport,
    /// It was written by a newer version.
    #[error(
        "the export was written by a newer version of this program (format {found}, this one knows {known}): import it with that version"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// A line cannot be read.
    #[error(
        "line {line} of the export is damaged ({cause}): copy the file again from where it was written, and run the same command again; it goes on where it ended"
    )]
    Damaged {
        /// Which line, from 1 on.
        line: u64,
        /// What is wrong.
        cause: String,
    },
    /// The last line is missing.
    #[error(
        "the export ends after line {lines} without its last line, so it was cut off: copy the whole file, and run the same command again; it goes on where it ended"
    )]
    CutOff {
        /// Lines that are there.
        lines: u64,
    },
    /// The lines are not those that were written.
    #[error(
        "the export is not as it was written: its checksum is another; import an unchanged copy into an empty place"
    )]
    Changed,
    /// Something sealed does not open.
    #[error("{what} on line {line} of the export cannot be opened: {cause}")]
    Sealed {
        /// What it is.
        what: &'static str,
        /// Which line, from 1 on.
        line: u64,
        /// Why, and what helps.
        cause: String,
    },
    /// The destination holds something else.
    #[error(
        "the ledger is not empty, and importing must not mix with what is there: name an empty place, with --data, --storage or --ledger"
    )]
    NotEmpty,
    /// The destination holds a part of another export.
    #[error(
        "the ledger holds a part of another export, of which {lines} lines are in: go on with that one, or name an empty place"
    )]
    OtherExport {
        /// Its lines that are in.
        lines: u64,
    },
    /// A host ran meanwhile.
    #[error(
        "a host was started while this export was written, so the export may lack what it did; nothing was kept of it: stop every host, and export again"
    )]
    HostRan,
    /// The storage failed.
    #[error("{0}; run the same command again when that is solved")]
    Storage(#[from] StorageError),
    /// The ledger failed.
    #[error("{0}; run the same command again when that is solved")]
    Ledger(#[from] LedgerError),
    /// The ledger refused a record.
    #[error("line {line} of the export, {record}, does not fit what is before it: {cause}")]
    Refused {
        /// The line.
        line: u64,
        /// What is in it.
        record: String,
        /// Why.
        cause: LedgerError,
    },
    /// The file cannot be read or written.
    #[error("the export cannot be read or written: {0}")]
    File(#[from] io::Error),
    /// A line cannot be made.
    #[error("a line cannot be written: {0}")]
    Format(#[from] serde_json::Error),
}
