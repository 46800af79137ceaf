//! Sealing: what is at rest is encrypted, and a sealed value that was changed, or put in the place
//! of another, is found out.
//!
//! A [`KeySource`] yields one key a line: the first seals, all open. [`SealingKeys`] holds them for
//! the whole host and lets them be exchanged while it works.
//!
//! ```
//! use integration_host_seal::{KeyRing, SealingKey};
//!
//! let keys = KeyRing::new(SealingKey::generate());
//! let sealed = keys.seal(&["connection 1", "token"], b"hush");
//! assert_eq!(*keys.open(&["connection 1", "token"], &sealed).unwrap(), b"hush");
//! // In the place of another it does not open.
//! assert!(keys.open(&["connection 2", "token"], &sealed).is_err());
//! ```
#![deny(missing_docs)]

pub mod drafts;
pub mod secret;

mod file;
mod key;
mod ring;
mod source;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

pub use self::key::{SealingKey, SealingKeyError};
pub use self::ring::{DerivedKey, keyed};
pub use self::ring::{KeyRing, SEAL_BYTES, SealError, key_id_of};
pub use self::source::{KeySource, keep_in_file};

/// The keys of a host, shared by all that seal and open. They can be exchanged at any time.
#[derive(Debug)]
pub struct SealingKeys {
    source: KeySource,
    present: RwLock<Present>,
}

#[derive(Debug)]
struct Present {
    keys: Arc<Generation>,
    /// Ends when nobody holds this generation any more.
    given_back: mpsc::Receiver<Infallible>,
}

/// The keys between two exchanges.
#[derive(Debug)]
struct Generation {
    ring: KeyRing,
    _held: mpsc::Sender<Infallible>,
}

impl Present {
    fn new(ring: KeyRing) -> Self {
        let (held, given_back) = mpsc::channel(1);
        Self {
            keys: Arc::new(Generation { ring, _held: held }),
            given_back,
        }
    }
}

/// The keys as they were at one moment. Take them before reading or sealing, and hold them until what
/// was sealed is stored: a rotation waits for it, so that nothing appears that a key sealed which is
/// about to go.
pub struct HeldKeys<'a> {
    held: Arc<Generation>,
    keys: &'a SealingKeys,
}

/// Keys that were exchanged and may still be in use.
#[must_use]
pub struct Retired(mpsc::Receiver<Infallible>);

impl Retired {
    /// Completes when whatever was being sealed with them is stored.
    pub async fn given_back(mut self) {
        // Yields nothing but the end.
        while self.0.recv().await.is_some() {}
    }
}

impl SealingKeys {
    /// Seals and opens with one key, which the embedding program keeps.
    pub fn new(key: SealingKey) -> Self {
        Self::from_ring(KeyRing::new(key), KeySource::Given)
    }

    /// Seals and opens with these keys.
    pub fn from_ring(ring: KeyRing, source: KeySource) -> Self {
        Self {
            source,
            present: RwLock::new(Present::new(ring)),
        }
    }

    /// The keys that a source yields. `timeout` bounds how long a command may take.
    ///
    /// # Errors
    /// A sentence that says what helps.
    pub async fn load(source: KeySource, timeout: Duration) -> Result<Self, SealingKeyError> {
        let ring = source.load(timeout).await?;
        Ok(Self::from_ring(ring, source))
    }

    /// Where the keys come from.
    pub fn source(&self) -> &KeySource {
        &self.source
    }

    /// The keys of this moment.
    pub fn hold(&self) -> HeldKeys<'_> {
        HeldKeys {
            held: self.present(),
            keys: self,
        }
    }

    /// The keys of this moment, to look at.
    pub fn ring(&self) -> KeyRing {
        self.present().ring.clone()
    }

    /// Whether a sealed value was sealed with a key that is at hand. What is no sealed value at all is
    /// no matter of keys.
    pub fn has_key_of(&self, sealed: &[u8]) -> bool {
        self.present().ring.has_key_of(sealed)
    }

    /// Opens a value that was sealed for this context.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&self, context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.present().ring.open(context, sealed)
    }

    /// Seals with a new key from now on; the present ones still open. The source keeps the new key
    /// before anything is sealed with it. `None`: keys from this source are made by who keeps them.
    pub fn add_new_key(&self) -> Result<Option<Retired>, SealingKeyError> {
        let KeySource::File(path) = &self.source else {
            return Ok(None);
        };
        let ring = self.present().ring.with_new_current(SealingKey::generate());
        file::replace(path, &ring)?;
        Ok(Some(self.exchange(ring)))
    }

    /// Lets go of all keys but the one that seals, in memory and, if it is a file, at the source.
    pub fn forget_older(&self) -> Result<(), SealingKeyError> {
        let ring = self.present().ring.current_only();
        if let KeySource::File(path) = &self.source {
            file::replace(path, &ring)?;
            let _ = self.exchange(ring);
        }
        Ok(())
    }

    fn exchange(&self, ring: KeyRing) -> Retired {
        let mut present = self.present.write();
        let former = std::mem::replace(&mut *present, Present::new(ring));
        Retired(former.given_back)
    }

    fn present(&self) -> Arc<Generation> {
        let present = self.present.read();
        Arc::clone(&present.keys)
    }
}

