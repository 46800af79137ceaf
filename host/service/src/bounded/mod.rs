//! Providers within their time: whoever made them, a call that hangs or panics ends, and is answered as if the provider
//! were unavailable. Whoever made the call then lets go of what it holds, such as a lease or a place in a line, so
//! that everything goes on when the provider answers again.
//!
//! A provider's own time-outs come first, because their errors say more: there is a moment between.

mod directory;
mod ledger;
mod storage;

pub(crate) use self::directory::BoundedDirectory;
pub(crate) use self::ledger::BoundedLedger;
pub(crate) use self::storage::BoundedStore;

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]

    use std::sync::Arc;

    use async_trait::async_trait;

    use super::*;
    use integration_host_contract::User;
    use integration_host_contract::deadline::GRACE;
    use integration_host_contract::id::UserId;
    use integration_host_contract::limits::Limits;
    use integration_host_directory::{DirectoryError, UserDirectory};

    #[test]
    fn no_call_of_a_provider_is_forgotten() {
        macro_rules! ledger {
            ($($part:literal),*) => {
                [$(include_str!(concat!("../../../ledger/src/", $part, ".rs"))),*]
            };
        }
        let ledger = ledger![
            "lib",
            "connection",
            "team",
            "activity",
            "feed",
            "delivery",
            "coverage",
            "lease",
            "session"
        ];
        let ledger = ledger.map(|part| (include_str!("ledger.rs"), part));
        let others = [
            (
                include_str!("storage.rs"),
                include_str!("../../../storage/src/lib.rs"),
            ),
            (
                include_str!("directory.rs"),
                include_str!("../../../directory/src/lib.rs"),
            ),
        ];
        let mut calls = 0;
        for (bounded, text) in ledger.into_iter().chain(others) {
            let (_, trait_and_rest) = text.split_once("#[auto_impl(Arc)]\npub trait").unwrap();
            let (functions, _) = trait_and_rest.split_once("\n}").unwrap();
            assert!(functions.contains("fn "), "a trait was not found");
            for line in functions.lines() {
                let Some((_, signature)) = line.split_once("fn ") else {
                    continue;
                };
                let (name, _) = signature.split_once('(').unwrap();
                calls += 1;
                assert!(
                    bounded.contains(&format!("{name}(")),
                    "`{name}` does not reach its provider, or has no bound: add it"
                );
            }
        }
        assert!(calls > 40, "the traits were not found: {calls} calls");
    }

    /// A directory that never answers, or worse.
    struct Defective;

    #[async_trait]
    impl UserDirectory for Defective {
        async fn find_by_email(&self, _: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
            std::future::pending().await
        }

        async fn find_by_id(&self, _: &UserId) -> Result<Option<User>, DirectoryError> {
            panic!("a provider's defect")
        }

        async fn search(&self, _: &str, _: usize) -> Result<Vec<User>, DirectoryError> {
            std::future::pending().await
        }

        async fn count(&self) -> Result<u64, DirectoryError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_a_provider_gets_an_answer() {
        let limits = Limits::default();
        let directory = BoundedDirectory::new(Arc::new(Defective), &limits);
        let began = tokio::time::Instant::now();
        let answers = [
            directory.find_by_email(&[]).await.map(drop),
            directory.find_by_id(&UserId::new("u")).await.map(drop),
            directory.search("", 1).await.map(drop),
            directory.count().await.map(drop),
        ];
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        let longest = limits.call_timeout + 2 * 3 * limits.directory_timeout + 3 * GRACE;
        assert!(began.elapsed() <= longest, "{:?}", began.elapsed());
    }
}
