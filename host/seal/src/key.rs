//! A sealing key, and why there may be none.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::ring::KEY_ID_BYTES;
use integration_host_contract::id::random_bytes;

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
        "{source_name} is not a sealing key: it must be 32 random bytes as 64 hexadecimal digits or in base64, and one a line if there are several"
    )]
    Malformed {
        /// Where the text came from.
        source_name: String,
    },
    /// The text holds more keys than can be meant.
    #[error(
        "{source_name} holds more than {most} keys: run `integration-host rotate-key`, and keep the first"
    )]
    TooMany {
        /// Where the text came from.
        source_name: String,
        /// The most keys.
        most: usize,
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
    /// The key is not in the environment.
    #[error("{variable} is not set or no text: set it to the sealing key")]
    Environment {
        /// The variable.
        variable: &'static str,
    },
    /// The command did not yield a key.
    #[error(
        "the command `{program}` yields no sealing key: {cause}; run it by hand, and correct `sealing_key_command`"
    )]
    Command {
        /// The program, without its arguments.
        program: String,
        /// What went wrong.
        cause: String,
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

#[cfg(test)]
mod tests {
    use super::*;

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