impl HeldKeys<'_> {
    /// Seals a value for one context: what it is for and where it belongs, outermost first.
    pub fn seal(&self, context: &[&str], plaintext: &[u8]) -> Vec<u8> {
        self.held.ring.seal(context, plaintext)
    }

    /// Opens a value that was sealed for this context. What somebody sealed with newer keys
    /// meanwhile opens too.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&self, context: &[&str], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match self.held.ring.open(context, sealed) {
            Err(SealError::UnknownKey { .. }) => self.keys.open(context, sealed),
            opened => opened,
        }
    }

    /// Whether a sealed value was sealed with another key than the one that seals now, so that sealing
    /// it again would make the older key dispensable.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        self.held.ring.is_outdated(sealed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::*;

    const CONTEXT: [&str; 3] = ["storage", "connection", "key"];

    async fn keys_in(path: &Path) -> SealingKeys {
        let source = KeySource::File(path.to_owned());
        SealingKeys::load(source, Duration::from_secs(5))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_rotation_waits_until_what_was_being_sealed_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys_in(&directory.path().join("sealing-key")).await;
        let held = keys.hold();
        let sealed = held.seal(&CONTEXT, b"value");
        let retired = keys.add_new_key().unwrap().unwrap();
        let mut waiting = Box::pin(retired.given_back());
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut waiting)
                .await
                .is_err(),
            "a value sealed with the old key could still appear after the key is gone"
        );
        drop(held);
        waiting.await;
        assert!(keys.hold().is_outdated(&sealed));
        assert_eq!(**keys.hold().open(&CONTEXT, &sealed).unwrap(), *b"value");
    }

    #[tokio::test]
    async fn whoever_was_reading_opens_what_was_sealed_with_newer_keys() {
        let directory = tempfile::tempdir().unwrap();
        let keys = keys_in(&directory.path().join("sealing-key")).await;
        let reader = keys.hold();
        let old = reader.seal(&CONTEXT, b"old");
        let _ = keys.add_new_key().unwrap();
        keys.forget_older().unwrap();
        let new = keys.hold().seal(&CONTEXT, b"new");
        assert_eq!(**reader.open(&CONTEXT, &old).unwrap(), *b"old");
        assert_eq!(**reader.open(&CONTEXT, &new).unwrap(), *b"new");
        assert!(
            matches!(
                keys.hold().open(&CONTEXT, &old),
                Err(SealError::UnknownKey { .. })
            ),
            "a key that was let go of still opens"
        );
    }

    #[tokio::test]
    async fn keys_are_in_their_file_before_they_are_used_and_go_when_they_are_dispensable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        let keys = keys_in(&path).await;
        let old = keys.hold().seal(&CONTEXT, b"old");
        let _ = keys.add_new_key().unwrap();
        let new = keys.hold().seal(&CONTEXT, b"new");

        let after_a_crash = keys_in(&path).await;
        for sealed in [&old, &new] {
            assert!(after_a_crash.open(&CONTEXT, sealed).is_ok());
        }
        assert!(!after_a_crash.hold().is_outdated(&new));
        after_a_crash.forget_older().unwrap();
        let later = keys_in(&path).await;
        assert!(later.open(&CONTEXT, &new).is_ok());
        assert!(!later.has_key_of(&old));
    }

    #[tokio::test]
    async fn keys_somebody_else_keeps_are_not_made_here() {
        let keys = SealingKeys::new(SealingKey::generate());
        assert!(keys.add_new_key().unwrap().is_none());
    }
}
