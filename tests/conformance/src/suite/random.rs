//! Checks with random inputs, made smaller when one fails.

use std::fmt::Debug;

use anyhow::{Result, anyhow};
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};

/// How often a failing input is made smaller.
const MAX_SIMPLER: usize = 500;

/// Runs a check with `cases` random inputs. The error names the smallest input found that fails.
///
/// Property tests are not run by proptest itself, because providers answer within the runtime that
/// called the suite.
pub(crate) async fn for_random<T: Clone + Debug>(
    cases: usize,
    strategy: impl Strategy<Value = T>,
    check: impl AsyncFn(T) -> Result<()>,
) -> Result<()> {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    for _ in 0..cases {
        let made = strategy.new_tree(&mut runner);
        let mut input = made.map_err(|reason| anyhow!("no input could be made: {reason}"))?;
        let Err(mut error) = check(input.current()).await else {
            continue;
        };
        let mut smallest = input.current();
        for _ in 0..MAX_SIMPLER {
            // A simpler one that passes was too simple: the next is between the two.
            let fails = check(input.current()).await;
            let goes_on = match fails {
                Err(failure) => {
                    (error, smallest) = (failure, input.current());
                    input.simplify()
                }
                Ok(()) => input.complicate(),
            };
            if !goes_on {
                break;
            }
        }
        return Err(error.context(format!("after {smallest:#?}")));
    }
    Ok(())
}
