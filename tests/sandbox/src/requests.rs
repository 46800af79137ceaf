//! What callers asked for: a bounded log, so that a test can count calls and read their bodies.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many requests are remembered.
const KEPT: usize = 10_000;
/// How much of a body is remembered, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// One request to the Toggl side of the sandbox; credentials are not kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Counts from 1.
    pub number: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query string, if any.
    pub query: Option<String>,
    /// Whose token it carried.
    pub user_id: Option<i64>,
    /// `User-Agent`, if any.
    pub user_agent: Option<String>,
    /// `Content-Type`, if any.
    pub content_type: Option<String>,
    /// Body as text, cut after 64 kB.
    pub body: String,
    /// The status answered.
    pub status: u16,
}

/// The newest requests, oldest first.
#[derive(Default)]
pub(crate) struct RequestLog {
    records: VecDeque<RequestRecord>,
    count: u64,
}

impl RequestLog {
    /// Adds a request and numbers it.
    pub fn push(&mut self, mut record: RequestRecord) {
        self.count = self.count.saturating_add(1);
        record.number = self.count;
        if self.records.len() >= KEPT {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    /// The remembered requests, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &RequestRecord> {
        self.records.iter()
    }

    /// Forgets them; numbering goes on.
    pub fn clear(&mut self) {
        self.records.clear();
    }
}

/// A body as the log keeps it.
pub(crate) fn body_text(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..BODY_BYTES).unwrap_or(body)).into_owned()
}
