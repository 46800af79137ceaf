//! Where sealing keys come from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::file;
use super::key::SealingKeyError;
use super::ring::KeyRing;
use crate::secret;
use crate::secret::command;

/// Where sealing keys come from. A source yields one key a line: the first seals, all open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The program that embeds the host.
    Given,
    /// A file that its owner alone can read. It is made with a new key if it is not there.
    File(PathBuf),
    /// The variable [`KeySource::VARIABLE`].
    Environment,
    /// What a program prints, and the program's arguments. No shell is involved.
    Command(Vec<String>),
}

impl KeySource {
    /// The environment variable that may hold the keys.
    pub const VARIABLE: &'static str = "INTEGRATION_HOST_SEALING_KEY";

    /// Whether the environment holds keys.
    pub fn is_in_environment() -> bool {
        secret::is_in_environment(Self::VARIABLE)
    }

    /// The keys. `timeout` bounds how long a command may take.
    ///
    /// # Errors
    /// A sentence that says what helps.
    pub async fn load(&self, timeout: Duration) -> Result<KeyRing, SealingKeyError> {
        match self {
            Self::Given => Err(SealingKeyError::Environment {
                variable: Self::VARIABLE,
            }),
            Self::File(path) => file::load_or_create(path),
            Self::Environment => {
                let text = secret::in_environment(Self::VARIABLE).ok_or({
                    SealingKeyError::Environment {
                        variable: Self::VARIABLE,
                    }
                })?;
                KeyRing::from_text(Self::VARIABLE, text.expose())
            }
            Self::Command(command) => {
                let text = command::output(command, timeout).await.map_err(|error| {
                    SealingKeyError::Command {
                        program: error.program,
                        cause: error.cause,
                    }
                })?;
                let name = command.first().map_or("", String::as_str);
                KeyRing::from_text(&format!("what `{name}` prints"), &text)
            }
        }
    }

    /// The keys, of which a file must already be there.
    ///
    /// # Errors
    /// A sentence that says what helps.
    pub async fn load_existing(&self, timeout: Duration) -> Result<KeyRing, SealingKeyError> {
        match self {
            Self::File(path) => file::load(path),
            _ => self.load(timeout).await,
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => formatter.write_str("the embedding program"),
            Self::File(path) => write!(formatter, "the file {}", path.display()),
            Self::Environment => write!(formatter, "the variable {}", Self::VARIABLE),
            // Arguments may say where the key is.
            Self::Command(command) => write!(
                formatter,
                "the command {}",
                command.first().map_or("", String::as_str)
            ),
        }
    }
}

/// Puts keys into a new file, for whoever restores a backup.
///
/// # Errors
/// The file exists, or it cannot be made.
pub fn keep_in_file(ring: &KeyRing, path: &std::path::Path) -> Result<(), SealingKeyError> {
    file::create(path, ring).map_err(|cause| SealingKeyError::File {
        path: path.display().to_string(),
        cause,
    })
}
