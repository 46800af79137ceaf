//! Why a component cannot be loaded, and why a call has no result.

use std::time::Duration;

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
    /// The bytes are something else altogether.
    #[error("it is not WebAssembly; name the file of a component, such as toggl.wasm")]
    NotWebAssembly,
    /// The bytes are a core module.
    #[error(
        "it is a WebAssembly module, not a component; make one of it with `wasm-tools component new`, or name the file of a component"
    )]
    CoreModule,
    /// The bytes begin like a component, but cannot be compiled.
    #[error("it is damaged, or needs a newer host ({0}); build it or fetch it again")]
    Broken(String),
    /// It asks for something the host does not lend.
    #[error("it imports {0}, which this host does not lend; use one made for this host")]
    UnknownImport(String),
    /// It does not implement the contract.
    #[error("it does not implement worksights:integration@0.1.0 ({0}); use one that does")]
    WrongContract(String),
    /// Asking for its manifest failed.
    #[error("it does not describe itself: {0}")]
    NoManifest(#[from] CallError),
}

impl LoadError {
    /// Why bytes that could not be compiled could not be.
    pub(super) fn uncompiled(bytes: &[u8], error: &wasmtime::Error) -> Self {
        // Four bytes say that it is WebAssembly, two are a version, two say which kind.
        match bytes {
            [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Self::CoreModule,
            [b'\0', b'a', b's', b'm', ..] => Self::Broken(one_line(error)),
            _ => Self::NotWebAssembly,
        }
    }

    /// A component whose imports or exports are not the contract's.
    pub(super) fn wrong_contract(error: &wasmtime::Error) -> Self {
        Self::WrongContract(one_line(error))
    }
}

/// The engine's messages have causes and sometimes several lines; ours are part of a sentence.
fn one_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    #[error("the integration did not finish `{export}` within {time:?}")]
    TimedOut {
        /// The function that was called.
        export: &'static str,
        /// The time it had.
        time: Duration,
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
