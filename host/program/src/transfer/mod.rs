//! Moving everything a host keeps to another place: out of one storage and ledger into a text, and from that
//! into others, of whatever providers.
//!
//! # The format
//!
//! JSON Lines: UTF-8, one JSON object on each line. The first is a [`Header`], the last a [`Footer`], and between
//! them is what there is: [`StoredEntry`]s of the storage and [`Record`]s of the ledger, so that whatever a line
//! mentions comes before it. A connection's stored entries follow its record.
//!
//! Secrets, stored values and dead letters are in it as they were kept: sealed, with the keys of the host they
//! come from. An import opens them with those keys and seals them with its own.
//!
//! What a newer program writes differently has a greater [`FORMAT_VERSION`], which older ones refuse.

mod batches;
mod error;
mod export;
mod import;
mod read;
mod reseal;
mod write;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::error::TransferError;
pub use self::export::{Source, export};
pub use self::import::{Destination, Imported, import};
pub use self::write::ExportWriter;
use integration_host_contract::id::ConnectionId;
use integration_host_ledger::transfer::{Record, base64};

/// What the first line of an export says it is.
pub const FORMAT: &str = "integration-host export";
/// The version of the format that this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

/// One line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(Header),
    /// A stored entry.
    Stored(StoredEntry),
    /// A record of the ledger.
    Record(Record),
    /// The last.
    Footer(Footer),
}

/// What an export is and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// Tells this export from every other.
    pub id: String,
    /// The version of the program that wrote it.
    pub program_version: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// The storage it comes from, without any password.
    pub storage: String,
    /// The ledger it comes from, without any password.
    pub ledger: String,
}

/// A key of a connection's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// The connection.
    pub connection: ConnectionId,
    /// The key.
    pub key: String,
    /// The value, sealed.
    #[serde(with = "base64")]
    pub value: Vec<u8>,
    /// When it ceases to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What an export holds, so that one that was cut off or changed is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// How many lines are before this one.
    pub lines: u64,
    /// The SHA-256 of these lines, their ends included, in hexadecimal.
    pub sha256: String,
    /// How many of them there are of each kind.
    pub counts: BTreeMap<String, u64>,
}

/// How far an export or an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Lines that are done.
    pub lines: u64,
    /// Bytes that are done.
    pub bytes: u64,
}
