//! The admin token: who may use the API.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use integration_host_contract::id::random_bytes;
use integration_host_seal::secret;
use integration_host_seal::secret::Secret;
use integration_host_seal::secret::file::{self, FileError, Maker};

/// The fewest characters of a token: whoever guesses shorter ones from many addresses could succeed.
const FEWEST_CHARACTERS: usize = 16;

/// What requests to the API must carry. It is compared in constant time and cannot be printed.
#[derive(Clone, Debug)]
pub struct AdminToken(Secret);

/// Where the token came from, which may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminTokenSource {
    /// The environment variable `INTEGRATION_HOST_TOKEN`.
    Environment,
    /// This file.
    File(PathBuf),
}

/// Why there is no admin token, and what helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminTokenError {
    /// The token is one no client could send.
    #[error("{0} must hold an admin token of visible ASCII characters without spaces; {1}")]
    Unusable(String, &'static str),
    /// The token can be guessed.
    #[error(
        "the admin token in {place} has fewer than {FEWEST_CHARACTERS} characters and could be guessed; {help}"
    )]
    Short {
        /// Where it is.
        place: String,
        /// The command that makes one.
        help: String,
    },
    /// Others can read the file.
    #[error("other users of this machine can read the admin token {path}: run `chmod 600 {path}`", path = .0.display())]
    Exposed(PathBuf),
    /// The file cannot be read or made.
    #[error("cannot {doing} the admin token in {}: {cause}; {help}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        cause: io::Error,
        /// What helps.
        help: &'static str,
    },
}

impl AdminToken {
    /// The file in the data directory that holds the token.
    pub const FILE_NAME: &str = "admin-token";
    /// The environment variable that holds the token.
    pub const VARIABLE: &str = "INTEGRATION_HOST_TOKEN";

    /// A token that is given as it is: visible ASCII characters without spaces, at least 16.
    ///
    /// # Errors
    /// No client could send it, or it could be guessed.
    pub fn new(token: impl Into<String>) -> Result<Self, AdminTokenError> {
        let place = || "the value that was given".to_owned();
        let help = "`openssl rand -hex 32` makes one";
        Self::sendable(token)
            .ok_or_else(|| AdminTokenError::Unusable(place(), help))?
            .unguessable(place(), || help.to_owned())
    }

