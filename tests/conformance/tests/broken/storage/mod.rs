//! Storage providers that each break one promise.

mod commits;
mod expiry;
mod handles;
mod keys;
mod lists;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use integration_conformance::Kept;
use integration_conformance::storage::storage_report;
use integration_host_contract::clock::Clock;
use integration_host_contract::id::ConnectionId;
use integration_host_storage::{
    Commit, Entry, Expectation, KeyValueStore, MemoryStore, StorageError, Write,
};

type Result<T> = std::result::Result<T, StorageError>;

/// What is wrong with a store. Each method does by itself what is right.
#[async_trait]
trait Flaw: Send + Sync + 'static {
    async fn get(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        key: &str,
    ) -> Result<Option<Entry>> {
        store.get(connection, key).await
    }

    async fn list(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        store.list(connection, prefix, after, limit).await
    }

    async fn commit(
        &self,
        store: &MemoryStore,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit> {
        store.commit(connection, expected, writes).await
    }
}

/// A flaw: the calls that it makes wrong, without the types of what they are given and answer.
macro_rules! flaw {
    (@ $flaw:ty { $($done:tt)* }) => {
        #[async_trait]
        impl Flaw for $flaw {
            $($done)*
        }
    };
    (@ $flaw:ty { $($done:tt)* }
        get($this:ident, $store:pat, $connection:pat, $key:pat) $body:block $($rest:tt)*
    ) => {
        flaw! { @ $flaw { $($done)*
            async fn get(
                &$this, $store: &MemoryStore, $connection: &ConnectionId, $key: &str,
            ) -> Result<Option<Entry>> $body
        } $($rest)* }
    };
    (@ $flaw:ty { $($done:tt)* }
        list($this:ident, $store:pat, $connection:pat, $prefix:pat, $after:pat, $limit:pat)
        $body:block $($rest:tt)*
    ) => {
        flaw! { @ $flaw { $($done)*
            async fn list(
                &$this, $store: &MemoryStore, $connection: &ConnectionId, $prefix: &str,
                $after: Option<&str>, $limit: usize,
            ) -> Result<Vec<Entry>> $body
        } $($rest)* }
    };
    (@ $flaw:ty { $($done:tt)* }
        commit($this:ident, $store:pat, $connection:pat, $expected:pat, $writes:pat)
        $body:block $($rest:tt)*
    ) => {
        flaw! { @ $flaw { $($done)*
            async fn commit(
                &$this, $store: &MemoryStore, $connection: &ConnectionId,
                $expected: &[Expectation], $writes: &[Write],
            ) -> Result<Commit> $body
        } $($rest)* }
    };
    ($flaw:ty { $($calls:tt)* }) => {
        flaw! { @ $flaw {} $($calls)* }
    };
}
use flaw;

/// A store with a flaw.
struct Flawed<F> {
    store: Arc<MemoryStore>,
    flaw: F,
}

#[async_trait]
impl<F: Flaw> KeyValueStore for Flawed<F> {
    async fn get(&self, connection: &ConnectionId, key: &str) -> Result<Option<Entry>> {
        self.flaw.get(&self.store, connection, key).await
    }

    async fn list(
        &self,
        connection: &ConnectionId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.flaw
            .list(&self.store, connection, prefix, after, limit)
            .await
    }

    async fn commit(
        &self,
        connection: &ConnectionId,
        expected: &[Expectation],
        writes: &[Write],
    ) -> Result<Commit> {
        self.flaw
            .commit(&self.store, connection, expected, writes)
            .await
    }
}

/// Expects that the suite notices a flaw, at the case that is meant for it.
async fn expect_noticed<F: Flaw>(case: &str, flaw: impl Fn(Arc<dyn Clock>) -> F) {
    expect_failure(case, Kept::InMemory, async |_, clock: Arc<dyn Clock>| {
        Flawed {
            store: Arc::new(MemoryStore::new(clock.clone())),
            flaw: flaw(clock),
        }
    })
    .await;
}

/// Expects that a case fails, whatever else does.
async fn expect_failure<S: KeyValueStore>(
    case: &str,
    kept: Kept,
    open: impl AsyncFn(String, Arc<dyn Clock>) -> S,
) {
    let report = storage_report(kept, open).await;
    assert!(report.has_failed(case), "{case} did not notice: {report}");
}

/// A test for each flaw: its name, how it is made, and the case that must notice it.
macro_rules! noticed {
    ($($test:ident: $flaw:expr => $case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            super::expect_noticed(stringify!($case), $flaw).await;
        }
    )*};
}
use noticed;
