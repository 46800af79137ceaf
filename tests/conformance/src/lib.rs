//! What every storage provider must do, as a test suite for a provider's own tests: one call.
//!
//! ```
//! use integration_conformance::{Kept, storage_conformance};
//! use integration_host::capability::storage::MemoryStore;
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! storage_conformance(Kept::InMemory, async |_, clock| MemoryStore::new(clock)).await;
//! # });
//! ```
//!
//! Each case checks one sentence of the documentation of
//! [`KeyValueStore`](integration_host::capability::storage::KeyValueStore). One that fails says which sentence is
//! broken, what was found, and what somebody would suffer from it. Nothing is demanded that is not in that documentation.
#![deny(missing_docs)]

pub mod storage;
mod suite;

pub use self::storage::storage_conformance;
pub use self::suite::{Failure, Kept, Report};
