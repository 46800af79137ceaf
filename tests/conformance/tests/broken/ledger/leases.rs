//! Ledgers that several hosts share, and whose leases are not what they are said to be.

use std::sync::Arc;

use super::flawed::Flawless;
use super::keeper::{Host, Keeper, Mistake};
use super::*;

/// The cases that are about leases.
const CASES: [&str; 10] = [
    "a_lease_goes_to_one_at_a_time",
    "of_many_who_ask_at_once_one_is_granted",
    "a_lease_rests_as_long_as_it_was_told_to",
    "fences_only_grow",
    "renewing_keeps_a_lease",
    "nobody_ends_or_renews_what_another_has",
    "leases_have_names",
    "a_host_that_was_away_changes_nothing",
    "every_lease_of_a_handle_counts",
    "nothing_comes_after_a_lease_was_granted",
];

/// Runs cases with hosts that share a ledger in memory.
async fn report(cases: &[&str], mistake: Mistake) -> integration_conformance::Report {
    let mut report = integration_conformance::Report::default();
    for case in cases {
        let (ledger, keeper) = (
            Arc::new(in_memory(Retention::default())),
            Arc::new(Keeper::new(mistake)),
        );
        let open = async |_, _| Flawed {
            ledger: Arc::clone(&ledger),
            flaw: Arc::new(Flawless),
            host: Some(Host::new(&keeper)),
        };
        let one = ledger_cases(&[case], Kept::InMemory, open).await;
        assert_eq!(one.cases, 1, "there is no case {case}");
        report.cases += one.cases;
        report.failures.extend(one.failures);
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mistake_everything_is_kept() {
    let report = report(&CASES, Mistake::None).await;
    assert!(report.failures.is_empty(), "{report}");
}

macro_rules! mistaken {
    ($($test:ident: $mistake:ident => $case:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let case = stringify!($case);
            let report = report(&[case], Mistake::$mistake).await;
            assert!(report.has_failed(case), "{case} did not notice");
        }
    )*};
}

mistaken! {
    a_lease_is_granted_to_everybody: GrantsAlways => a_lease_goes_to_one_at_a_time,
    several_at_once_look_first: LooksFirst => of_many_who_ask_at_once_one_is_granted,
    nothing_rests: ForgetsToRest => a_lease_rests_as_long_as_it_was_told_to,
    fences_begin_anew: CountsAnew => fences_only_grow,
    renewing_does_nothing: RenewsNothing => renewing_keeps_a_lease,
    anybody_ends_a_lease: KnowsNamesOnly => nobody_ends_or_renews_what_another_has,
    one_lease_is_for_everything: IgnoresNames => leases_have_names,
    a_fence_holds_nothing_back: FencesNothing => a_host_that_was_away_changes_nothing,
    the_last_fence_counts: FencesByTheLast => every_lease_of_a_handle_counts,
    a_change_comes_after_it_was_let_through: LetsGoTooSoon => nothing_comes_after_a_lease_was_granted,
}
