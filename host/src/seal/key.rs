//! Sealing keys and the file one is kept in.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::KEY_ID_BYTES;
use crate::id::random_bytes;

const KEY_BYTES: usize = 32;

/// A key that values are sealed with. It cannot be printed and is wiped when dropped.
#[derive(Clone)]
pub struct SealingKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why there is no sealing key: a sentence that says what helps.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealingKeyError {
    /// The text is not a key.
    #[error(
        "{source_name} is not a sealing key: it must be 32 random bytes as 64 hexadecimal digits or in base64"
    )]
    Malformed {
        /// Where the text came from.
        source_name: String,
    },
    /// Others can read the file.
    #[error("other users of this machine can read the sealing key {path}: run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: String,
    },
    /// The file cannot be read or made.
    #[error("the sealing key {path} cannot be read or made: {cause}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
}

impl SealingKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// The key in a text, hexadecimal or base64; `source_name` says in the error where it came from.
    pub fn from_text(source_name: &str, text: &str) -> Result<Self, SealingKeyError> {
        let text = text.trim();
        let bytes = if text.len() == 2 * KEY_BYTES {
            hex::decode(text).ok()
        } else {
            decode_base64(text)
        };
        let bytes = bytes.map(Zeroizing::new);
        bytes
            .and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or_else(|| SealingKeyError::Malformed {
                source_name: source_name.to_owned(),
            })
    }

    /// The key in a file, which is made with a new key if it is not there.
    pub fn load_or_create(path: &Path) -> Result<Self, SealingKeyError> {
        let failed = |cause| SealingKeyError::File {
            path: path.display().to_string(),
            cause,
        };
        match std::fs::metadata(path) {
            Ok(metadata) => {
                if is_exposed(&metadata) {
                    return Err(SealingKeyError::Exposed {
                        path: path.display().to_string(),
                    });
                }
                let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
                Self::from_text(
                    &path.display().to_string(),
                    &String::from_utf8_lossy(&bytes),
                )
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = Self::generate();
                match key.write_new(path) {
                    Ok(()) => Ok(key),
                    // Somebody else was faster: theirs counts.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        Self::load_or_create(path)
                    }
                    Err(error) => Err(failed(error)),
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the key to a file that must not exist. The file appears whole or not at all, so that
    /// a crash leaves no half key behind.
    fn write_new(&self, path: &Path) -> std::io::Result<()> {
        let draft = path.with_extension(format!("new-{}", hex::encode(random_bytes::<4>())));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(self.0.as_slice())));
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&draft, path))
            .and_then(|()| sync_directory(path));
        let removed = std::fs::remove_file(&draft);
        written.and(removed)
    }

    /// Names the key without telling anything about it.
    pub(super) fn id(&self) -> [u8; KEY_ID_BYTES] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"sealing key id")
            .chain_update(self.0.as_slice())
            .finalize()
            .into();
        let (id, _) = digest
            .split_first_chunk()
            .unwrap_or((&[0; KEY_ID_BYTES], &[]));
        *id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealingKey({})", hex::encode(self.id()))
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
}

/// Whether others than its owner can read or change a file.
#[cfg(unix)]
pub(crate) fn is_exposed(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

/// Whether others than its owner can read or change a file, which this system does not tell.
#[cfg(not(unix))]
pub(crate) fn is_exposed(_metadata: &std::fs::Metadata) -> bool {
    false
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => {
            std::fs::File::open(directory)?.sync_all()
        }
        _ => std::fs::File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        let made = SealingKey::load_or_create(&path).unwrap();
        let found = SealingKey::load_or_create(&path).unwrap();
        assert_eq!(made.bytes(), found.bytes());
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "a draft was left behind"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        SealingKey::load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = SealingKey::load_or_create(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("chmod 600 {}", path.display())),
            "{error}"
        );
    }

    #[test]
    fn a_key_is_read_from_hexadecimal_and_base64() {
        let key = SealingKey::generate();
        for text in [
            hex::encode(key.bytes()),
            STANDARD.encode(key.bytes()),
            URL_SAFE_NO_PAD.encode(key.bytes()),
            format!(" {}\n", hex::encode_upper(key.bytes())),
        ] {
            assert_eq!(
                SealingKey::from_text("text", &text).unwrap().bytes(),
                key.bytes()
            );
        }
        for text in [
            "",
            "abc",
            &hex::encode([1; 31]),
            &STANDARD.encode([1; 33]),
            &"x".repeat(64),
        ] {
            let error = SealingKey::from_text("SEALING_KEY", text)
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("SEALING_KEY is not a sealing key"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = SealingKey::generate();
        assert!(!format!("{key:?}").contains(&hex::encode(key.bytes())));
    }
}
