//! Sealing: what is at rest is encrypted, and a sealed value that was changed, or put in the place
//! of another, is found out.
//!
//! A sealed value is a format byte, the id of the key, a random nonce and the ciphertext of
//! XChaCha20-Poly1305. Its context (what it is for, whose, under which key) is authenticated with it.

mod key;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

pub(crate) use self::key::is_exposed;
pub use self::key::{SealingKey, SealingKeyError};
use crate::id::random_bytes;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// How many bytes sealing adds to a value.
pub const SEAL_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/// Why a sealed value could not be opened. Trying again does not help.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It is not a sealed value, or one of a newer format.
    #[error("it is not a sealed value this version knows")]
    Format,
    /// It was sealed with a key that is not at hand.
    #[error("it was sealed with another key: restore the sealing key it was sealed with")]
    UnknownKey,
    /// It was changed, or belongs in another place.
    #[error("it was changed after it was sealed, or belongs in another place")]
    Tampered,
}

/// The keys at hand: one to seal with, and older ones that still open what they sealed.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    current: SealingKey,
    older: Vec<SealingKey>,
}

impl SealingKeys {
    /// Seals and opens with one key.
    pub fn new(current: SealingKey) -> Self {
        Self {
            current,
            older: Vec::new(),
        }
    }

    /// Also opens what this key sealed.
    pub fn with_older(mut self, key: SealingKey) -> Self {
        self.older.push(key);
        self
    }

    /// Whether a sealed value was sealed with another key than the current one, so that sealing it
    /// again would make the older key dispensable.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        sealed.get(1..=KEY_ID_BYTES) != Some(self.current.id().as_slice())
    }

    /// Whether a sealed value was sealed with a key that is at hand. What is no sealed value at all is
    /// no matter of keys.
    pub fn has_key_of(&self, sealed: &[u8]) -> bool {
        let Some(id) = sealed.get(1..=KEY_ID_BYTES) else {
            return true;
        };
        std::iter::once(&self.current)
            .chain(&self.older)
            .any(|key| key.id() == *id)
    }

    /// Seals a value for one context: what it is for and where it belongs, outermost first.
    pub fn seal(&self, context: &[&str], plaintext: &[u8]) -> Vec<u8> {
        let nonce = random_bytes::<NONCE_BYTES>();
        let associated = encode_context(context);
        let payload = Payload {
            msg: plaintext,
            aad: &associated,
        };
        #[allow(clippy::expect_used, reason = "only values beyond 256 GiB are refused")]
        let ciphertext = cipher(&self.current)
            .encrypt(&XNonce::from(nonce), payload)
            .expect("the value fits in memory, so it can be encrypted");

        let mut sealed = Vec::with_capacity(plaintext.len() + SEAL_BYTES);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&self.current.id());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Opens a value that was sealed for this context.
    pub fn open(&self, context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&format, rest) = sealed.split_first().ok_or(SealError::Format)?;
        if format != FORMAT {
            return Err(SealError::Format);
        }
        let (id, rest) = rest
            .split_first_chunk::<KEY_ID_BYTES>()
            .ok_or(SealError::Format)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Format)?;
        let key = std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id() == *id)
            .ok_or(SealError::UnknownKey)?;
        let associated = encode_context(context);
        cipher(key)
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &associated,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| SealError::Tampered)
    }
}

fn cipher(key: &SealingKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// No two contexts have the same encoding: every part is preceded by its length.
fn encode_context(context: &[&str]) -> Vec<u8> {
    let mut encoded = vec![FORMAT];
    for part in context {
        encoded.extend_from_slice(&(part.len() as u64).to_le_bytes());
        encoded.extend_from_slice(part.as_bytes());
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: [&str; 3] = ["storage", "connection", "key"];

    fn keys() -> SealingKeys {
        SealingKeys::new(SealingKey::generate())
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_place_only() {
        let keys = keys();
        let sealed = keys.seal(&CONTEXT, b"value");
        assert_eq!(sealed.len(), b"value".len() + SEAL_BYTES);
        assert_eq!(**keys.open(&CONTEXT, &sealed).unwrap(), *b"value");
        for other in [
            &["storage", "connection", "other"][..],
            &["storage", "connectionk", "ey"],
            &["storage", "connection"],
            &["storage", "connection", "key", ""],
            &["delivery", "connection", "key"],
        ] {
            assert_eq!(
                keys.open(other, &sealed),
                Err(SealError::Tampered),
                "a value moved to {other:?}"
            );
        }
    }

    #[test]
    fn any_changed_byte_is_found_out() {
        let keys = keys();
        let sealed = keys.seal(&CONTEXT, b"value");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(
                keys.open(&CONTEXT, &changed).is_err(),
                "byte {position} was changed unnoticed"
            );
            assert!(
                keys.open(&CONTEXT, &sealed[..position]).is_err(),
                "cut at {position} unnoticed"
            );
        }
    }

    #[test]
    fn the_same_value_looks_different_every_time() {
        let keys = keys();
        assert_ne!(keys.seal(&CONTEXT, b"value"), keys.seal(&CONTEXT, b"value"));
    }

    #[test]
    fn an_older_key_still_opens_and_a_missing_one_is_named() {
        let (old, new) = (SealingKey::generate(), SealingKey::generate());
        let sealed = SealingKeys::new(old.clone()).seal(&CONTEXT, b"value");
        let without_old = SealingKeys::new(new.clone());
        assert_eq!(
            without_old.open(&CONTEXT, &sealed),
            Err(SealError::UnknownKey)
        );
        let with = SealingKeys::new(new).with_older(old);
        assert_eq!(**with.open(&CONTEXT, &sealed).unwrap(), *b"value");
        assert!(with.is_outdated(&sealed));
        assert!(with.has_key_of(&sealed) && !without_old.has_key_of(&sealed));
        assert!(!with.is_outdated(&with.seal(&CONTEXT, b"value")));
    }
}
