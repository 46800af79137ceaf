//! A storage provider that is a component: `keyvalue-storage.wasm`.
//!
//! It exports `worksights:integration/storage`, where any number of keys change together, and imports
//! `wasi:keyvalue`, where one key changes at a time. How that is done:
//!
//! - All data is in *pieces*, values of the bucket that are never changed once they are written: leaves of an
//!   ordered index, and the larger values.
//! - One key, the *root*, says which leaves there are. A commit writes new pieces beside the old ones and then
//!   swaps the root, if nobody else did meanwhile. That is the moment at which it happens.
//! - Whoever reads does so from one root, so it sees one moment. If a piece is missing, a later commit has
//!   replaced it, and it begins again.
//! - Every attempt to commit has a number of its own, which names its pieces and is the version of what it writes. What
//!   attempts left behind that were cut off is removed by later commits.
//!
//! The logic is ordinary Rust over the trait [`Bucket`]; a thin layer binds it to the contract.

mod bucket;
mod commit;
mod pieces;
mod read;
mod tree;

#[cfg(target_family = "wasm")]
mod component;

pub use bucket::{Bucket, Failure};
pub use commit::{Commit, Expectation, Write, commit};
pub use read::{get, list};

/// The longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 576;

/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1_050_000;

/// A key that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// The state it is in.
    pub version: String,
}
