//! What the logic needs of `wasi:keyvalue`.

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something is out of bounds. Carries a sentence.
    Invalid(String),
    /// The bucket did not answer, or holds what cannot be read. Carries a sentence.
    Unavailable(String),
}

/// A bucket: keys and values, changed one by one.
pub trait Bucket {
    /// A key as it was at one moment.
    type Seen;

    /// The value of a key.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure>;

    /// Sets a value.
    fn set(&self, key: &str, value: &[u8]) -> Result<(), Failure>;

    /// Deletes a key, which may be absent.
    fn delete(&self, key: &str) -> Result<(), Failure>;

    /// Whether a key is there.
    fn exists(&self, key: &str) -> Result<bool, Failure>;

    /// Adds one to a number, which is 0 while the key is absent, and returns the sum: it is returned to nobody
    /// else.
    fn increment(&self, key: &str) -> Result<u64, Failure>;

    /// Looks at a key, to swap its value later.
    fn look(&self, key: &str) -> Result<(Self::Seen, Option<Vec<u8>>), Failure>;

    /// Sets the value if the key was not changed since it was looked at, and says whether it did.
    fn swap(&self, seen: Self::Seen, value: &[u8]) -> Result<bool, Failure>;
}