    /// The token of a host: from the environment if it is there, else from the data directory,
    /// where it is made the first time.
    pub fn obtain(
        environment: Option<String>,
        data: &Path,
    ) -> Result<(Self, AdminTokenSource), AdminTokenError> {
        match environment.filter(|token| !secret::is_blank(token)) {
            Some(token) => {
                let token = Self::from_environment(token)?.unguessable(Self::environment(), || {
                    "set it to what `openssl rand -hex 32` prints, or unset it to use the one in the data directory"
                        .to_owned()
                })?;
                Ok((token, AdminTokenSource::Environment))
            }
            None => {
                let path = data.join(Self::FILE_NAME);
                let token = match Self::create(&path) {
                    Err(AdminTokenError::File { cause, .. })
                        if cause.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        let place = path.display().to_string();
                        Self::read_file(path.clone())?.unguessable(place, || {
                            format!(
                                "run `openssl rand -hex 32 > {}`, or delete the file and start the host again to get a new one",
                                path.display()
                            )
                        })?
                    }
                    created => created?,
                };
                Ok((token, AdminTokenSource::File(path)))
            }
        }
    }

    /// The token a client uses: like [`Self::obtain`], but nothing is made.
    pub fn read(environment: Option<String>, data: &Path) -> Result<Self, AdminTokenError> {
        match environment.filter(|token| !secret::is_blank(token)) {
            Some(token) => Self::from_environment(token),
            None => Self::read_file(data.join(Self::FILE_NAME)),
        }
    }

    /// Whether a request's token is this one.
    pub fn matches(&self, candidate: &str) -> bool {
        // Digests have the same length whatever was sent, so neither content nor length shows in the time.
        let expected = Sha256::digest(self.0.expose());
        let given = Sha256::digest(candidate);
        expected.as_slice().ct_eq(given.as_slice()).into()
    }

    /// The token, for the moment it is sent.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    fn from_environment(token: String) -> Result<Self, AdminTokenError> {
        Self::sendable(secret::without_line_end(&token)).ok_or_else(|| {
            AdminTokenError::Unusable(
                Self::environment(),
                "set it to one, or unset it to use the one in the data directory",
            )
        })
    }

    fn environment() -> String {
        format!("the environment variable {}", Self::VARIABLE)
    }

    fn sendable(token: impl Into<String>) -> Option<Self> {
        let token = Secret::new(token);
        let usable = !token.expose().is_empty()
            && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        usable.then_some(Self(token))
    }

    /// The token, if nobody could guess it. What a client sends is for the host to judge.
    fn unguessable(
        self,
        place: String,
        help: impl FnOnce() -> String,
    ) -> Result<Self, AdminTokenError> {
        if self.0.expose().len() < FEWEST_CHARACTERS {
            let help = help();
            return Err(AdminTokenError::Short { place, help });
        }
        Ok(self)
    }

    fn read_file(path: PathBuf) -> Result<Self, AdminTokenError> {
        let text = match file::read(&path, Maker::Host) {
            Ok(text) => text,
            Err(FileError::Exposed) => return Err(AdminTokenError::Exposed(path)),
            Err(FileError::Unreadable(cause)) => {
                return Err(AdminTokenError::File {
                    doing: "read",
                    path,
                    cause,
                    help: "name the host's data directory with --data, or set INTEGRATION_HOST_TOKEN",
                });
            }
        };
        Self::sendable(text.expose().trim()).ok_or_else(|| {
            AdminTokenError::Unusable(
                path.display().to_string(),
                "delete the file and start the host again to get a new one",
            )
        })
    }

    fn create(path: &Path) -> Result<Self, AdminTokenError> {
        let token = Self(Secret::new(hex::encode(random_bytes::<32>())));
        let written = (|| {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            file.write_all(token.expose().as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })();
        match written {
            Ok(()) => Ok(token),
            Err(cause) => Err(AdminTokenError::File {
                doing: "write",
                path: path.to_owned(),
                cause,
                help: "name a directory that can be written with --data",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Result<AdminToken, AdminTokenError> {
        let nowhere = Path::new("/nowhere");
        AdminToken::obtain(Some(text.to_owned()), nowhere).map(|(token, _)| token)
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused_with_the_command_that_makes_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin-token");
        for short in ["?", "fifteen-letters"] {
            let error = token(short).unwrap_err().to_string();
            let remedy = "set it to what `openssl rand -hex 32` prints";
            assert!(
                error.contains(remedy) && error.contains("16 characters"),
                "{error}"
            );
            assert!(!error.contains(short), "a token in an error: {error}");

            AdminToken::create(&path).unwrap();
            std::fs::write(&path, format!("{short}\n")).unwrap();
            let error = AdminToken::obtain(None, directory.path()).unwrap_err();
            let remedy = format!("`openssl rand -hex 32 > {}`", path.display());
            assert!(error.to_string().contains(&remedy), "{error}");
            std::fs::remove_file(&path).unwrap();
        }
        assert!(token("sixteen--letters").is_ok());
    }

    #[test]
    fn a_token_is_made_once_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let (first, source) = AdminToken::obtain(None, &data).unwrap();
        let path = data.join("admin-token");
        assert_eq!(source, AdminTokenSource::File(path.clone()));
        assert_eq!(first.expose().len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        let (second, _) = AdminToken::obtain(None, &data).unwrap();
        assert!(second.matches(first.expose()));
        assert!(
            AdminToken::read(None, &data)
                .unwrap()
                .matches(first.expose())
        );
    }

    #[test]
    fn the_environment_wins_and_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let (token, source) =
            AdminToken::obtain(Some("a-token-from-outside".into()), directory.path()).unwrap();
        assert!(token.matches("a-token-from-outside"));
        assert_eq!(source, AdminTokenSource::Environment);
        assert!(!directory.path().join("admin-token").exists());
    }

    #[test]
    fn an_empty_variable_is_none_and_a_line_end_is_no_part_of_a_token() {
        let directory = tempfile::tempdir().unwrap();
        for empty in ["", " ", "\n"] {
            let (_, source) = AdminToken::obtain(Some(empty.into()), directory.path()).unwrap();
            assert!(matches!(source, AdminTokenSource::File(_)), "{empty:?}");
        }
        for given in ["correct-correct-1\n", "correct-correct-1\r\n"] {
            assert!(token(given).unwrap().matches("correct-correct-1"));
        }
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = token("correct-correct-1").unwrap();
        for wrong in [
            "",
            "correct-correct-",
            "correct-correct-1 ",
            "Correct-correct-1",
            "correct-correct-1correct-correct-1",
        ] {
            assert!(!token.matches(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_unusable_token_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let error = AdminToken::obtain(Some("two words".into()), directory.path()).unwrap_err();
        assert!(error.to_string().contains("INTEGRATION_HOST_TOKEN"));
        AdminToken::obtain(None, directory.path()).unwrap();
        std::fs::write(directory.path().join("admin-token"), "\n").unwrap();
        let error = AdminToken::obtain(None, directory.path()).unwrap_err();
        assert!(error.to_string().contains("delete the file"), "{error}");
        let missing = directory.path().join("missing");
        let error = AdminToken::read(None, &missing).unwrap_err();
        assert!(error.to_string().contains("--data"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_was_opened_to_a_group_is_closed_again_and_one_that_anybody_can_read_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let (made, _) = AdminToken::obtain(None, directory.path()).unwrap();
        let path = directory.path().join("admin-token");
        for opened in [0o660, 0o640] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(opened)).unwrap();
            let (found, _) = AdminToken::obtain(None, directory.path()).unwrap();
            assert!(found.matches(made.expose()));
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let remedy = format!("chmod 600 {}", path.display());
        for refused in [
            AdminToken::obtain(None, directory.path()).map(|(token, _)| token),
            AdminToken::read(None, directory.path()),
        ] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(&remedy), "{error}");
        }
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert!(!format!("{:?}", token("correct-correct-1").unwrap()).contains("correct"));
    }
}
