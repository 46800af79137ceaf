//! Why a component cannot be loaded, and why a call has no result.

use std::error::Error;
use std::time::Duration;

use thiserror::Error;

use wasmtime::Trap;

use super::limit_exceeded::{LimitExceeded, LimitKind};
use integration_host_contract::sentence::cut;
use integration_host_contract::{ErrorCode, IntegrationError};
use integration_host_storage::StorageError;

/// Why a component cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The engine cannot be set up on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The bytes are something else altogether.
    #[error("it is not WebAssembly; name the file of a component")]
    NotWebAssembly,
    /// The bytes are a core module.
    #[error(
        "it is a WebAssembly module, not a component; make one of it with `wasm-tools component new`, or name the file of a component"
    )]
    CoreModule,
    /// The file is larger than any component should be.
    #[error(
        "it is larger than {most} bytes; use a smaller one, or raise `component_bytes` in [limits]"
    )]
    TooLarge {
        /// The limit, in bytes.
        most: usize,
    },
    /// Compiling it takes too long.
    #[error(
        "it could not be compiled within {time:?}; use a smaller one, or raise `component_load_timeout_ms` in [limits]"
    )]
    TooSlow {
        /// The time it had.
        time: Duration,
    },
    /// The bytes begin like a component, but cannot be compiled.
    #[error(
        "it is damaged, needs a newer host, or needs more than this host allows ({0}); build it or fetch it again"
    )]
    Broken(String),
    /// It asks for something the host does not lend.
    #[error("it imports {0}, which this host does not lend; use one made for this host")]
    UnknownImport(String),
    /// It does not implement the contract.
    #[error("it does not implement worksights:integration@0.1.0 ({0}); use one that does")]
    WrongContract(String),
    /// It is no storage provider.
    #[error(
        "it exports no worksights:integration/storage@0.1.0, so it keeps nothing; use one that does, such as keyvalue-storage.wasm"
    )]
    NoStorage,
    /// What it says about itself makes no sense.
    #[error("it does not describe itself: its {0}; it must be corrected")]
    BadManifest(String),
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

/// The longest text of an error that names what is in a component, in characters.
const MAX_CAUSE: usize = 500;

/// The engine's messages have causes and sometimes several lines, and names in a component are whatever
/// its author wrote; ours are part of a sentence.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}").replace(char::is_control, " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, MAX_CAUSE).into_owned()
}

/// Why a call has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The integration says why.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// The component trapped: a defect in it. The text is for the log.
    #[error("the integration failed in `{export}`: {cause}")]
    Trap {
        /// The function that was called.
        export: &'static str,
        /// What happened.
        cause: String,
    },
    /// The component was stopped because it hit a limit.
    #[error("the integration failed in `{export}`: {cause}")]
    Stopped {
        /// The function that was called.
        export: &'static str,
        /// The limit.
        limit: LimitKind,
        /// What happened.
        cause: String,
    },
    /// Too many calls of the connection are waiting, or this one waited for all of its time.
    #[error("too much happens on this connection at once; try again in a few seconds")]
    Busy,
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
    /// What it returned could not be recorded, and what it wrote was not committed.
    #[error("{0}")]
    Unrecorded(Box<dyn Error + Send + Sync>),
}

/// How the engine says that more was handed over at once than [`Store::set_hostcall_fuel`] allows. Its
/// error has no public type.
///
/// [`Store::set_hostcall_fuel`]: wasmtime::Store::set_hostcall_fuel
const TRANSFER_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// How `wasi:random` says that more bytes were asked for at once than it gives.
const RANDOM_EXCEEDED: &str = "requested len ";

impl CallError {
    /// Why the engine ended a call.
    pub(super) fn ended(export: &'static str, error: &wasmtime::Error) -> Self {
        if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
            return Self::stopped(export, exceeded.clone());
        }
        let root = error.root_cause().to_string();
        let limit = match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Some((
                LimitKind::Stack,
                "it calls itself too deeply: its stack is used up",
            )),
            Some(_) => None,
            None if root.contains(TRANSFER_EXHAUSTED) => {
                Some((LimitKind::Transfer, "it hands over too much at once"))
            }
            None if root.starts_with(RANDOM_EXCEEDED) => Some((
                LimitKind::Random,
                "it asks for too many random bytes at once",
            )),
            None => None,
        };
        match (limit, error.downcast_ref::<Trap>()) {
            (Some((limit, text)), _) => Self::stopped(export, LimitExceeded::new(limit, text)),
            (None, Some(trap)) => Self::Trap {
                export,
                cause: trap.to_string(),
            },
            (None, None) => Self::Trap {
                export,
                cause: one_line(error),
            },
        }
    }

    /// A call that hit a limit.
    pub(super) fn stopped(export: &'static str, exceeded: LimitExceeded) -> Self {
        Self::Stopped {
            export,
            limit: exceeded.limit,
            cause: exceeded.text,
        }
    }

    /// What a caller can act on.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Integration(error) => error.code,
            Self::Storage(error) => error.code(),
            Self::TimedOut { .. } | Self::Conflict | Self::Busy => ErrorCode::Unavailable,
            Self::Trap { .. } | Self::Stopped { .. } | Self::Unrecorded(_) => ErrorCode::Internal,
        }
    }

    /// The limit that ended the call, if one did.
    pub fn limit(&self) -> Option<LimitKind> {
        match self {
            Self::Stopped { limit, .. } => Some(*limit),
            Self::TimedOut { .. } => Some(LimitKind::Time),
            Self::Busy => Some(LimitKind::Waiting),
            _ => None,
        }
    }
}
