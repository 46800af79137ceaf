//! The keys at hand: one to seal with, and older ones that still open what they sealed.
//!
//! A sealed value is a format byte, the id of the key, a random nonce and the ciphertext of
//! XChaCha20-Poly1305. Its context (what it is for, whose, under which key) is authenticated with it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use super::key::{SealingKey, SealingKeyError};
use integration_host_contract::id::random_bytes;

const FORMAT: u8 = 1;
pub(super) const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// How many bytes sealing adds to a value.
pub const SEAL_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES;

/// A key that was made of a sealing key for one purpose. It is wiped when dropped.
pub type DerivedKey = Zeroizing<[u8; 32]>;

/// The most keys at hand: a rotation adds one and takes the others away.
const MAX_KEYS: usize = 16;

/// Why a sealed value could not be opened. Trying again does not help.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It is not a sealed value, or one of a newer format.
    #[error("it is not a sealed value this version knows")]
    Format,
    /// It was sealed with a key that is not at hand.
    #[error("it was sealed with another key: restore the sealing key {id}")]
    UnknownKey {
        /// The key's id.
        id: String,
    },
    /// It was changed, or belongs in another place.
    #[error("it was changed after it was sealed, or belongs in another place")]
    Tampered,
}

/// One key that seals, and older ones that only open.
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: SealingKey,
    older: Vec<SealingKey>,
}

impl KeyRing {
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

    /// Also opens what the keys of another ring sealed.
    pub fn with_ring(mut self, other: &Self) -> Self {
        for key in other.keys() {
            if self.keys().all(|known| known.id() != key.id()) {
                self.older.push(key.clone());
            }
        }
        self
    }

    /// The keys in a text: one a line, or with spaces or commas between them. The first seals, all
    /// open. `source_name` says in the error where the text came from.
    pub fn from_text(source_name: &str, text: &str) -> Result<Self, SealingKeyError> {
        let mut keys = text
            .split(|character: char| character.is_whitespace() || character == ',')
            .filter(|key| !key.is_empty())
            .map(|key| SealingKey::from_text(source_name, key));
        let current = keys.next().unwrap_or_else(|| {
            Err(SealingKeyError::Malformed {
                source_name: source_name.to_owned(),
            })
        })?;
        let mut ring = Self::new(current);
        for key in keys {
            let key = key?;
            if ring.keys().all(|known| known.id() != key.id()) {
                ring.older.push(key);
            }
            if ring.older.len() >= MAX_KEYS {
                return Err(SealingKeyError::TooMany {
                    source_name: source_name.to_owned(),
                    most: MAX_KEYS,
                });
            }
        }
        Ok(ring)
    }

    /// The text that [`Self::from_text`] reads.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        // Made large enough at once: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity((1 + self.older.len()) * 65));
        for key in self.keys() {
            text.push_str(&Zeroizing::new(hex::encode(key.bytes())));
            text.push('\n');
        }
        text
    }

    /// The id of the key that seals, which tells nothing about the key.
    pub fn id(&self) -> String {
        hex::encode(self.current.id())
    }

    /// The ids of the keys that only open.
    pub fn older_ids(&self) -> Vec<String> {
        self.older.iter().map(|key| hex::encode(key.id())).collect()
    }

    /// Whether a key with this id is at hand.
    pub fn has_key(&self, id: &str) -> bool {
        self.keys().any(|key| hex::encode(key.id()) == id)
    }

    pub(super) fn with_new_current(&self, key: SealingKey) -> Self {
        Self {
            current: key,
            older: self.keys().cloned().collect(),
        }
    }

    pub(super) fn current_only(&self) -> Self {
        Self::new(self.current.clone())
    }

    /// Whether a value is sealed with another key than the one that seals now.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        key_id(sealed) != Some(&self.current.id())
    }

    /// Whether the key is at hand that a value is sealed with; also if it is no sealed value at all.
    pub fn has_key_of(&self, sealed: &[u8]) -> bool {
        key_id(sealed).is_none_or(|id| self.keys().any(|key| key.id() == *id))
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
    ///
    /// # Errors
    /// It does not open.
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
        let key = self
            .keys()
            .find(|key| key.id() == *id)
            .ok_or_else(|| SealError::UnknownKey {
                id: hex::encode(id),
            })?;
        let associated = encode_context(context);
        let payload = Payload {
            msg: ciphertext,
            aad: &associated,
        };
        cipher(key)
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Tampered)
    }

    /// A key for another purpose than sealing from each key at hand, that which seals first. None tells anything about
    /// the key it is made from, nor about those for other purposes.
    pub fn derived(&self, purpose: &str) -> Vec<DerivedKey> {
        let derive = |key: &SealingKey| {
            let derivation = keyed(key.bytes()).chain_update(purpose);
            Zeroizing::new(derivation.finalize().into_bytes().into())
        };
        self.keys().map(derive).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

/// HMAC-SHA256 with this key.
#[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("any length is a key")
}

