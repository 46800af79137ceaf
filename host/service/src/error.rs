//! What a use case fails with.

use thiserror::Error;

use integration_host_contract::{ErrorCode, IntegrationError};
use integration_host_directory::DirectoryError;
use integration_host_engine::CallError;
use integration_host_ledger::LedgerError;
use integration_host_storage::StorageError;

/// Why a use case failed. The text is a sentence for a person.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct HostError {
    /// What a caller can act on.
    pub code: ErrorCode,
    /// What happened and what helps.
    pub message: String,
    /// After how many seconds trying again may help, where that is known.
    pub retry_after_seconds: Option<u32>,
    /// Whether nothing was tried, because too much else happens on the connection. A delay does not tell: what was tried may
    /// have been refused with one.
    pub found_no_turn: bool,
}

impl HostError {
    /// An error without a known delay.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
            found_no_turn: false,
        }
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// An argument makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }
}

impl From<IntegrationError> for HostError {
    fn from(error: IntegrationError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            retry_after_seconds: error.retry_after_seconds,
            found_no_turn: false,
        }
    }
}

impl From<LedgerError> for HostError {
    fn from(error: LedgerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<StorageError> for HostError {
    fn from(error: StorageError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<DirectoryError> for HostError {
    fn from(error: DirectoryError) -> Self {
        Self::new(ErrorCode::Unavailable, error.to_string())
    }
}

/// After how many seconds trying again may help when a connection is busy.
const BUSY_RETRY_SECONDS: u32 = 5;

impl From<CallError> for HostError {
    fn from(error: CallError) -> Self {
        let code = error.code();
        match error {
            CallError::Integration(error) => error.into(),
            CallError::Unrecorded(error) => match error.downcast::<Self>() {
                Ok(error) => *error,
                Err(error) => Self::new(code, error.to_string()),
            },
            error => {
                let found_no_turn = matches!(error, CallError::Busy);
                Self {
                    retry_after_seconds: found_no_turn.then_some(BUSY_RETRY_SECONDS),
                    found_no_turn,
                    ..Self::new(code, error.to_string())
                }
            }
        }
    }
}
