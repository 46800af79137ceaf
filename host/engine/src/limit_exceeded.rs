//! Why a call was stopped: which limit it hit, by the name operators see.

use strum::{Display, IntoStaticStr};
use thiserror::Error;

/// A limit that ends a call. Its name stands in the log as `limit`.
#[derive(Clone, Copy, Debug, Display, IntoStaticStr, PartialEq, Eq, Hash)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum LimitKind {
    /// CPU time.
    Cpu,
    /// Time from start to end.
    Time,
    /// Linear memory.
    Memory,
    /// Entries of a table.
    Table,
    /// Depth of calls.
    Stack,
    /// Data handed over at once.
    Transfer,
    /// Size of a result or of something in it.
    Result,
    /// Random bytes asked for at once.
    Random,
    /// What one connection may store.
    Storage,
    /// Calls of one connection that wait.
    Waiting,
}

impl LimitKind {
    /// The name in the log.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A limit that was hit, on its way through the engine.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub(super) struct LimitExceeded {
    pub(super) limit: LimitKind,
    /// Continues “the integration failed: ”.
    pub(super) text: String,
}

impl LimitExceeded {
    pub(super) fn new(limit: LimitKind, text: impl Into<String>) -> Self {
        Self {
            limit,
            text: text.into(),
        }
    }
}