/// The id of the key that a value was sealed with; `None` if it is no sealed value.
pub fn key_id_of(sealed: &[u8]) -> Option<String> {
    key_id(sealed).map(hex::encode)
}

fn key_id(sealed: &[u8]) -> Option<&[u8; KEY_ID_BYTES]> {
    match sealed.split_first() {
        Some((&FORMAT, rest)) => rest.first_chunk(),
        _ => None,
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

    fn keys() -> KeyRing {
        KeyRing::new(SealingKey::generate())
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
    fn a_key_for_another_purpose_is_the_same_wherever_the_sealing_key_is() {
        let (old, new) = (SealingKey::generate(), SealingKey::generate());
        let of_old = KeyRing::new(old.clone()).derived("cookies");
        assert_eq!(of_old, KeyRing::new(old.clone()).derived("cookies"));
        assert_ne!(of_old, KeyRing::new(old.clone()).derived("links"));
        assert_ne!(*of_old[0], *old.bytes());
        let both = KeyRing::new(new).with_older(old).derived("cookies");
        assert_eq!((both.len(), &both[1]), (2, &of_old[0]));
    }

    #[test]
    fn the_same_value_looks_different_every_time() {
        let keys = keys();
        assert_ne!(keys.seal(&CONTEXT, b"value"), keys.seal(&CONTEXT, b"value"));
    }

    #[test]
    fn an_older_key_still_opens_and_a_missing_one_is_named() {
        let (old, new) = (SealingKey::generate(), SealingKey::generate());
        let sealed = KeyRing::new(old.clone()).seal(&CONTEXT, b"value");
        let without_old = KeyRing::new(new.clone());
        let id = key_id_of(&sealed).unwrap();
        assert_eq!(
            without_old.open(&CONTEXT, &sealed),
            Err(SealError::UnknownKey { id })
        );
        let with = KeyRing::new(new).with_older(old);
        assert_eq!(**with.open(&CONTEXT, &sealed).unwrap(), *b"value");
        assert!(with.is_outdated(&sealed));
        assert!(with.has_key_of(&sealed) && !without_old.has_key_of(&sealed));
        assert!(!with.is_outdated(&with.seal(&CONTEXT, b"value")));
    }

    #[test]
    fn the_first_key_of_a_text_seals_and_all_open() {
        let (old, new) = (SealingKey::generate(), SealingKey::generate());
        let sealed = KeyRing::new(old.clone()).seal(&CONTEXT, b"value");
        let [first, second] = [&new, &old].map(|key| hex::encode(key.bytes()));
        for text in [
            format!("{first}\n{second}\n"),
            format!("{first} {second}"),
            format!("\n{first},{second},{first}\n"),
        ] {
            let ring = KeyRing::from_text("text", &text).unwrap();
            assert_eq!(ring.id(), hex::encode(new.id()));
            assert_eq!(ring.older_ids(), [hex::encode(old.id())]);
            assert_eq!(**ring.open(&CONTEXT, &sealed).unwrap(), *b"value");
            let again = KeyRing::from_text("text", &ring.to_text()).unwrap();
            assert_eq!(again.older_ids(), ring.older_ids());
        }
    }

    #[test]
    fn a_text_without_a_key_or_with_far_too_many_is_refused() {
        for text in ["", " \n", "not a key"] {
            let error = KeyRing::from_text("KEY", text).unwrap_err().to_string();
            assert!(error.starts_with("KEY is not a sealing key"), "{error}");
        }
        let many: String = (0..100)
            .map(|_| hex::encode(SealingKey::generate().bytes()) + "\n")
            .collect();
        let error = KeyRing::from_text("KEY", &many).unwrap_err().to_string();
        assert!(error.contains("more than 16 keys"), "{error}");
    }
}
