//! Moving a ledger into another one, whatever keeps either.
//!
//! [`Transfer`] is what a provider implements to take part. A ledger is told as [records](Record), one kind after
//! the other, and taken over from them. How they are written into a file is the business of
//! `host/program/src/transfer`.

pub mod base64;
mod records;
pub mod registers;

use async_trait::async_trait;

pub use self::records::{
    ExportActivity, ExportConnection, ExportContent, ExportDeletion, ExportDelivery, ExportEvent,
    ExportHint, ExportLedger, ExportMember, ExportName, ExportRequest, ExportSubject, Record,
    RecordKind,
};
use super::{LedgerError, Page};

/// How far an export was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportProgress {
    /// The export's id.
    pub export: String,
    /// How many of its lines are in.
    pub lines: u64,
    /// Whether that is all of them.
    pub is_complete: bool,
}

impl ImportProgress {
    /// Whether a step that begins after so many lines follows this one. As long as nothing has arrived, it may be one of
    /// any export.
    pub fn is_followed_by(&self, step: &Self, from: u64) -> bool {
        let is_same = self.lines == 0 || self.export == step.export;
        is_same && self.lines == from && !self.is_complete
    }
}

/// What a ledger holds, as far as it matters to an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing.
    Nothing,
    /// What an export brought, or as much of it as arrived. Hosts may have changed what is complete.
    Export(ImportProgress),
    /// Something else.
    Other,
}

/// The part of a [ledger](super::Ledger) that moves it to another one.
///
/// Nobody else uses the ledger meanwhile.
///
/// - Records of a kind are told in an order that stays: connections, deliveries and events in the order they were made
///   in, activities in the order of the change feed. Whoever goes on after each page meets every record once.
/// - Taking over all records, kind after kind in the order of [`RecordKind::ALL`], makes a ledger that tells the same
///   in every respect, the places in the change feed as well.
/// - What one call takes over, and the note of how far that is, is there as a whole or not at all.
/// - An export is taken over from its beginning, in order, and nothing twice: a call that does not begin where the
///   last one ended is a [`LedgerError::Conflict`], and so is one for another export.
/// - Whoever took over all of an export has the id of the ledger it was made of, and has begun a life.
/// - A connection, member, subject, activity, delivery or request that is there already is [`LedgerError::Invalid`], and
///   nothing of its call is kept.
/// - A record that mentions what was not taken over before is [`LedgerError::Invalid`] or
///   [`LedgerError::NotFound`], and nothing of its call is kept.
#[async_trait]
pub trait Transfer: Send + Sync {
    /// The records of a kind, at most `limit` at once; `after` is a page's `next`.
    async fn records(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Record>, LedgerError>;

    /// What the ledger holds.
    async fn contents(&self) -> Result<Contents, LedgerError>;

    /// Takes over records, and notes how far the export has arrived with them. `from` is how many of its lines had
    /// arrived before; with 0, the ledger holds nothing.
    async fn import_batch(
        &self,
        records: Vec<Record>,
        from: u64,
        arrived: &ImportProgress,
    ) -> Result<(), LedgerError>;
}

/// Whether a step of an import that begins after so many lines goes on where the ledger is.
///
/// # Errors
/// It does not.
pub fn ensure_follows(
    contents: &Contents,
    from: u64,
    step: &ImportProgress,
) -> Result<(), LedgerError> {
    let follows = match contents {
        Contents::Nothing => from == 0,
        Contents::Export(before) => before.is_followed_by(step, from),
        Contents::Other => false,
    };
    if follows { Ok(()) } else { Err(out_of_step()) }
}

/// The answer to a record that is there already.
pub fn doubled() -> LedgerError {
    LedgerError::Invalid("it is there already".to_owned())
}

/// The answer to a step of an import that does not follow the one before.
fn out_of_step() -> LedgerError {
    LedgerError::Conflict(
        "the ledger is not as this import left it: another import runs, or a host was started"
            .to_owned(),
    )
}

/// A place among records that are numbered.
pub fn number_after(after: Option<&str>) -> Result<i64, LedgerError> {
    after.map_or(Ok(0), |after| after.parse().map_err(|_| not_a_place(after)))
}

/// A place among records that have an id within a connection: the connection's number and the id.
pub fn id_after(after: Option<&str>) -> Result<(i64, String), LedgerError> {
    let Some(after) = after else {
        return Ok((0, String::new()));
    };
    let (number, id) = after.split_once('/').ok_or_else(|| not_a_place(after))?;
    let number = number.parse().map_err(|_| not_a_place(after))?;
    Ok((number, id.to_owned()))
}

fn not_a_place(after: &str) -> LedgerError {
    LedgerError::Invalid(format!("`{after}` is not a place among the records"))
}

/// Whole rows as a page: each with the place to go on from. Fewer than the limit are the last.
pub fn page_of(rows: Vec<(String, Record)>, limit: usize) -> Page<Record> {
    let next = (rows.len() >= limit)
        .then(|| rows.last().map(|(place, _)| place.clone()))
        .flatten();
    Page {
        items: rows.into_iter().map(|(_, record)| record).collect(),
        next,
    }
}
