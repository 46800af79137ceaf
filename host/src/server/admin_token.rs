//! The admin token: who may use the API.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::id::random_bytes;
use crate::seal::is_exposed;
use crate::secret::Secret;

/// The file in the data directory that holds the token.
const FILE_NAME: &str = "admin-token";

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
    /// The environment variable that holds the token.
    pub const VARIABLE: &str = "INTEGRATION_HOST_TOKEN";

    /// The token of a host: from the environment if it is there, else from the data directory,
    /// where it is made the first time.
    pub fn obtain(
        environment: Option<String>,
        data: &Path,
    ) -> Result<(Self, AdminTokenSource), AdminTokenError> {
        match environment {
            Some(token) => Ok((
                Self::from_environment(token)?,
                AdminTokenSource::Environment,
            )),
            None => {
                let path = data.join(FILE_NAME);
                let token = match Self::create(&path) {
                    Err(AdminTokenError::File { cause, .. })
                        if cause.kind() == io::ErrorKind::AlreadyExists =>
                    {
                        Self::read_file(path.clone())?
                    }
                    created => created?,
                };
                Ok((token, AdminTokenSource::File(path)))
            }
        }
    }

    /// The token a client uses: like [`Self::obtain`], but nothing is made.
    pub fn read(environment: Option<String>, data: &Path) -> Result<Self, AdminTokenError> {
        match environment {
            Some(token) => Self::from_environment(token),
            None => Self::read_file(data.join(FILE_NAME)),
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
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    fn from_environment(token: String) -> Result<Self, AdminTokenError> {
        Self::new(token).ok_or_else(|| {
            AdminTokenError::Unusable(
                format!("the environment variable {}", Self::VARIABLE),
                "set it to one, or unset it to use the one in the data directory",
            )
        })
    }

    fn new(token: impl Into<String>) -> Option<Self> {
        let token = Secret::new(token);
        let usable = !token.expose().is_empty()
            && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        usable.then_some(Self(token))
    }

    fn read_file(path: PathBuf) -> Result<Self, AdminTokenError> {
        if std::fs::metadata(&path).is_ok_and(|metadata| is_exposed(&metadata)) {
            return Err(AdminTokenError::Exposed(path));
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Secret::new(text),
            Err(cause) => {
                return Err(AdminTokenError::File {
                    doing: "read",
                    path,
                    cause,
                    help: "name the host's data directory with --data, or set INTEGRATION_HOST_TOKEN",
                });
            }
        };
        Self::new(text.expose().trim()).ok_or_else(|| {
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
            AdminToken::obtain(Some("from-outside".into()), directory.path()).unwrap();
        assert!(token.matches("from-outside"));
        assert_eq!(source, AdminTokenSource::Environment);
        assert!(!directory.path().join("admin-token").exists());
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = AdminToken::new("correct").unwrap();
        for wrong in ["", "correc", "correct ", "Correct", "correctcorrect"] {
            assert!(!token.matches(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_unusable_token_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let error = AdminToken::obtain(Some(String::new()), directory.path()).unwrap_err();
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
    fn a_token_that_others_can_read_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        AdminToken::obtain(None, directory.path()).unwrap();
        let path = directory.path().join("admin-token");
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
        assert!(!format!("{:?}", AdminToken::new("correct").unwrap()).contains("correct"));
    }
}
