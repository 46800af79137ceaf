//! What every storage provider must do. The promises are those of [`KeyValueStore`]'s documentation.

mod commits;
mod concurrency;
mod connections;
mod expiry;
mod keys;
mod lists;
mod model;
mod scope;
mod survival;
mod values;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use integration_host_contract::clock::Clock;
use integration_host_storage::KeyValueStore;

use self::scope::Scope;
use crate::suite::{self, Kept, Open, Opener, Report};

type Case = suite::Case<dyn KeyValueStore, Arc<dyn Clock>>;
type World<'a> = suite::World<'a, dyn KeyValueStore, Arc<dyn Clock>>;

/// Runs the suite and panics with what is broken, if anything is.
///
/// `open` opens the store under a name, of at most 16 lower-case letters and digits: the same name stands for the same
/// data, and a new one for a store that is empty. The suite uses some fifty names, and opens one of them again
/// only as `kept` allows. The clock is the one by which entries expire; the suite moves it.
///
/// It needs a Tokio runtime with several threads, so that what is done at once really is.
pub async fn storage_conformance<S, F>(kept: Kept, open: F)
where
    S: KeyValueStore,
    F: AsyncFn(String, Arc<dyn Clock>) -> S,
{
    storage_report(kept, open).await.expect_conformance();
}

/// Runs the suite and says what is broken. [`storage_conformance`] is for tests.
pub async fn storage_report<S, F>(kept: Kept, open: F) -> Report
where
    S: KeyValueStore,
    F: AsyncFn(String, Arc<dyn Clock>) -> S,
{
    suite::run(&cases(), kept, &Opener::new(open)).await
}

/// Runs the cases with these names only, such as one that fails and is to be looked into.
pub async fn storage_cases<S, F>(names: &[&str], kept: Kept, open: F) -> Report
where
    S: KeyValueStore,
    F: AsyncFn(String, Arc<dyn Clock>) -> S,
{
    suite::run(&suite::called(cases(), names), kept, &Opener::new(open)).await
}

/// What all cases are called, in the order they run in.
pub fn case_names() -> Vec<&'static str> {
    cases().iter().map(|case| case.name).collect()
}

fn cases() -> Vec<Case> {
    [
        keys::CASES,
        values::CASES,
        connections::CASES,
        versions::CASES,
        commits::CASES,
        expiry::CASES,
        lists::CASES,
        concurrency::CASES,
        survival::CASES,
        model::CASES,
    ]
    .concat()
}

#[async_trait(?Send)]
impl<F, S> Open<dyn KeyValueStore, Arc<dyn Clock>> for Opener<F, S>
where
    S: KeyValueStore,
    F: AsyncFn(String, Arc<dyn Clock>) -> S,
{
    async fn open(&self, name: String, clock: Arc<dyn Clock>) -> Arc<dyn KeyValueStore> {
        Arc::new(self.function()(name, clock).await)
    }
}

impl World<'_> {
    /// The place's store, which is empty at first.
    async fn open(&self) -> Arc<dyn KeyValueStore> {
        self.open_with(self.clock().clone()).await
    }

    /// The keys of one connection, of which there is nothing else here.
    async fn scope(&self) -> Scope {
        Scope::new(self.open().await, "connection")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::documentation;

    #[test]
    fn every_sentence_of_the_documentation_has_a_case_and_every_case_a_sentence() {
        let source = include_str!("../../../../host/storage/src/lib.rs");
        let promises = documentation::promises(source, "pub trait KeyValueStore");
        let quoted: Vec<&str> = cases().iter().map(|case| case.promise).collect();
        documentation::assert_same(&promises, &quoted);
    }
}
