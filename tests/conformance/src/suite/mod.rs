//! What both suites are made of: cases, the place each runs in, and the report.

mod case;
#[cfg(test)]
pub(crate) mod documentation;
mod dropped;
mod random;
mod report;
mod world;

pub(crate) use self::case::{Case, case, same};
pub(crate) use self::dropped::begin_and_drop;
pub(crate) use self::random::for_random;
pub use self::report::{Failure, Report};
pub use self::world::Kept;
pub(crate) use self::world::{Open, Opener, World};

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

/// How long a case may take. A correct provider is far from it; one that waits for itself is not waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// Those of some cases that are called so.
pub(crate) fn called<P: ?Sized, G>(mut cases: Vec<Case<P, G>>, names: &[&str]) -> Vec<Case<P, G>> {
    cases.retain(|case| names.contains(&case.name));
    cases
}

/// Runs each case in a place of its own.
pub(crate) async fn run<P: ?Sized, G: Clone>(
    cases: &[Case<P, G>],
    kept: Kept,
    opener: &dyn Open<P, G>,
) -> Report {
    let mut report = Report::default();
    for case in cases {
        let world = World::new(kept, opener);
        let outcome = AssertUnwindSafe((case.run)(&world)).catch_unwind();
        let found = match tokio::time::timeout(PATIENCE, outcome).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("{error:#}")),
            Ok(Err(panic)) => Some(format!("the provider panicked: {}", words(&*panic))),
            Err(_) => Some(format!("the provider did not answer for {PATIENCE:?}")),
        };
        report.cases += 1;
        report.failures.extend(found.map(|found| Failure {
            case: case.name,
            promise: case.promise,
            harm: case.harm,
            found,
        }));
    }
    report
}

/// What a panic said.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
}
