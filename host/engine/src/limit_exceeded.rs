//! Why a call was stopped: which limit it hit, by the name operators see.

use std::fmt;

use thiserror::Error;

/// A limit that ends a call. Its name stands in the log as `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
        match self {
            Self::Cpu => "cpu",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::Transfer => "transfer",
            Self::Result => "result",
            Self::Random => "random",
            Self::Storage => "storage",
            Self::Waiting => "waiting",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
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
