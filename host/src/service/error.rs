//! What a use case fails with.

use thiserror::Error;

use crate::capability::storage::StorageError;
use crate::capability::user_directory::DirectoryError;
use crate::contract::{ErrorCode, IntegrationError};
use crate::ledger::LedgerError;

/// Why a use case failed. The text is a sentence for a person.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct ServiceError {
    /// What a caller can act on.
    pub code: ErrorCode,
    /// What happened and what helps.
    pub message: String,
    /// After how many seconds trying again may help, where that is known.
    pub retry_after_seconds: Option<u32>,
}

impl ServiceError {
    /// An error without a known delay.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_seconds: None,
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

impl From<IntegrationError> for ServiceError {
    fn from(error: IntegrationError) -> Self {
        Self {
            code: error.code,
            message: error.message,
            retry_after_seconds: error.retry_after_seconds,
        }
    }
}

impl From<LedgerError> for ServiceError {
    fn from(error: LedgerError) -> Self {
        let code = match error {
            LedgerError::NotFound(_) => ErrorCode::NotFound,
            LedgerError::Conflict(_) => ErrorCode::Conflict,
            LedgerError::Invalid(_) => ErrorCode::InvalidInput,
            LedgerError::LeaseLost | LedgerError::Unavailable(_) => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        let code = match error {
            StorageError::Invalid(_) => ErrorCode::Internal,
            StorageError::Unavailable(_) => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<DirectoryError> for ServiceError {
    fn from(error: DirectoryError) -> Self {
        Self::new(ErrorCode::Unavailable, error.to_string())
    }
}
