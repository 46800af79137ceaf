//! Why a component cannot be loaded, and why a call has no result.

use thiserror::Error;

use crate::capability::storage::StorageError;
use crate::contract::{ErrorCode, IntegrationError};
use crate::service::ServiceError;

/// Why a component cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The bytes are not a component.
    #[error("it is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// It asks for something the host does not lend.
    #[error("it imports {0}, which this host does not lend")]
    UnknownImport(String),
    /// It does not implement the contract.
    #[error("it does not implement worksights:integration@0.1.0: {0}")]
    WrongContract(String),
    /// Asking for its manifest failed.
    #[error("it does not describe itself: {0}")]
    NoManifest(#[from] CallError),
}

/// Why a call has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The integration says why.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// The component trapped or broke a limit: a defect in it. The text is for the log.
    #[error("the integration failed in `{export}`: {cause}")]
    Trap {
        /// The function that was called.
        export: &'static str,
        /// What happened.
        cause: String,
    },
    /// The call took too long.
    #[error("the integration did not finish `{export}` within {seconds} s")]
    TimedOut {
        /// The function that was called.
        export: &'static str,
        /// The time it had.
        seconds: u64,
    },
    /// Its commit lost the race against other calls too often.
    #[error("too many changes to this connection at once; try again")]
    Conflict,
    /// What it wrote could not be committed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<CallError> for ServiceError {
    fn from(error: CallError) -> Self {
        let code = match error {
            CallError::Integration(error) => return error.into(),
            CallError::Storage(error) => return error.into(),
            CallError::Trap { .. } => ErrorCode::Internal,
            CallError::TimedOut { .. } | CallError::Conflict => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}
