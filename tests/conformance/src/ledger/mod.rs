//! What every ledger must do. The promises are those of the documentation of [`Ledger`] and of its parts, and of
//! [`Transfer`](integration_host_ledger::transfer::Transfer) if it can be moved.

mod activities;
mod changes;
mod concurrency;
mod confirmation;
mod connections;
mod continuity;
mod convergence;
mod deliveries;
mod feed;
mod fences;
mod fixture;
mod identity;
mod ids;
mod leases;
mod lists;
mod mappings;
mod members;
mod model;
mod rates;
mod replays;
mod requests;
mod retention;
mod scan_connections;
mod sessions;
mod summaries;
mod survival;
mod teams;
mod titles;
mod transfer;

use std::sync::Arc;

use async_trait::async_trait;
use integration_host_ledger::{Ledger, Retention};

use crate::suite::{self, Kept, Open, Opener, Report};

type Case = suite::Case<dyn Ledger, Retention>;
type World<'a> = suite::World<'a, dyn Ledger, Retention>;

/// Runs the suite and panics with what is broken, if anything is.
///
/// `open` opens the ledger under a name, of at most 16 lower-case letters and digits: the same name stands for the same
/// data, and a new one for a ledger that is empty. The suite uses some ninety names, and opens one of them again
/// only as `kept` allows. The retention is how much of the delivery log the ledger must keep.
///
/// It needs a Tokio runtime with several threads, so that what is done at once really is.
pub async fn ledger_conformance<L, F>(kept: Kept, open: F)
where
    L: Ledger,
    F: AsyncFn(String, Retention) -> L,
{
    ledger_report(kept, open).await.expect_conformance();
}

/// Runs the suite and says what is broken. [`ledger_conformance`] is for tests.
pub async fn ledger_report<L, F>(kept: Kept, open: F) -> Report
where
    L: Ledger,
    F: AsyncFn(String, Retention) -> L,
{
    suite::run(&cases(), kept, &Opener::new(open)).await
}

/// Runs the cases with these names only, such as one that fails and is to be looked into.
pub async fn ledger_cases<L, F>(names: &[&str], kept: Kept, open: F) -> Report
where
    L: Ledger,
    F: AsyncFn(String, Retention) -> L,
{
    suite::run(&suite::called(cases(), names), kept, &Opener::new(open)).await
}

/// What all cases are called, in the order they run in.
pub fn case_names() -> Vec<&'static str> {
    cases().iter().map(|case| case.name).collect()
}

fn cases() -> Vec<Case> {
    [
        identity::CASES,
        connections::CASES,
        changes::CASES,
        scan_connections::CASES,
        teams::CASES,
        mappings::CASES,
        confirmation::CASES,
        members::CASES,
        activities::CASES,
        convergence::CASES,
        titles::CASES,
        feed::CASES,
        lists::CASES,
        requests::CASES,
        ids::CASES,
        summaries::CASES,
        deliveries::CASES,
        rates::CASES,
        replays::CASES,
        retention::CASES,
        continuity::CASES,
        leases::CASES,
        fences::CASES,
        sessions::CASES,
        concurrency::CASES,
        survival::CASES,
        transfer::CASES,
    ]
    .concat()
}

#[async_trait(?Send)]
impl<F, L> Open<dyn Ledger, Retention> for Opener<F, L>
where
    L: Ledger,
    F: AsyncFn(String, Retention) -> L,
{
    async fn open(&self, name: String, retention: Retention) -> Arc<dyn Ledger> {
        Arc::new(self.function()(name, retention).await)
    }
}

impl World<'_> {
    /// The place's ledger, which is empty at first.
    async fn open(&self) -> Arc<dyn Ledger> {
        self.open_with(Retention::default()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::documentation;

    #[test]
    fn every_point_of_the_documentation_has_a_case_and_every_case_a_point() {
        macro_rules! promises {
            ($($part:literal: $file:literal,)*) => {
                [$(documentation::promises(
                    include_str!(concat!("../../../../host/ledger/src/", $file)),
                    concat!("pub trait ", $part),
                )),*]
            };
        }
        let promises = promises! {
            "Ledger": "lib.rs",
            "Connections": "connection.rs",
            "Teams": "team.rs",
            "Activities": "activity.rs",
            "Feed": "feed.rs",
            "DeliveryLog": "delivery.rs",
            "CoverageLog": "coverage.rs",
            "LeaseStore": "lease.rs",
            "Sessions": "session.rs",
            "Transfer": "transfer/mod.rs",
        };
        for promises in &promises {
            assert!(
                !promises.is_empty(),
                "a part of the ledger promises nothing"
            );
        }
        let promises = promises.concat();
        let quoted: Vec<&str> = cases().iter().map(|case| case.promise).collect();
        documentation::assert_same(&promises, &quoted);
    }
}
