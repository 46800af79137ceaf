//! What every storage provider and every ledger must do, as suites for a provider's own tests: one call each.
//!
//! ```
//! use integration_conformance::{Kept, storage_conformance};
//! use integration_host_storage::MemoryStore;
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! storage_conformance(Kept::InMemory, async |_, clock| MemoryStore::new(clock)).await;
//! # });
//! ```
//!
//! Each case checks one point of the documentation of
//! [`KeyValueStore`](integration_host_storage::KeyValueStore), or of [`Ledger`](integration_host_ledger::Ledger) and its
//! parts. One that fails says which point is broken, what was found, and what somebody would suffer from it. Nothing is
//! demanded that is not in that documentation.
#![deny(missing_docs)]

#[cfg(feature = "ledger")]
pub mod ledger;
#[cfg(feature = "storage")]
pub mod storage;
mod suite;
#[cfg(feature = "directory")]
pub mod user_directory;

#[cfg(feature = "ledger")]
pub use self::ledger::ledger_conformance;
#[cfg(feature = "storage")]
pub use self::storage::storage_conformance;
pub use self::suite::{Failure, Kept, Report};
#[cfg(feature = "directory")]
pub use self::user_directory::user_directory_conformance;
