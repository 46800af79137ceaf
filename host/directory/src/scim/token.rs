//! The bearer token, and where it comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;

use integration_host_seal::secret;
use integration_host_seal::secret::file::{self, FileError, Maker};
use integration_host_seal::secret::{Secret, command};

/// Where a bearer token comes from: never from an argument or from the configuration itself, which others
/// can read.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// The program that embeds the host.
    Given(Secret),
    /// A file that its owner alone can read, or that the platform mounts read-only.
    File(PathBuf),
    /// The variable [`TokenSource::VARIABLE`].
    Environment,
    /// What a program prints, and the program's arguments. No shell is involved.
    Command(Vec<String>),
}

/// Why there is no token: a sentence that says what helps.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct TokenError(String);

impl TokenError {
    pub(super) fn malformed(source: &TokenSource) -> Self {
        Self(format!(
            "what {source} holds is no token; it must be one line of printable characters"
        ))
    }
}

impl TokenSource {
    /// The environment variable that may hold the token.
    pub const VARIABLE: &'static str = "INTEGRATION_HOST_DIRECTORY_TOKEN";

    /// Whether the environment holds a token.
    pub fn is_in_environment() -> bool {
        secret::is_in_environment(Self::VARIABLE)
    }

    async fn load(&self, timeout: Duration) -> Result<Secret, TokenError> {
        let text = match self {
            Self::Given(token) => token.clone(),
            Self::File(path) => read(path)?,
            Self::Environment => secret::in_environment(Self::VARIABLE)
                .ok_or_else(|| TokenError(format!("{} is not set or no text", Self::VARIABLE)))?,
            Self::Command(line) => command::output(line, timeout)
                .await
                .map(|text| Secret::new(text.as_str()))
                .map_err(|error| {
                    TokenError(format!(
                        "{error}; run it by hand, and correct `token_command` in [directory] of host.toml"
                    ))
                })?,
        };
        let token = text.expose().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::malformed(self));
        }
        Ok(Secret::new(token))
    }
}

fn read(path: &Path) -> Result<Secret, TokenError> {
    let shown = path.display();
    file::read(path, Maker::Operator).map_err(|error| {
        TokenError(match error {
            FileError::Exposed => format!(
                "other users of this machine can read the token file {shown}; run `chmod 600 {shown}`"
            ),
            FileError::Unreadable(cause) => {
                format!("the token file {shown} cannot be read ({cause})")
            }
        })
    })
}

impl fmt::Display for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => formatter.write_str("the embedding program"),
            Self::File(path) => write!(formatter, "the file {}", path.display()),
            Self::Environment => formatter.write_str(Self::VARIABLE),
            // Arguments may say where the token is.
            Self::Command(command) => write!(
                formatter,
                "the command {}",
                command.first().map_or("", String::as_str)
            ),
        }
    }
}

/// The token in use.
pub(super) struct Token {
    source: TokenSource,
    timeout: Duration,
    current: Mutex<Secret>,
}

impl Token {
    pub(super) async fn load(source: TokenSource, timeout: Duration) -> Result<Self, TokenError> {
        let current = Mutex::new(source.load(timeout).await?);
        Ok(Self {
            source,
            timeout,
            current,
        })
    }

    pub(super) fn source(&self) -> &TokenSource {
        &self.source
    }

    pub(super) fn current(&self) -> Secret {
        self.current.lock().clone()
    }

    /// The token after `refused` was refused, if the source has another by now.
    pub(super) async fn renewed(&self, refused: &Secret) -> Option<Secret> {
        let token = match self.source.load(self.timeout).await {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, "the user directory's token cannot be read again");
                return None;
            }
        };
        if token.expose() == refused.expose() {
            return None;
        }
        *self.current.lock() = token.clone();
        Some(token)
    }
}
