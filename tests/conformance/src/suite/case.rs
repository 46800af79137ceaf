//! One case: a promise, and what looks whether it is kept.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use futures_util::future::LocalBoxFuture;

use super::World;

/// A case of a suite for providers `P`, which are given a `G` when they are opened.
pub(crate) struct Case<P: ?Sized, G> {
    /// What it is called in a report.
    pub(crate) name: &'static str,
    /// The sentence of the documentation, word for word.
    pub(crate) promise: &'static str,
    /// What somebody suffers if it is broken.
    pub(crate) harm: &'static str,
    /// Looks whether it is kept. The error says what was found instead.
    pub(crate) run: for<'w> fn(&'w World<'w, P, G>) -> LocalBoxFuture<'w, Result<()>>,
}

impl<P: ?Sized, G> Clone for Case<P, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: ?Sized, G> Copy for Case<P, G> {}

/// A case that is called like the function that runs it.
macro_rules! case {
    ($run:ident, $promise:expr, $harm:expr $(,)?) => {
        $crate::suite::Case {
            name: stringify!($run),
            promise: $promise,
            harm: $harm,
            run: |world| Box::pin($run(world)),
        }
    };
}
pub(crate) use case;

/// An error unless both are the same. `what` says what was looked at.
pub(crate) fn same<T, U>(found: T, expected: U, what: impl AsRef<str>) -> Result<()>
where
    T: Debug + PartialEq<U>,
    U: Debug,
{
    ensure!(
        found == expected,
        "{}: expected {expected:?}, found {found:?}",
        what.as_ref()
    );
    Ok(())
}
